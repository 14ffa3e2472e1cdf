/** Request by the Fetch Standard, as far as a server's runtime has a say. */
import { ok, readText, rejects, same, streamOf, throws, utf8, wrong, type Checks } from './expect.ts'

const HREF = 'https://example.com/a?b=c'
const post = (init: RequestInit & { duplex?: 'half' } = {}): Request =>
  new Request(HREF, { method: 'POST', ...init })

export const request: Checks = {
  'Request: defaults': () => {
    const { method, url, destination, referrer, referrerPolicy, mode, credentials, cache } = new Request(HREF)
    same([method, url, destination, referrer], ['GET', HREF, '', 'about:client'])
    same([referrerPolicy, mode, credentials, cache], ['', 'cors', 'same-origin', 'default'])
    const { redirect, integrity, keepalive, isReloadNavigation, isHistoryNavigation } = wrong(
      new Request(HREF),
    )
    same([redirect, integrity, keepalive], ['follow', '', false])
    same([isReloadNavigation, isHistoryNavigation], [false, false])
    same((new Request(HREF) as unknown as { duplex: string }).duplex, 'half')
  },
  'Request: the URL is parsed and serialised': () => {
    same(new Request('HTTPS://EXAMPLE.com:443/a/../b c').url, 'https://example.com/b%20c')
    same(new Request(new URL(HREF)).url, HREF)
  },
  'Request: the fragment stays': () => same(new Request('https://a.b/#x').url, 'https://a.b/#x'),
  'Request: a URL that cannot be parsed, or is relative, is a TypeError': () => {
    throws('TypeError', () => new Request('/relative'))
    throws('TypeError', () => new Request('https://'))
    throws('TypeError', () => Reflect.construct(Request, []))
  },
  'Request: credentials in the URL are a TypeError': () =>
    throws('TypeError', () => new Request('https://u:p@a.b/')),
  'Request: well-known methods are made upper case, others stay': () => {
    for (const method of ['get', 'Head', 'pOST', 'put', 'delete', 'options']) {
      same(new Request(HREF, { method }).method, method.toUpperCase())
    }
    same(new Request(HREF, { method: 'patch' }).method, 'patch')
    same(new Request(HREF, { method: 'Chicken' }).method, 'Chicken')
  },
  'Request: CONNECT, TRACE and TRACK are a TypeError in any case': () => {
    for (const method of ['CONNECT', 'trace', 'Track'])
      throws('TypeError', () => new Request(HREF, { method }))
  },
  'Request: a method that is no token is a TypeError': () => {
    for (const method of ['', 'a b', 'é']) throws('TypeError', () => new Request(HREF, { method }))
  },
  'Request: a body with GET or HEAD is a TypeError': () => {
    throws('TypeError', () => new Request(HREF, { body: 'x' }))
    throws('TypeError', () => new Request(HREF, { method: 'HEAD', body: '' }))
    same(new Request(HREF, { body: null }).body, null)
  },
  'Request: a body sets the content type unless it is given': () => {
    same(post({ body: 'x' }).headers.get('content-type'), 'text/plain;charset=UTF-8')
    same(post({ body: 'x', headers: { 'Content-Type': 'a/b' } }).headers.get('content-type'), 'a/b')
  },
  'Request: a stream as body needs duplex half': async () => {
    throws('TypeError', () => post({ body: streamOf(utf8('x')) }))
    same(await post({ body: streamOf(utf8('x')), duplex: 'half' }).text(), 'x')
  },
  'Request: duplex takes no other value than half': () =>
    throws('TypeError', () => post({ body: 'x', duplex: wrong('full') })),
  'Request: enumerations refuse unknown values': () => {
    for (const key of ['cache', 'credentials', 'mode', 'redirect', 'referrerPolicy']) {
      throws('TypeError', () => new Request(HREF, { [key]: 'sometimes' }))
    }
  },
  'Request: mode navigate is a TypeError': () =>
    throws('TypeError', () => new Request(HREF, { mode: 'navigate' })),
  'Request: only-if-cached needs mode same-origin': () => {
    throws('TypeError', () => new Request(HREF, { cache: 'only-if-cached' }))
    same(new Request(HREF, { cache: 'only-if-cached', mode: 'same-origin' }).cache, 'only-if-cached')
  },
  'Request: mode no-cors allows simple methods only': () => {
    throws('TypeError', () => new Request(HREF, { mode: 'no-cors', method: 'PUT' }))
    same(new Request(HREF, { mode: 'no-cors', method: 'POST' }).mode, 'no-cors')
  },
  'Request: window other than null is a TypeError': () => {
    throws('TypeError', () => new Request(HREF, { window: wrong('client') }))
    ok(new Request(HREF, { window: null }) instanceof Request)
  },
  'Request: keepalive, integrity and the enumerations are kept': () => {
    const { keepalive, integrity, redirect, cache } = new Request(HREF, {
      keepalive: wrong(1),
      integrity: 'sha256-x',
      redirect: 'manual',
      cache: 'no-store',
    })
    same([keepalive, integrity, redirect, cache], [true, 'sha256-x', 'manual', 'no-store'])
  },
  'Request: referrer "" is no-referrer, about:client stays, an invalid URL is a TypeError': () => {
    same(new Request(HREF, { referrer: '' }).referrer, '')
    same(new Request(HREF, { referrer: 'about:client' }).referrer, 'about:client')
    throws('TypeError', () => new Request(HREF, { referrer: 'http://[' }))
  },
  'Request: from a Request takes what it has': async () => {
    const source = post({ body: 'x', headers: { a: '1' }, redirect: 'error', keepalive: true })
    const copy = new Request(source)
    same([copy.method, copy.url, copy.headers.get('a'), copy.redirect], ['POST', HREF, '1', 'error'])
    same([copy.keepalive, await copy.text()], [true, 'x'])
  },
  'Request: from a Request takes over the body, which is then used': async () => {
    const source = post({ body: 'x' })
    const copy = new Request(source)
    same([source.bodyUsed, copy.bodyUsed], [true, false])
    await rejects('TypeError', () => source.text())
    same(await copy.text(), 'x')
  },
  'Request: from a Request with another body leaves the first one alone': async () => {
    const source = post({ body: 'x' })
    const copy = new Request(source, { body: 'y' })
    same([await copy.text(), source.bodyUsed, await source.text()], ['y', false, 'x'])
  },
  'Request: from a Request whose body was used is a TypeError, unless it brings one': async () => {
    const source = post({ body: 'x' })
    await source.text()
    throws('TypeError', () => new Request(source))
    same(await new Request(source, { body: 'y' }).text(), 'y')
  },
  'Request: from a Request with a body, made GET, is a TypeError': () =>
    throws('TypeError', () => new Request(post({ body: 'x' }), { method: 'GET' })),
  'Request: from a Request with headers replaces them all': () => {
    const copy = new Request(new Request(HREF, { headers: { a: '1' } }), { headers: { b: '2' } })
    same([...copy.headers], [['b', '2']])
  },
  'Request: an init that is no object is a TypeError, null is none': () => {
    throws('TypeError', () => new Request(HREF, wrong('x')))
    throws('TypeError', () => new Request(HREF, wrong(1)))
    same(new Request(HREF, wrong(null)).method, 'GET')
  },
  'Request: signal follows the given one and is another object': () => {
    const controller = new AbortController()
    const { signal } = new Request(HREF, { signal: controller.signal })
    ok(signal !== controller.signal)
    same(signal.aborted, false)
    controller.abort('why')
    same([signal.aborted, signal.reason], [true, 'why'])
  },
  'Request: signal follows that of the Request it was made from, unless null': () => {
    const controller = new AbortController()
    const source = new Request(HREF, { signal: controller.signal })
    const follows = new Request(source)
    const alone = new Request(source, { signal: null })
    controller.abort()
    same([follows.signal.aborted, alone.signal.aborted], [true, false])
  },
  'Request: signal that is none is a TypeError': () =>
    throws('TypeError', () => new Request(HREF, { signal: wrong({}) })),
  'Request: signal is the same object each time': () => {
    const made = new Request(HREF)
    ok(made.signal === made.signal)
    ok(made.signal instanceof AbortSignal)
  },
  'Request: clone has all, with headers of its own': async () => {
    const source = post({ body: 'x', headers: { a: '1' }, redirect: 'error' })
    const copy = source.clone()
    source.headers.set('a', '2')
    same([copy.method, copy.headers.get('a'), copy.redirect], ['POST', '1', 'error'])
    same([await source.text(), await copy.text()], ['x', 'x'])
  },
  'Request: clone follows the signal of its source': () => {
    const controller = new AbortController()
    const copy = new Request(HREF, { signal: controller.signal }).clone()
    controller.abort()
    same(copy.signal.aborted, true)
  },
  'Request: clone of a stream gives both all': async () => {
    const source = post({ body: streamOf(utf8('a'), utf8('b')), duplex: 'half' })
    const copy = source.clone()
    same([await copy.text(), await readText(source.body as ReadableStream<Uint8Array>)], ['ab', 'ab'])
  },
  'Request: the arguments are converted in the order of the standard: a throwing getter comes out': () => {
    const init = {
      get method(): string {
        throw new RangeError('mine')
      },
    }
    throws('RangeError', () => new Request(HREF, init))
  },
  'Request: can be extended': () => {
    class Mine extends Request {}
    const mine = new Mine(HREF)
    ok(mine instanceof Mine && mine instanceof Request)
    same(mine.url, HREF)
  },
}
