/** Headers by the Fetch Standard. */
import { ok, same, throws, wrong, type Checks } from './expect.ts'

const pairs = (headers: Headers): string[] => [...headers].map(([name, value]) => `${name}=${value}`)

export const headers: Checks = {
  'Headers: names are compared without case and shown in lower case': () => {
    const headers = new Headers({ 'Content-TYPE': 'a' })
    same([headers.get('content-type'), headers.has('CONTENT-type')], ['a', true])
    same(pairs(headers), ['content-type=a'])
  },
  'Headers: append combines with a comma and a space': () => {
    const headers = new Headers([['x', '1']])
    headers.append('X', '2')
    same(headers.get('x'), '1, 2')
  },
  'Headers: append after an empty value combines all the same': () => {
    const headers = new Headers({ x: '' })
    headers.append('x', '')
    same(headers.get('x'), ', ')
  },
  'Headers: set replaces every value and keeps the first place': () => {
    const headers = new Headers([
      ['b', '1'],
      ['a', '1'],
      ['b', '2'],
    ])
    headers.set('b', '3')
    same(headers.get('b'), '3')
    same(pairs(headers), ['a=1', 'b=3'])
  },
  'Headers: delete of a name that is not there does nothing': () => {
    const headers = new Headers({ a: '1' })
    same(headers.delete('b'), undefined)
    same(pairs(headers), ['a=1'])
  },
  'Headers: get of a name that is not there is null': () => same(new Headers().get('x'), null),
  'Headers: iteration sorts by name and combines': () => {
    const headers = new Headers([
      ['z', '1'],
      ['a', '2'],
      ['Z', '3'],
    ])
    same(pairs(headers), ['a=2', 'z=1, 3'])
  },
  'Headers: set-cookie is never combined when iterating, and get joins it': () => {
    const headers = new Headers()
    headers.append('Set-Cookie', 'a=1')
    headers.append('set-cookie', 'b=2')
    same(pairs(headers), ['set-cookie=a=1', 'set-cookie=b=2'])
    same(headers.get('set-cookie'), 'a=1, b=2')
  },
  'Headers: getSetCookie gives each cookie, and an empty list when there is none': () => {
    const headers = new Headers([
      ['set-cookie', 'a=1'],
      ['set-cookie', 'a=1'],
    ])
    same([headers.getSetCookie(), new Headers().getSetCookie()], [['a=1', 'a=1'], []])
  },
  'Headers: set of set-cookie leaves one': () => {
    const headers = new Headers([
      ['set-cookie', 'a=1'],
      ['set-cookie', 'b=2'],
    ])
    headers.set('set-cookie', 'c=3')
    same(headers.getSetCookie(), ['c=3'])
  },
  'Headers: whitespace around a value goes, inside it stays': () => {
    same(new Headers({ a: ' \t\r\n x  y \r\n\t ' }).get('a'), 'x  y')
  },
  'Headers: a vertical tab or form feed is no whitespace to strip': () =>
    same(new Headers({ a: '\v\f' }).get('a'), '\v\f'),
  'Headers: a value may have characters to U+00FF': () =>
    same(new Headers({ a: '\u00e9\u00ff' }).get('a'), '\u00e9\u00ff'),
  'Headers: a value above U+00FF is a TypeError': () =>
    throws('TypeError', () => new Headers({ a: '\u0100' })),
  'Headers: CR, LF and NUL inside a value are a TypeError': () => {
    for (const value of ['a\rb', 'a\nb', 'a\0b']) throws('TypeError', () => new Headers({ a: value }))
  },
  'Headers: names that are no tokens are a TypeError in every method': () => {
    const headers = new Headers()
    for (const name of ['', ' a', 'a b', 'a:', 'ä', 'a\n', '(', '\u212a', '"']) {
      throws('TypeError', () => headers.append(name, ''))
      throws('TypeError', () => headers.set(name, ''))
      throws('TypeError', () => headers.get(name))
      throws('TypeError', () => headers.has(name))
      throws('TypeError', () => headers.delete(name))
    }
  },
  'Headers: every token character is allowed in a name': () => {
    const name = "!#$%&'*+-.^_`|~0aZ"
    same(new Headers({ [name]: '1' }).get(name.toUpperCase()), '1')
  },
  'Headers: values are made strings': () => {
    const headers = new Headers({ a: wrong(1) })
    headers.set('b', wrong(null))
    headers.set('c', wrong({ toString: () => 'o' }))
    same(pairs(headers), ['a=1', 'b=null', 'c=o'])
  },
  'Headers: a symbol as value is a TypeError': () =>
    throws('TypeError', () => new Headers({ a: wrong(Symbol('x')) })),
  'Headers: too few arguments are a TypeError': () => {
    const headers = new Headers()
    throws('TypeError', () => Reflect.apply(headers.append, headers, ['a']))
    throws('TypeError', () => Reflect.apply(headers.set, headers, ['a']))
    throws('TypeError', () => Reflect.apply(headers.get, headers, []))
    throws('TypeError', () => Reflect.apply(headers.has, headers, []))
    throws('TypeError', () => Reflect.apply(headers.delete, headers, []))
  },
  'Headers: null and a number as init are a TypeError, undefined is none': () => {
    throws('TypeError', () => new Headers(wrong(null)))
    throws('TypeError', () => new Headers(wrong(1)))
    same(pairs(new Headers(undefined)), [])
  },
  'Headers: a string as init is a TypeError': () => throws('TypeError', () => new Headers(wrong('a: b'))),
  'Headers: pairs must have two items': () => {
    throws('TypeError', () => new Headers([wrong(['a'])]))
    throws('TypeError', () => new Headers([wrong(['a', 'b', 'c'])]))
    throws('TypeError', () => new Headers([wrong('ab')]))
  },
  'Headers: pairs may be any iterable of iterables': () => {
    const source = new Map([['a', '1']])
    same(pairs(new Headers(wrong(source))), ['a=1'])
    same(pairs(new Headers(wrong([new Set(['b', '2'])]))), ['b=2'])
  },
  'Headers: a copy is apart from its source': () => {
    const source = new Headers({ a: '1' })
    const copy = new Headers(source)
    source.set('a', '2')
    same(copy.get('a'), '1')
  },
  'Headers: a copy keeps cookies apart': () => {
    const source = new Headers([
      ['set-cookie', 'a'],
      ['set-cookie', 'b'],
    ])
    same(new Headers(source).getSetCookie(), ['a', 'b'])
  },
  'Headers: a record with names of different case combines': () =>
    same(new Headers({ a: '1', A: '2' }).get('a'), '1, 2'),
  'Headers: a record is read by its own enumerable keys only': () => {
    const record = Object.create({ inherited: 'x' }) as Record<string, string>
    Object.defineProperty(record, 'hidden', { value: 'x', enumerable: false })
    record['own'] = '1'
    same(pairs(new Headers(record)), ['own=1'])
  },
  'Headers: an enumerable symbol in a record is a TypeError': () =>
    throws('TypeError', () => new Headers(wrong({ [Symbol('s')]: 'x' }))),
  'Headers: iterators are live': () => {
    const headers = new Headers({ a: '1', b: '2' })
    const names: string[] = []
    for (const [name] of headers) {
      names.push(name)
      headers.delete('b')
      if (name === 'a') headers.append('c', '3')
    }
    same(names, ['a', 'c'])
  },
  'Headers: keys, values, entries and forEach agree': () => {
    const headers = new Headers({ b: '2', a: '1' })
    same([...headers.keys()], ['a', 'b'])
    same([...headers.values()], ['1', '2'])
    same(
      [...headers.entries()],
      [
        ['a', '1'],
        ['b', '2'],
      ],
    )
    const seen: unknown[] = []
    headers.forEach(function (this: unknown, value, key, self) {
      seen.push(this, value, key, self === headers)
    }, 'me')
    same(seen.slice(1, 4), ['1', 'a', true])
  },
  'Headers: forEach without a function is a TypeError': () =>
    throws('TypeError', () => new Headers().forEach(wrong({}))),
  'Headers: the iterator is tagged "Headers Iterator" and has next of %IteratorPrototype%': () => {
    const iterator = new Headers().entries()
    same(Object.prototype.toString.call(iterator), '[object Headers Iterator]')
    const above = Object.getPrototypeOf(Object.getPrototypeOf(iterator) as object) as object
    ok(above === Object.getPrototypeOf(Object.getPrototypeOf([][Symbol.iterator]()) as object))
  },
  'Headers: methods refuse another this': () => {
    throws('TypeError', () => Reflect.apply(Headers.prototype.get, {}, ['a']))
    throws('TypeError', () => Reflect.apply(Headers.prototype.entries, new Map(), []))
  },
  'Headers: can be extended': () => {
    class Mine extends Headers {
      first(): string | null {
        return this.get('a')
      }
    }
    same(new Mine({ a: '1' }).first(), '1')
  },
  'Headers: of Response.error and Response.redirect are immutable': () => {
    throws('TypeError', () => Response.error().headers.set('a', '1'))
    throws('TypeError', () => Response.redirect('https://a.b/').headers.delete('location'))
    throws('TypeError', () => Response.redirect('https://a.b/').headers.append('a', '1'))
  },
  'Headers: of a Response that a program makes are mutable': () => {
    const { headers } = new Response('x')
    headers.set('content-type', 'text/x')
    same(headers.get('content-type'), 'text/x')
  },
  'Headers: of a Response leave out no cookie (guard "response" only forbids browsers)': () => {
    const response = new Response(null, { headers: { 'set-cookie': 'a=1' } })
    same(response.headers.getSetCookie(), ['a=1'])
  },
  'Headers: the attribute is the same object each time': () => {
    const request = new Request('https://a.b/')
    ok(request.headers === request.headers)
    const response = new Response()
    ok(response.headers === response.headers)
  },
}
