/** Routers and their middleware as npm has them: hono and itty-router, on both engines. */
import { createHash, createHmac } from 'node:crypto'
import { expect, test } from 'vitest'
import { describeEngines } from '../engines.ts'
import { createLibraryHost, parseEvents } from './harness.ts'

const host = createLibraryHost()

/** The example of jwt.io. */
const SECRET = 'your-256-bit-secret'
const TOKEN =
  'eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiIxMjM0NTY3ODkwIiwibmFtZSI6IkpvaG4gRG9lIiwiaWF0IjoxNTE2MjM5MDIyfQ.' +
  'SflKxwRJSMeKKF2QT4fwpMeJf36POk6yJV_adQssw5c'
const CLAIMS = { sub: '1234567890', name: 'John Doe', iat: 1_516_239_022 }

host.describe('hono', (app) => {
  test('matches patterns, parameters, optional parts and wildcards', async () => {
    expect(await (await app.fetch('/')).text()).toBe('Hono!')
    expect(await (await app.fetch('/posts/12/comments/a%20b?page=1&page=2')).json()).toEqual({
      id: '12',
      comment: 'a b',
      page: ['1', '2'],
    })
    expect((await app.fetch('/posts/x/comments/1')).status).toBe(404)
    expect(await (await app.fetch('/files/a/b.txt')).text()).toBe('/files/a/b.txt')
    expect(await (await app.fetch('/api/animal/cat')).text()).toBe('cat')
    expect(await (await app.fetch('/api/animal')).text()).toBe('Animal!')
  })

  test('reads JSON, forms and files', async () => {
    const made = await app.post('/posts', { title: 'é' }, { method: 'PUT' })
    expect([made.status, await made.json()]).toEqual([201, { title: 'é' }])
    const form = (fields: Record<string, string>): Promise<Response> =>
      app.fetch('/form', { method: 'POST', body: new URLSearchParams(fields) })
    expect(await (await form({ body: 'a b', other: 'x' })).json()).toEqual({ body: 'a b' })
    expect((await form({ other: 'x' })).status).toBe(400)
    const files = new FormData()
    files.set('file', new File(['tea\r\ncup'], 'é.txt', { type: 'text/plain' }))
    expect(await (await app.fetch('/upload', { method: 'POST', body: files })).json()).toEqual({
      name: 'é.txt',
      type: 'text/plain',
      text: 'tea\r\ncup',
    })
  })

  test('signs the token of jwt.io, lets it in, and no other', async () => {
    const page = (authorization?: string): Promise<Response> =>
      app.fetch('/auth/page', authorization === undefined ? {} : { headers: { authorization } })
    const allowed = await page(`Bearer ${TOKEN}`)
    expect([allowed.status, await allowed.json()]).toEqual([200, CLAIMS])
    // hono writes the header's fields in another order, so that its own signature is another and as right.
    const token = await (await app.post('/token', CLAIMS)).text()
    const [head, claims, signature] = token.split('.')
    expect(signature).toBe(createHmac('sha256', SECRET).update(`${head}.${claims}`).digest('base64url'))
    expect(await (await page(`Bearer ${token}`)).json()).toEqual(CLAIMS)
    expect((await page()).status).toBe(401)
    const forged = await page(`Bearer ${TOKEN.slice(0, -3)}abc`)
    expect(forged.status).toBe(401)
    expect(forged.headers.get('www-authenticate')).toContain('invalid_token')
    const late = await (await app.post('/token', { ...CLAIMS, exp: 1_600_000_000 })).text()
    expect((await page(`Bearer ${late}`)).status).toBe(401)
  })

  test('streams bytes, text and server-sent events in order', async () => {
    expect(await (await app.fetch('/stream')).text()).toBe('Hello from a blob')
    expect(await (await app.fetch('/text')).text()).toBe('line 1\nline 2\nline 3\n')
    const events = await app.fetch('/sse')
    expect(events.headers.get('content-type')).toBe('text/event-stream')
    expect(parseEvents(await events.text())).toEqual(
      ['0', '1', '2'].map((id) => ({ event: 'time-update', id, data: `It is\n${id}` })),
    )
  })

  test('its middleware answers for CORS, ETag, compression, bearer tokens and signed cookies', async () => {
    const preflight = await app.fetch('/cors/data', {
      method: 'OPTIONS',
      headers: { origin: 'http://example.com', 'access-control-request-method': 'PUT' },
    })
    expect(preflight.status).toBe(204)
    expect(preflight.headers.get('access-control-allow-methods')).toBe('GET,PUT')
    expect(preflight.headers.get('access-control-max-age')).toBe('600')

    const tag = `"${createHash('sha1').update('tagged').digest('hex')}"`
    expect((await app.fetch('/etag/data')).headers.get('etag')).toBe(tag)
    expect((await app.fetch('/etag/data', { headers: { 'if-none-match': tag } })).status).toBe(304)

    const zipped = await app.fetch('/zipped/data', { headers: { 'accept-encoding': 'gzip' } })
    expect(zipped.headers.get('content-encoding')).toBe('gzip')
    expect(await zipped.text()).toBe('Hono '.repeat(1000))

    expect((await app.fetch('/bearer/page')).status).toBe(401)
    const bearer = await app.fetch('/bearer/page', { headers: { authorization: 'Bearer honoiscool' } })
    expect(await bearer.text()).toBe('You are authorized')

    const signature = createHmac('sha256', SECRET).update('lucky').digest('base64')
    const cookie = `fortune=lucky.${encodeURIComponent(signature)}`
    const set = await app.fetch('/cookie/set')
    expect(set.headers.getSetCookie()).toEqual([`${cookie}; Path=/; HttpOnly`])
    const read = async (sent: string): Promise<unknown> =>
      await (await app.fetch('/cookie/get', { headers: { cookie: sent } })).json()
    expect(await read(cookie)).toEqual({ fortune: 'lucky' })
    expect(await read(cookie.replace('lucky', 'happy'))).toEqual({ fortune: false })
  })

  test('its error handlers decide what a client sees', async () => {
    const teapot = await app.fetch('/teapot')
    expect([teapot.status, await teapot.text()]).toEqual([418, 'short and stout'])
    const failed = await app.fetch('/fails')
    expect([failed.status, await failed.text()]).toEqual([500, 'Custom Error Message: Oh no!'])
    const missing = await app.fetch('/nowhere')
    expect([missing.status, await missing.text()]).toEqual([404, 'Custom 404 Message'])
  })
})

