/** Hono, as a user bundles it, on the guest's own Request and Response. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { bundleSource, createGuest } from './harness.ts'

const guest = createGuest()
afterAll(() => guest.close())

beforeAll(async () => {
  guest.evaluate(
    await bundleSource(`
    import { Hono } from 'hono'
    import { cors } from 'hono/cors'
    import { etag } from 'hono/etag'
    import { stream } from 'hono/streaming'
    import { z } from 'zod'
    const app = new Hono()
    const Item = z.object({ name: z.string(), price: z.number().positive() })
    app.use('/cors/*', cors())
    app.use('/etag', etag())
    app.get('/', (c) => c.text('hello'))
    app.get('/users/:id', (c) => c.json({ id: c.req.param('id'), q: c.req.query('q'), agent: c.req.header('user-agent') }))
    app.post('/items', async (c) => {
      const parsed = Item.safeParse(await c.req.json())
      return parsed.success ? c.json(parsed.data, 201) : c.json({ issues: parsed.error.issues.length }, 400)
    })
    app.post('/form', async (c) => c.json(await c.req.parseBody()))
    app.get('/cors/x', (c) => c.text('open'))
    app.get('/etag', (c) => c.text('tagged'))
    app.get('/html', (c) => c.html('<p>é</p>'))
    app.get('/redirect', (c) => c.redirect('/users/1'))
    app.get('/cookies', (c) => {
      c.header('set-cookie', 'a=1', { append: true })
      c.header('set-cookie', 'b=2', { append: true })
      return c.body(null, 204)
    })
    app.get('/stream', (c) => stream(c, async (s) => { for (const part of ['a', 'b', 'é']) await s.write(part) }))
    app.get('/throw', () => { throw new Error('boom') })
    app.onError((error, c) => c.text('caught ' + error.message, 500))
    globalThis.app = app
    globalThis.serve = async (method, path, headers, body) => {
      const abort = web.createAbort()
      const request = web.createRequest(method, 'http://shop.localhost' + path, headers,
        body === null ? null : { byteString: body, ascii: true }, () => abort.signal)
      const { status, headers: sent, body: content } = web.readResponse(await app.fetch(request))
      const text = content === null ? null : 'text' in content ? content.text
        : new TextDecoder().decode('bytes' in content ? content.bytes : await new Response(content.stream).bytes())
      return { status, headers: sent, text }
    }`),
  )
})

interface Served {
  status: number
  headers: string[]
  text: string | null
}

const serve = (
  method: string,
  path: string,
  headers: string[] = [],
  body: string | null = null,
): Promise<Served> =>
  guest.run(
    (...args) => (globalThis as unknown as { serve(...args: unknown[]): Promise<Served> }).serve(...args),
    method,
    path,
    headers,
    body,
  )

test('routes, parameters, queries and headers', async () => {
  expect((await serve('GET', '/')).text).toBe('hello')
  const user = await serve('GET', '/users/7?q=a%20b', ['User-Agent', 'curl'])
  expect(user.status).toBe(200)
  expect(JSON.parse(user.text ?? '')).toEqual({ id: '7', q: 'a b', agent: 'curl' })
  expect((await serve('GET', '/nope')).status).toBe(404)
})

test('JSON bodies with zod', async () => {
  const json = ['content-type', 'application/json']
  expect(await serve('POST', '/items', json, '{"name":"x","price":2}')).toMatchObject({
    status: 201,
    text: '{"name":"x","price":2}',
  })
  expect((await serve('POST', '/items', json, '{"name":1}')).text).toBe('{"issues":2}')
  expect(await serve('POST', '/items', json, '{')).toMatchObject({ status: 500 })
})

test('forms, redirects, cookies, middleware that rewrites responses', async () => {
  const form = await serve(
    'POST',
    '/form',
    ['content-type', 'application/x-www-form-urlencoded'],
    'a=1&b=x+y',
  )
  expect(JSON.parse(form.text ?? '')).toEqual({ a: '1', b: 'x y' })
  expect((await serve('GET', '/redirect')).headers).toContain('/users/1')
  const { headers, status } = await serve('GET', '/cookies')
  expect([status, headers.filter((part) => part === 'set-cookie').length]).toEqual([204, 2])
  expect((await serve('GET', '/cors/x', ['origin', 'http://o'])).headers).toContain(
    'access-control-allow-origin',
  )
  expect((await serve('GET', '/html')).text).toBe('<p>é</p>')
  expect(await serve('GET', '/throw')).toMatchObject({ status: 500, text: 'caught boom' })
})

test('streams', async () => {
  expect((await serve('GET', '/stream')).text).toBe('abé')
})
