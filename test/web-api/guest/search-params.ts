/** URLSearchParams by the URL Standard. */
import { same, throws, wrong, type Checks } from './expect.ts'

const params = (init?: ConstructorParameters<typeof URLSearchParams>[0]): URLSearchParams =>
  new URLSearchParams(init)

export const searchParams: Checks = {
  'URLSearchParams: a string, with one leading question mark': () => {
    same([...params('?a=1&b=2')].join(';'), 'a,1;b,2')
    same([...params('??a=1')].join(';'), '?a,1')
  },
  'URLSearchParams: pieces without a value, without a name, and empty ones': () =>
    same(
      [...params('a&=b&&c=d=e&')],
      [
        ['a', ''],
        ['', 'b'],
        ['c', 'd=e'],
      ],
    ),
  'URLSearchParams: plus is a space, percent sequences are bytes': () => {
    same(params('a=b+c%20d%2B').get('a'), 'b c d+')
    same(params('a=%C3%A9').get('a'), 'é')
  },
  'URLSearchParams: malformed percent sequences stay': () => {
    same(params('a=%zz%2').get('a'), '%zz%2')
    same(params('%=%a').get('%'), '%a')
  },
  'URLSearchParams: malformed UTF-8 becomes U+FFFD': () => same(params('a=%ff%C3').get('a'), '\ufffd\ufffd'),
  'URLSearchParams: a byte order mark is kept': () => same(params('a=%EF%BB%BFb').get('a'), '\ufeffb'),
  'URLSearchParams: serialises with the form encoding': () => {
    same(String(params([['a b', "*-._~!'()é\u{1f600}"]])), 'a+b=*-._%7E%21%27%28%29%C3%A9%F0%9F%98%80')
    same(String(params([['a', '\r\n&=+%']])), 'a=%0D%0A%26%3D%2B%25')
  },
  'URLSearchParams: lone surrogates become U+FFFD': () =>
    same(String(params([['\ud800', '']])), '%EF%BF%BD='),
  'URLSearchParams: a record, in its order': () => same(String(params({ b: '2', a: '1' })), 'b=2&a=1'),
  'URLSearchParams: pairs must have two items': () => {
    throws('TypeError', () => params([['a']]))
    throws('TypeError', () => params([['a', 'b', 'c']]))
  },
  'URLSearchParams: any iterable of pairs, FormData too': () => {
    same(String(params(wrong(new Map([['a', '1']])))), 'a=1')
    const form = new FormData()
    form.append('x', 'y')
    same(String(params(wrong(form))), 'x=y')
  },
  'URLSearchParams: a copy is apart': () => {
    const source = params('a=1')
    const copy = params(source)
    source.append('b', '2')
    same(String(copy), 'a=1')
  },
  'URLSearchParams: undefined is none, null is a name': () => {
    same([String(params(undefined)), String(params(wrong(null)))], ['', 'null='])
  },
  'URLSearchParams: get, getAll and has': () => {
    const made = params('a=1&a=2')
    same([made.get('a'), made.get('b'), made.getAll('a'), made.getAll('b')], ['1', null, ['1', '2'], []])
    same([made.has('a'), made.has('b'), made.has('a', '2'), made.has('a', '3')], [true, false, true, false])
    same(made.has('a', undefined), true)
  },
  'URLSearchParams: set changes the first and drops the rest': () => {
    const made = params('a=1&b=2&a=3')
    made.set('a', '4')
    made.set('c', '5')
    same(String(made), 'a=4&b=2&c=5')
  },
  'URLSearchParams: delete takes all of a name, or those of a value': () => {
    const made = params('a=1&b=2&a=3&a=1')
    made.delete('a', '1')
    same(String(made), 'b=2&a=3')
    made.delete('a')
    same(String(made), 'b=2')
    made.delete('b', undefined)
    same(String(made), '')
  },
  'URLSearchParams: sort is stable and by code units': () => {
    const made = params([
      ['\uff10', '1'],
      ['\u{1f600}', '2'],
      ['a', '3'],
      ['a', '1'],
    ])
    made.sort()
    same([...made.values()], ['3', '1', '2', '1'])
  },
  'URLSearchParams: size counts pairs': () => {
    const made = params('a&a&b')
    same(made.size, 3)
    made.delete('a')
    same(made.size, 1)
  },
  'URLSearchParams: iteration is live': () => {
    const made = params('a=1&b=2&c=3')
    const seen: string[] = []
    for (const [name] of made) {
      seen.push(name)
      if (name === 'a') made.delete('b')
    }
    same(seen, ['a', 'c'])
  },
  'URLSearchParams: too few arguments are a TypeError': () => {
    const made = params()
    for (const method of ['append', 'set'] as const)
      throws('TypeError', () => Reflect.apply(made[method], made, ['a']))
    for (const method of ['get', 'getAll', 'has', 'delete'] as const) {
      throws('TypeError', () => Reflect.apply(made[method], made, []))
    }
  },
  'URLSearchParams: values are made strings': () => {
    const made = params()
    made.append('a', wrong(null))
    made.append(wrong(1), wrong(undefined))
    same(String(made), 'a=null&1=undefined')
  },
}
