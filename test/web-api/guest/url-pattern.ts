/** URLPattern by the URL Pattern Standard. */
import { ok, same, throws, wrong, type Checks } from './expect.ts'

export const urlPattern: Checks = {
  'URLPattern: named groups': () => {
    const pattern = new URLPattern({ pathname: '/books/:id' })
    same(pattern.test('https://h/books/12'), true)
    same(pattern.test('https://h/books/12/x'), false)
    same(pattern.exec('https://h/books/12')?.pathname, { input: '/books/12', groups: { id: '12' } })
  },
  'URLPattern: parts that are not given match anything': () => {
    const pattern = new URLPattern({ pathname: '/a' })
    same([pattern.hostname, pattern.search, pattern.pathname], ['*', '*', '/a'])
    same(pattern.test('http://any:81/a?b#c'), true)
  },
  'URLPattern: a string with all parts': () => {
    const pattern = new URLPattern('https://*.example.com/:lang/*\\?q=:q')
    const found = pattern.exec('https://www.example.com/en/a/b?q=1')
    same(
      [found?.hostname.groups, found?.pathname.groups, found?.search.groups],
      [{ 0: 'www' }, { lang: 'en', 0: 'a/b' }, { q: '1' }],
    )
  },
  'URLPattern: a string with a base': () => {
    const pattern = new URLPattern('/a/:b', 'https://h')
    same([pattern.hostname, pattern.test('https://h/a/x'), pattern.test('https://o/a/x')], ['h', true, false])
  },
  'URLPattern: regular expression groups': () => {
    const pattern = new URLPattern({ pathname: '/:id(\\d+)' })
    same(
      [pattern.test('http://h/12'), pattern.test('http://h/x'), pattern.hasRegExpGroups],
      [true, false, true],
    )
    same(new URLPattern({ pathname: '/:id' }).hasRegExpGroups, false)
  },
  'URLPattern: optional, repeated and grouped parts': () => {
    const optional = new URLPattern({ pathname: '/a/:b?' })
    same([optional.test('http://h/a'), optional.test('http://h/a/b')], [true, true])
    const repeated = new URLPattern({ pathname: '/a/:b+' })
    same(
      [repeated.test('http://h/a'), repeated.exec('http://h/a/b/c')?.pathname.groups],
      [false, { b: 'b/c' }],
    )
    const group = new URLPattern({ pathname: '/a{/b}?/c' })
    same([group.test('http://h/a/c'), group.test('http://h/a/b/c')], [true, true])
  },
  'URLPattern: a group that took no part is undefined': () => {
    const groups = new URLPattern({ pathname: '/a/:b?' }).exec('http://h/a')?.pathname.groups ?? {}
    same(['b' in groups, groups['b']], [true, undefined])
  },
  'URLPattern: ignoreCase': () => {
    same(new URLPattern({ pathname: '/A' }).test('http://h/a'), false)
    same(new URLPattern({ pathname: '/A' }, { ignoreCase: true }).test('http://h/a'), true)
  },
  'URLPattern: input may be parts, and exec tells them back': () => {
    const pattern = new URLPattern({ pathname: '/:a' })
    const found = pattern.exec({ pathname: '/x' })
    same([found?.pathname.groups, found?.inputs], [{ a: 'x' }, [{ pathname: '/x' }]])
    same(pattern.exec({ pathname: '/x/y' }), null)
  },
  'URLPattern: input with a base URL': () =>
    same(new URLPattern({ pathname: '/b/c' }).test('c', 'http://h/b/'), true),
  'URLPattern: an input that is no URL does not match': () => {
    const pattern = new URLPattern()
    same([pattern.test('not a url'), pattern.exec('http://[')], [false, null])
  },
  'URLPattern: parts are made canonical': () => {
    same(new URLPattern({ hostname: 'EXAMPLE.com' }).hostname, 'example.com')
    same(new URLPattern({ protocol: 'https', port: '443' }).port, '')
    same(new URLPattern({ pathname: '/é' }).test('http://h/%C3%A9'), true)
  },
  'URLPattern: bad patterns are a TypeError': () => {
    throws('TypeError', () => new URLPattern({ pathname: '/(' }))
    throws('TypeError', () => new URLPattern({ pathname: '/:a/:a' }))
    throws('TypeError', () => new URLPattern('/relative'))
    throws('TypeError', () => new URLPattern({ pathname: '/(?<x>a)' }))
  },
  'URLPattern: an object with a base URL string as second argument is a TypeError': () => {
    throws('TypeError', () => new URLPattern({ pathname: '/' }, wrong('http://h')))
    throws('TypeError', () => new URLPattern({ pathname: '/' }).test({ pathname: '/' }, 'http://h'))
  },
  'URLPattern: baseURL inside the parts': () => {
    const pattern = new URLPattern({ pathname: 'x', baseURL: 'https://h/a/' })
    ok(pattern.test('https://h/a/x'))
    ok(!pattern.test('https://o/a/x'))
  },
}
