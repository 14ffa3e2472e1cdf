/** URLSearchParams against Node's. */
import * as fc from 'fast-check'
import { afterAll, expect, test } from 'vitest'
import { createGuest } from './harness.ts'

const guest = createGuest()
afterAll(() => guest.close())

test('searchParams is linked both ways and always the same object', async () => {
  expect(
    await guest.run(() => {
      const url = new URL('http://a.b/?a=1&a=2&b=%20+c')
      const { searchParams } = url
      const read = [searchParams.getAll('a'), searchParams.get('b'), searchParams.size]
      searchParams.append('d', 'é&')
      const appended = url.search
      url.search = '?x=9'
      const replaced = [...searchParams]
      url.href = 'http://c.d/?z=1'
      const whole = searchParams.toString()
      searchParams.delete('z')
      return [read, appended, replaced, whole, url.href, url.searchParams === searchParams]
    }),
  ).toEqual([[['1', '2'], '  c', 3], '?a=1&a=2&b=++c&d=%C3%A9%26', [['x', '9']], 'z=1', 'http://c.d/', true])
})

test('URLSearchParams parses and serialises generated text as Node does', async () => {
  // Not mixed: Node mangles characters above U+007F that stand beside malformed percent encodings.
  const ascii = fc.constantFrom('a', '=', '&', '+', '%', ' ', '%C3', '%A9', '%ff', '%zz', '~!', "'()*")
  const unicode = fc.constantFrom('a', '=', '&', '+', '%20', 'é', '\u{1f600}', '\ud800')
  const text = fc.oneof(
    fc.string({ unit: ascii, maxLength: 20 }),
    fc.string({ unit: unicode, maxLength: 20 }),
  )
  await fc.assert(
    fc.asyncProperty(fc.array(text, { minLength: 100, maxLength: 100 }), async (texts) => {
      const work = (list: string[]): unknown[] =>
        list.map((item) => [[...new URLSearchParams(item)], new URLSearchParams(item).toString()])
      expect(await guest.run(work, texts)).toEqual(work(texts))
    }),
    { numRuns: 30 },
  )
})

test('URLSearchParams methods follow the standard', async () => {
  const work = (): unknown => {
    const params = new URLSearchParams([
      ['b', '2'],
      ['a', '1'],
      ['b', '3'],
      ['a', '0'],
    ])
    const out: unknown[] = [params.has('b', '3'), params.has('b', '4')]
    params.sort()
    out.push(params.toString())
    params.set('b', '9')
    params.delete('a', '0')
    out.push(params.toString(), [...params.keys()], new URLSearchParams({ x: '1' }).toString())
    out.push(new URLSearchParams(params).toString(), new URLSearchParams('?q').toString())
    const seen: unknown[] = []
    params.forEach((value, name) => seen.push([name, value]))
    return [...out, seen]
  }
  expect(await guest.run(work)).toEqual(work())
})
