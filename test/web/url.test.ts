/** URL and URLSearchParams against Node's, over a corpus and generated inputs. */
import * as fc from 'fast-check'
import { afterAll, expect, test } from 'vitest'
import { parseCanonical } from '../../guest-sdk/web/url-record.ts'
import { createGuest } from './harness.ts'
import { CORPUS } from './url-corpus.ts'

const guest = createGuest()
afterAll(() => guest.close())

const PROPERTIES = [
  'href',
  'protocol',
  'username',
  'password',
  'host',
  'hostname',
  'port',
  'pathname',
  'search',
  'hash',
  'origin',
] as const

const describeWith = (Parser: typeof URL, input: string, base?: string): Record<string, string> | null => {
  try {
    const url = new Parser(input, base)
    return Object.fromEntries(PROPERTIES.map((name) => [name, url[name]]))
  } catch {
    return null
  }
}

test('URL equals Node’s over the corpus, with and without a base', async () => {
  const bases = [
    undefined,
    'http://base.com/dir/file?q#f',
    'https://base.com:8080',
    'data:text/plain,x',
    'bad',
  ]
  for (const base of bases) {
    const parsed = await guest.run(
      (inputs, against, names) =>
        inputs.map((input) => {
          try {
            const url = against === null ? new URL(input) : new URL(input, against)
            return Object.fromEntries(names.map((name) => [name, url[name]]))
          } catch {
            return null
          }
        }),
      CORPUS,
      base ?? null,
      PROPERTIES,
    )
    expect(parsed.map((url, index) => [CORPUS[index], url])).toEqual(
      CORPUS.map((input) => [input, describeWith(URL, input, base)]),
    )
  }
})

const piece = (alphabet: string, most: number): fc.Arbitrary<string> =>
  fc.string({ unit: fc.constantFrom(...alphabet), maxLength: most })
const SPICE = `abcxnz019-._~!$&'()*+,;=:@%2eE/\\?#[]{}|^\`"<> \té`
const urlish = fc
  .tuple(
    fc.constantFrom('http://', 'https://', 'HTTP://', 'http:/', 'ftp://', ''),
    fc.oneof(
      piece('abcxn019-.', 12),
      fc.ipV4(),
      fc.ipV4Extended(),
      fc.domain(),
      piece(SPICE, 8),
      fc.constantFrom('xn--abc', 'a.xn--b', '1.2.3', '0x1.com', 'a.0x'),
    ),
    fc.oneof(
      fc.constant(''),
      fc.integer({ min: 0, max: 70_000 }).map((port) => `:${port}`),
      piece(':0189', 4),
    ),
    fc.oneof(
      piece('/abc%2eE.', 16),
      piece(SPICE, 12).map((text) => `/${text}`),
      fc.webPath(),
    ),
    fc.oneof(
      fc.constant(''),
      piece(SPICE, 8).map((text) => `?${text}`),
    ),
    fc.oneof(
      fc.constant(''),
      piece(SPICE, 8).map((text) => `#${text}`),
    ),
  )
  .map((parts) => parts.join(''))

test('whatever the fast path accepts, it parses as Node does', () => {
  let accepted = 0
  // Half of them tame, or hardly any would be accepted.
  const tame = fc
    .tuple(fc.oneof(piece('abc019-.', 8), fc.ipV4()), piece('/abc%2E.:@', 12), piece(`ab?&=%'[{^`, 6))
    .map(([host, path, query]) => `http://a${host}/${path}?${query}`)
  fc.assert(
    fc.property(fc.oneof(urlish, tame), (input) => {
      const fast = parseCanonical(input)
      if (fast === undefined) return
      accepted++
      expect(fast).toEqual(describeWith(URL, input))
    }),
    { numRuns: 30_000 },
  )
  expect(accepted).toBeGreaterThan(1000)
})

test('the fast path takes the URLs that services see', () => {
  for (const url of [
    'http://127.0.0.1:8787/demo/hello',
    'http://shop.acme.localhost:8787/cart/42?full=1&sort=-price#top',
    'https://api.example.com/v1/users/a%20b',
  ]) {
    expect(parseCanonical(url)?.href).toBe(url)
  }
})

test('generated URLs with a base equal Node’s', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.tuple(fc.oneof(urlish, piece(SPICE, 10)), urlish), { minLength: 50, maxLength: 50 }),
      async (pairs) => {
        const hrefs = await guest.run(
          (list) => list.map(([input, base]) => URL.parse(input, base)?.href ?? null),
          pairs,
        )
        expect(hrefs).toEqual(pairs.map(([input, base]) => URL.parse(input, base)?.href ?? null))
      },
    ),
    { numRuns: 30 },
  )
})

test('setters behave as Node’s', async () => {
  const steps: [keyof URL & string, string][] = [
    ['pathname', '/a b'],
    ['search', 'x=1'],
    ['search', ''],
    ['hash', '#é'],
    ['port', '99'],
    ['port', 'bad'],
    ['port', ''],
    ['host', 'c.d:1'],
    ['hostname', 'e'],
    ['protocol', 'https'],
    ['protocol', 'mailto'],
    ['username', 'u'],
    ['password', 'p@'],
    ['href', 'http://z/?a=b'],
  ]
  const apply = (list: [string, string][]): string[] => {
    const url = new URL('http://a.b:80/x?y=1#z')
    return list.map(([name, value]) => {
      url[name as 'href'] = value
      return url.href
    })
  }
  expect(await guest.run(apply, steps)).toEqual(apply(steps))
  await expect(guest.run(() => (new URL('http://a/').href = 'bad'))).rejects.toThrow(/TypeError: Invalid URL/)
})

test('canParse, parse, toJSON and the error are as expected', async () => {
  expect(
    await guest.run(() => [
      URL.canParse('x'),
      URL.canParse('x', 'http://a.b'),
      URL.parse('x'),
      JSON.stringify({ url: new URL('http://a.b') }),
      String(new URL('http://a.b')),
      Object.prototype.toString.call(new URL('http://a.b')),
    ]),
  ).toEqual([false, true, null, '{"url":"http://a.b/"}', 'http://a.b/', '[object URL]'])
})
