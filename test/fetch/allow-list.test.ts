/** The allow-list: what a pattern is, what it allows, and the spellings that try to be something else. */
import { describe, expect, test } from 'vitest'
import {
  coversPattern,
  createAllowList,
  parsePattern,
  parseTarget,
  type Pattern,
  printPattern,
} from '../../host/http/client/allow-list.ts'
import { asker, clientFor, codeOf, errorOf, scopeFor, serve } from './support.ts'

function pattern(text: string): Pattern {
  const parsed = parsePattern(text)
  if (typeof parsed === 'string') throw new Error(`${text} ${parsed}`)
  return parsed
}

function verdict(patterns: readonly string[], url: string): string {
  try {
    return createAllowList(patterns.map(pattern)).allows(parseTarget(url)) ? 'yes' : 'no'
  } catch (thrown) {
    return (thrown as { code: string }).code
  }
}

describe('a pattern', () => {
  test.each([
    ['https://api.example.com', 'https://api.example.com'],
    ['HTTPS://API.Example.COM/', 'https://api.example.com'],
    ['https://api.example.com:443/*', 'https://api.example.com'],
    ['http://127.1:8080', 'http://127.0.0.1:8080'],
    ['http://[::0:1]:80', 'http://[::1]'],
    ['https://*.Example.org:8443', 'https://*.example.org:8443'],
    ['https://bücher.example', 'https://xn--bcher-kva.example'],
    ['https://*.bücher.example', 'https://*.xn--bcher-kva.example'],
    ['https://*', 'https://*'],
    ['http://*:*', 'http://*:*'],
    ['https://host.example/v1/*', 'https://host.example/v1/*'],
    ['https://host.example/v1/users', 'https://host.example/v1/users'],
  ])('%s has the spelling %s', (text, spelling) => {
    expect(printPattern(pattern(text))).toBe(spelling)
    expect(printPattern(pattern(spelling))).toBe(spelling)
  })

  test.each([
    '',
    'example.com',
    '*',
    'ftp://x',
    'file:///etc/passwd',
    'https://',
    'https:///path',
    '//x.example',
    ...'https://user@x.example https://u:p@x.example https://x.example?q https://x.example#f'.split(' '),
    ...'https://a.*.example https://*x.example https://**.example https://*.* https://*.127.0.0.1'.split(' '),
    ...'https://x.example. https://*.example. https://x..example https://x.example:99999'.split(' '),
    'https://x.example:',
    'https://x.example\\@y.example',
    'https://x.example /',
    'https://%65x.example',
    ...'https://x.example/../a https://x.example/a/%2e%2e/* https://x.example/a%2fb https://x.example/*/b'.split(
      ' ',
    ),
    'https://x.example/a*',
    'https://x\n.example',
    `https://${'a'.repeat(600)}.example`,
  ])('%j is none', (text) => {
    expect(parsePattern(text)).toBeTypeOf('string')
  })
})