host.describe('itty-router', (router) => {
  test('answers with what handlers return', async () => {
    expect(await (await router.fetch('/hello/Ada')).json()).toBe('Hello, Ada!')
    const list = await router.fetch('/json')
    expect([list.headers.get('content-type'), await list.text()]).toEqual([
      'application/json; charset=utf-8',
      '[1,2,3]',
    ])
    expect(await (await router.fetch('/promises')).json()).toBe('foo')
    expect(await (await router.fetch('/files/a/b/c.txt')).json()).toBe('a/b/c.txt')
    expect(await (await router.fetch('/search?a=1&a=2&b=x%20y')).json()).toEqual({ a: ['1', '2'], b: 'x y' })
  })

  test('runs its middleware: parameters, content, users, CORS', async () => {
    expect(await (await router.fetch('/todos/2')).json()).toEqual({ id: '2', title: 'Feed the cat' })
    const made = await router.post('/todos', { id: '3' })
    expect([made.status, await made.json()]).toEqual([201, { id: '3' }])
    expect(await (await router.fetch('/me', { headers: { 'x-user': 'ada' } })).json()).toEqual({
      user: 'ada',
    })
    expect((await router.fetch('/me')).status).toBe(401)
    const preflight = await router.fetch('/todos/2', {
      method: 'OPTIONS',
      headers: { origin: 'http://example.com' },
    })
    expect([preflight.status, preflight.headers.get('access-control-allow-origin')]).toEqual([
      204,
      'http://example.com',
    ])
    const shared = await router.fetch('/cors', { headers: { origin: 'http://example.com' } })
    expect(shared.headers.get('access-control-allow-origin')).toBe('http://example.com')
    expect(await shared.json()).toEqual({ cors: true })
  })

  test('turns errors into JSON', async () => {
    const missing = await router.fetch('/todos/9')
    expect([missing.status, await missing.json()]).toEqual([404, { status: 404, error: 'no such todo' }])
    const teapot = await router.fetch('/teapot')
    expect([teapot.status, await teapot.json()]).toEqual([418, { status: 418, error: 'short and stout' }])
    expect((await router.fetch('/nowhere')).status).toBe(404)
  })
})

describeEngines('a default export that answers every name', (engine) => {
  test('is asked for no hooks that it does not have: a router would register them as routes', async () => {
    const service = await host.deploySource(
      engine,
      `
      const every = { get: (_target, name) => () => { throw new Error('called for ' + String(name)) } }
      export default { __proto__: new Proxy({}, every), fetch: () => new Response('served') }`,
    )
    expect(await (await service.fetch('/')).text()).toBe('served')
  })
})
