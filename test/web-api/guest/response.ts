/** Response by the Fetch Standard. */
import { ok, rejects, same, throws, wrong, type Checks } from './expect.ts'

export const response: Checks = {
  'Response: defaults': () => {
    const { type, url, redirected, status, ok: fine, statusText } = new Response()
    same([type, url, redirected, status, fine, statusText], ['default', '', false, 200, true, ''])
  },
  'Response: statuses from 200 to 599, others are a RangeError': () => {
    for (const status of [200, 299, 404, 599]) same(new Response(null, { status }).status, status)
    for (const status of [0, 100, 101, 199, 600, 1000])
      throws('RangeError', () => new Response(null, { status }))
  },
  'Response: a status is converted as an unsigned short': () => {
    same(new Response(null, { status: wrong('204') }).status, 204)
    same(new Response(null, { status: 65536 + 201 }).status, 201)
    same(new Response(null, { status: 201.9 }).status, 201)
  },
  'Response: ok is a status from 200 to 299': () => {
    same(
      [200, 204, 299, 300, 404].map((status) => new Response(null, { status }).ok),
      [true, true, true, false, false],
    )
  },
  'Response: statusText must be a reason phrase': () => {
    same(new Response(null, { statusText: 'Fine é' }).statusText, 'Fine é')
    for (const statusText of ['a\nb', '\0', 'Ā'])
      throws('TypeError', () => new Response(null, { statusText }))
  },
  'Response: null body statuses refuse a body': () => {
    for (const status of [204, 205, 304]) {
      throws('TypeError', () => new Response('x', { status }))
      throws('TypeError', () => new Response('', { status }))
      same(new Response(null, { status }).body, null)
    }
  },
  'Response: an init that is no object is a TypeError, null is none': () => {
    throws('TypeError', () => new Response('', wrong(1)))
    same(new Response('', wrong(null)).status, 200)
  },
  'Response: headers of the init are copied': () => {
    const headers = new Headers({ a: '1' })
    const made = new Response('', { headers })
    headers.set('a', '2')
    same(made.headers.get('a'), '1')
  },
  'Response: clone keeps status, text, headers and type': async () => {
    const source = new Response('x', { status: 201, statusText: 'Made', headers: { a: '1' } })
    const copy = source.clone()
    same([copy.status, copy.statusText, copy.headers.get('a'), copy.type], [201, 'Made', '1', 'default'])
    copy.headers.set('a', '2')
    same([source.headers.get('a'), await copy.text()], ['1', 'x'])
  },
  'Response.error: is a network error': () => {
    const { type, status, ok: fine, body, statusText } = Response.error()
    same([type, status, fine, body, statusText], ['error', 0, false, null, ''])
  },
  'Response.redirect: has status 302 and an absolute location': () => {
    const made = Response.redirect('https://a.b/x y')
    same([made.status, made.headers.get('location'), made.body], [302, 'https://a.b/x%20y', null])
  },
  'Response.redirect: takes 301, 302, 303, 307 and 308': () => {
    for (const status of [301, 302, 303, 307, 308])
      same(Response.redirect('https://a.b/', status).status, status)
    for (const status of [200, 300, 304, 305, 309, 400]) {
      throws('RangeError', () => Response.redirect('https://a.b/', status))
    }
  },
  'Response.redirect: an invalid URL is a TypeError, before the status is looked at': () =>
    throws('TypeError', () => Response.redirect('https://[', 200)),
  'Response.json: writes JSON with its content type': async () => {
    const made = Response.json({ a: [1, null] })
    same([made.headers.get('content-type'), await made.text()], ['application/json', '{"a":[1,null]}'])
  },
  'Response.json: takes an init, and a content type of its own': () => {
    const made = Response.json(1, { status: 201, headers: { 'content-type': 'a/b' } })
    same([made.status, made.headers.get('content-type')], [201, 'a/b'])
  },
  'Response.json: what has no JSON form is a TypeError': () => {
    for (const value of [undefined, () => 1, Symbol('x'), 1n]) throws('TypeError', () => Response.json(value))
  },
  'Response.json: an error of toJSON comes out as it is': () =>
    throws('RangeError', () =>
      Response.json({
        toJSON() {
          throw new RangeError('mine')
        },
      }),
    ),
  'Response.json: a null body status is a TypeError': () =>
    throws('TypeError', () => Response.json(1, { status: 204 })),
  'Response: can be extended': async () => {
    class Mine extends Response {}
    same(await new Mine('x').text(), 'x')
    ok(new Mine() instanceof Response)
  },
  'Response: an instance has no own enumerable properties': () => same(Object.keys(new Response('x')), []),
  'Response: Object.prototype.toString says Response': () =>
    same(Object.prototype.toString.call(new Response()), '[object Response]'),
  'fetch: rejects, and never throws': async () => {
    await rejects('TypeError', () => fetch('http://['))
    const outcome = Reflect.apply(fetch, undefined, []) as Promise<unknown>
    await rejects('TypeError', () => outcome)
  },
  'fetch: with a signal that has aborted rejects with its reason': async () => {
    await rejects('AbortError', () => fetch('https://example.com/', { signal: AbortSignal.abort() }))
  },
}