describe('an allow-list', () => {
  const list = ['https://api.example.com', 'https://*.example.org', 'http://local.example:8080']

  test.each([
    'https://api.example.com/',
    'https://API.EXAMPLE.COM:443/any?q#f',
    'https:\\\\api.example.com\\path',
    'https://api.example.com\\@evil.example/',
    'https://ap%69.example.com/',
    'https://a.example.org/',
    'https://a.b.example.org/',
    'http://local.example:8080/',
  ])('allows %s', (url) => {
    expect(verdict(list, url)).toBe('yes')
  })

  test.each([
    'http://api.example.com/',
    'https://api.example.com:8443/',
    'https://example.com/',
    'https://api.example.com.evil.example/',
    'https://evil-api.example.com/',
    'https://evil.example/api.example.com',
    'https://evil.example\\@api.example.com/',
    'https://evil.example/?https://api.example.com',
    'https://evil.example#@api.example.com',
    'https://example.org/',
    'https://badexample.org/',
    'https://a.example.org.evil.example/',
    'http://local.example/',
    'http://local.example:8081/',
    'https://apі.example.com/', // a Cyrillic і
  ])('does not allow %s', (url) => {
    expect(verdict(list, url)).toBe('no')
  })

  test.each([
    ['https://api.example.com./', 'VELA_FETCH_INVALID'],
    ['https://api.example.com%2e/', 'VELA_FETCH_INVALID'],
    ['https://api.example.com@evil.example/', 'VELA_FETCH_INVALID'],
    ['https://api.example.com:443@evil.example/', 'VELA_FETCH_INVALID'],
    ['https://:pw@api.example.com/', 'VELA_FETCH_INVALID'],
    ['https://*.example.org/', 'VELA_FETCH_INVALID'],
    ['https://api.example.com:99999/', 'VELA_FETCH_INVALID'],
    ['/relative', 'VELA_FETCH_INVALID'],
    ['', 'VELA_FETCH_INVALID'],
    ...'file:///etc/passwd data:,x ftp://api.example.com/ ws://api.example.com/ javascript:1'
      .split(' ')
      .map((url): [string, string] => [url, 'VELA_FETCH_DENIED']),
    ['blob:https://api.example.com/1', 'VELA_FETCH_DENIED'],
    ['unix:/run/docker.sock', 'VELA_FETCH_DENIED'],
  ])('%j is refused with %s before any list is asked', (url, code) => {
    expect(verdict(['https://*:*', 'http://*:*', ...list], url)).toBe(code)
  })

  test('a URL is at most 16 KiB long', () => {
    expect(verdict(list, `https://api.example.com/${'a'.repeat(20_000)}`)).toBe('VELA_FETCH_INVALID')
  })

  test('an international name matches in either spelling', () => {
    for (const text of ['https://bücher.example', 'https://xn--bcher-kva.example'])
      for (const url of [
        'https://bücher.example/',
        'https://XN--BCHER-KVA.example/',
        'https://b%C3%BCcher.example/',
      ])
        expect([text, url, verdict([text], url)]).toEqual([text, url, 'yes'])
  })

  test('a path prefix holds against every way out of it', () => {
    const only = ['https://x.example/pub/*', 'https://x.example/one']
    for (const url of ['/pub/', '/pub/a/b?c', '/one', '/one?q', '/a/../pub/x', '/pub/./x'])
      expect([url, verdict(only, `https://x.example${url}`)]).toEqual([url, 'yes'])
    for (const url of [
      ...'/ /pub /public /one/ /ones /PUB/x /pub/../x /pub/%2e%2e/x /pub/.%2E/x'.split(' '),
      ...'/pub/..%2fx /pub/%2e%2e%2fx /pub/..%5cx /pub/..;/x /pub/..;a=b/x /pub\\..\\x /pub/%00'.split(' '),
    ])
      expect([url, verdict(only, `https://x.example${url}`)]).toEqual([url, 'no'])
  })

  test('remembers origins without growing, and answers the same when asked again', () => {
    const allowed = createAllowList(list.map(pattern))
    for (let round = 0; round < 2; round++) {
      for (let index = 0; index < 1000; index++) {
        expect(allowed.allows(new URL(`https://h${index}.example.org/`))).toBe(true)
        expect(allowed.allows(new URL(`https://h${index}.example.net/`))).toBe(false)
      }
    }
  })
})

test('a pattern covers what allows less, and nothing else', () => {
  const covered: readonly (readonly [string, string])[] = [
    ['https://*', 'https://a.example'],
    ['https://*', 'https://*.example'],
    ['https://*:*', 'https://a.example:8443/x'],
    ['https://*.example', 'https://a.example'],
    ['https://*.example', 'https://*.b.example'],
    ['https://a.example', 'https://a.example/x/*'],
    ['https://a.example/x/*', 'https://a.example/x/y/*'],
    ['https://a.example/x/*', 'https://a.example/x/y'],
  ]
  for (const [wide, narrow] of covered) {
    expect([wide, narrow, coversPattern(pattern(wide), pattern(narrow))]).toEqual([wide, narrow, true])
    expect([narrow, wide, coversPattern(pattern(narrow), pattern(wide))]).toEqual([narrow, wide, false])
  }
  for (const [one, other] of [
    ['https://*.b.example', 'https://*.a.example'],
    ['http://*', 'https://*'],
    ['https://*', 'https://a.example:8443'],
    ['https://a.example/x', 'https://a.example/x/*'],
    ['https://*.example', 'https://*'],
  ] as const)
    expect([one, other, coversPattern(pattern(one), pattern(other))]).toEqual([one, other, false])
})

test('what is not on the list is refused before anything is looked up, and the message names what to add', async () => {
  const asked: string[] = []
  const client = clientFor({
    resolve: (host) => {
      asked.push(host)
      return Promise.resolve(['127.0.0.1'])
    },
  })
  const server = await serve((_, response) => response.end('ok'))
  const ask = asker(client, scopeFor({ allow: [`http://good.example:${server.port}`] }))
  expect((await ask(`http://good.example:${server.port}/`)).text).toBe('ok')
  const thrown = (await errorOf(ask(`http://evil.example:${server.port}/x?secret=1`))) as Error
  expect(thrown).toMatchObject({ code: 'VELA_FETCH_DENIED' })
  expect(thrown.message).toContain(`add "http://evil.example:${server.port}"`)
  expect(thrown.message).not.toContain('secret')
  expect(await codeOf(ask(server.origin))).toBe('VELA_FETCH_DENIED')
  expect(asked).toEqual(['good.example'])
})
