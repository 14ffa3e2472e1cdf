/** URLPattern: its forms of patterns and input, groups, and what is refused. */
import { afterAll, expect, test } from 'vitest'
import { createGuest } from './harness.ts'

const guest = createGuest()
afterAll(() => guest.close())

test('patterns match strings, URLs and components, and name their groups', async () => {
  expect(guest.loaded).toEqual([])
  expect(
    await guest.run(() => {
      const books = new URLPattern({ pathname: '/books/:id(\\d+){.:format}?' })
      const { pathname } = books.exec('https://a.example/books/12.pdf')!
      const short = new URLPattern('https://*.example/:kind/*')
      const found = short.exec('https://shop.example/x/y/z')!
      const based = new URLPattern('/a/:b\\?q=*', 'https://a.example')
      return [
        [pathname.input, { ...pathname.groups }],
        [books.test({ pathname: '/books/x' }), books.test('/books/3', 'https://b.example')],
        [found.hostname.groups['0'], found.pathname.groups['kind'], found.pathname.groups['0']],
        [based.test(new URL('https://a.example/a/1?q=2') as never), based.test('https://a.example/a/1')],
        [based.protocol, based.hostname, based.pathname, based.search, based.port],
        [
          new URLPattern().test('https://x.y/z?a#b'),
          new URLPattern({ pathname: '/A' }, { ignoreCase: true }).test({ pathname: '/a' }),
        ],
        [books.hasRegExpGroups, short.hasRegExpGroups, String(books), 'compareComponent' in URLPattern],
        [books.exec('https://a.example/other')],
      ]
    }),
  ).toEqual([
    ['/books/12.pdf', { id: '12', format: 'pdf' }],
    [false, true],
    ['shop', 'x', 'y/z'],
    [true, false],
    ['https', 'a.example', '/a/:b', 'q=*', ''],
    [true, true],
    [true, false, '[object URLPattern]', false],
    [null],
  ])
  expect(guest.loaded).toEqual(['urlpattern'])
})

test.each(['/relative', 'https://a.example/(', 'https://a.example/:a:a', 'https://a.example/{', ':::('])(
  'the pattern %s is a TypeError',
  async (pattern) => {
    await expect(guest.run((pattern) => void new URLPattern(pattern), pattern)).rejects.toThrow(/^TypeError/)
  },
)

test('input that is no URL does not match', async () => {
  expect(
    await guest.run(() => {
      const pattern = new URLPattern({ pathname: '*' })
      return [pattern.test('no url'), pattern.exec('no url'), pattern.test('/x', 'no base')]
    }),
  ).toEqual([false, null, false])
})
