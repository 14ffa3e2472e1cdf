/** Headers as the Fetch Standard has them, inside a real isolate. */
import { afterAll, expect, test } from 'vitest'
import { createGuest } from './harness.ts'

const guest = createGuest()
afterAll(() => guest.close())

test('names are case-insensitive, values are trimmed, equal names are combined', async () => {
  expect(
    await guest.run(() => {
      const headers = new Headers({ 'X-A': ' 1\t', 'x-b': 'two' })
      headers.append('x-A', '2')
      return [headers.get('X-a'), headers.get('x-b'), headers.get('none'), headers.has('X-B')]
    }),
  ).toEqual(['1, 2', 'two', null, true])
})

test('iteration is sorted and keeps set-cookie apart, in order', async () => {
  expect(
    await guest.run(() => {
      const headers = new Headers([
        ['z', '1'],
        ['Set-Cookie', 'b=2'],
        ['a', '1'],
        ['set-cookie', 'a=1'],
        ['z', '2'],
      ])
      return [[...headers], [...headers.keys()], headers.getSetCookie(), headers.get('set-cookie')]
    }),
  ).toEqual([
    [
      ['a', '1'],
      ['set-cookie', 'b=2'],
      ['set-cookie', 'a=1'],
      ['z', '1, 2'],
    ],
    ['a', 'set-cookie', 'set-cookie', 'z'],
    ['b=2', 'a=1'],
    'b=2, a=1',
  ])
})

test('iteration sees what changes while it runs', async () => {
  expect(
    await guest.run(() => {
      const headers = new Headers({ a: '1', c: '3' })
      const seen: string[] = []
      for (const [name] of headers) {
        seen.push(name)
        if (name === 'a') headers.append('b', '2')
      }
      return seen
    }),
  ).toEqual(['a', 'b', 'c'])
})

test('set replaces the first and removes the others, delete removes all', async () => {
  expect(
    await guest.run(() => {
      const headers = new Headers([
        ['a', '1'],
        ['b', '1'],
        ['a', '2'],
        ['c', '1'],
        ['a', '3'],
      ])
      headers.set('A', '9')
      const afterSet = [...headers]
      headers.delete('a')
      headers.append('d', '4')
      headers.delete('c')
      headers.append('e', '5')
      return [afterSet, [...headers]]
    }),
  ).toEqual([
    [
      ['a', '9'],
      ['b', '1'],
      ['c', '1'],
    ],
    [
      ['b', '1'],
      ['d', '4'],
      ['e', '5'],
    ],
  ])
})

test.each(['', 'a b', 'a\r\nb', 'ä', 'a:', '\0', '(x)'])('the name %j is refused', async (name) => {
  await expect(guest.run((n) => new Headers().append(n, 'v'), name)).rejects.toThrow(
    /TypeError: Invalid header name/,
  )
  await expect(guest.run((n) => new Headers([[n, 'v']]), name)).rejects.toThrow(/TypeError/)
  await expect(guest.run((n) => new Headers().get(n), name)).rejects.toThrow(/TypeError/)
})

test.each(['a\r\nx: y', 'a\nb', 'a\rb', 'a\0b', 'ā'])('the value %j is refused', async (value) => {
  await expect(guest.run((v) => new Headers({ a: v }), value)).rejects.toThrow(
    /TypeError: Invalid value of header a/,
  )
  await expect(guest.run((v) => new Headers().set('a', v), value)).rejects.toThrow(/TypeError/)
  await expect(guest.run((v) => new Response('', { headers: { a: v } }), value)).rejects.toThrow(/TypeError/)
})

test('values of bytes above 127 and line breaks at the ends are allowed as the standard says', async () => {
  expect(
    await guest.run(() => [new Headers({ a: 'é' }).get('a'), new Headers({ a: '\r\n x \n' }).get('a')]),
  ).toEqual(['é', 'x'])
})

test('a Headers copies another, a record, a Map, and refuses what is none of these', async () => {
  expect(
    await guest.run(() => {
      const first = new Headers({ a: '1' })
      const second = new Headers(first)
      second.set('a', '2')
      return [first.get('a'), second.get('a'), new Headers(new Map([['b', '3']]) as never).get('b')]
    }),
  ).toEqual(['1', '2', '3'])
  for (const bad of [1, 'text', true, null, [['a']], [['a', 'b', 'c']]]) {
    await expect(guest.run((b) => new Headers(b as never), bad)).rejects.toThrow(/TypeError/)
  }
})

test('the headers of an incoming request, of redirects and of errors are immutable', async () => {
  await expect(
    guest.run(() =>
      web.createRequest('GET', 'http://a.b/', ['X-A', '1'], null, () => null).headers.set('x-a', '2'),
    ),
  ).rejects.toThrow(/TypeError: These headers are immutable/)
  await expect(guest.run(() => Response.redirect('http://a.b/').headers.append('a', 'b'))).rejects.toThrow(
    /immutable/,
  )
  await expect(guest.run(() => Response.error().headers.delete('a'))).rejects.toThrow(/immutable/)
})

test('an incoming request keeps its raw headers and reads them as any other', async () => {
  expect(
    await guest.run(() => {
      const raw = ['Host', 'a.b', 'X-One', '1', 'x-one', '2', 'Cookie', 'a=b']
      const { headers } = web.createRequest('GET', 'http://a.b/', raw, null, () => null)
      return [
        headers.get('x-one'),
        headers.get('HOST'),
        headers.get('nope'),
        [...headers],
        headers.get('cookie'),
      ]
    }),
  ).toEqual([
    '1, 2',
    'a.b',
    null,
    [
      ['cookie', 'a=b'],
      ['host', 'a.b'],
      ['x-one', '1, 2'],
    ],
    'a=b',
  ])
})

test('methods refuse foreign objects and missing arguments', async () => {
  await expect(guest.run(() => Headers.prototype.get.call({} as never, 'a'))).rejects.toThrow(/TypeError/)
  await expect(guest.run(() => Headers.prototype.entries.call({} as never))).rejects.toThrow(/TypeError/)
  await expect(guest.run(() => (new Headers() as unknown as { get(): void }).get())).rejects.toThrow(
    /required/,
  )
})
