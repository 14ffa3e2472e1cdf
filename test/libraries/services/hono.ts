import { Hono } from 'hono'
import { bearerAuth } from 'hono/bearer-auth'
import { compress } from 'hono/compress'
import { getSignedCookie, setSignedCookie } from 'hono/cookie'
import { cors } from 'hono/cors'
import { etag } from 'hono/etag'
import { HTTPException } from 'hono/http-exception'
import { jwt, sign, type JwtVariables } from 'hono/jwt'
import { stream, streamSSE, streamText } from 'hono/streaming'
import { validator } from 'hono/validator'

type Variables = JwtVariables<{ sub: string; name: string }>

const app = new Hono<{ Variables: Variables }>()
const secret = 'your-256-bit-secret'

app.use('/auth/*', jwt({ secret, alg: 'HS256' }))
app.use('/cors/*', cors({ origin: 'http://example.com', allowMethods: ['GET', 'PUT'], maxAge: 600 }))
app.use('/etag/*', etag())
app.use('/zipped/*', compress())
app.use('/bearer/*', bearerAuth({ token: 'honoiscool' }))

app.get('/', (c) => c.text('Hono!'))
app.get('/posts/:id{[0-9]+}/comments/:comment', (c) =>
  c.json({ ...c.req.param(), page: c.req.queries('page') }),
)
app.get('/files/*', (c) => c.text(c.req.path))
app.get('/api/animal/:type?', (c) => c.text(c.req.param('type') ?? 'Animal!'))
app.put('/posts', async (c) => c.json(await c.req.json(), 201))
app.post(
  '/form',
  validator('form', (value, c) => {
    const body = value['body']
    return typeof body === 'string' ? { body } : c.text('Invalid!', 400)
  }),
  (c) => c.json(c.req.valid('form')),
)
app.post('/upload', async (c) => {
  const { file } = await c.req.parseBody()
  if (!(file instanceof File)) return c.text('no file', 400)
  return c.json({ name: file.name, type: file.type, text: await file.text() })
})

app.post('/token', async (c) => c.text(await sign(await c.req.json(), secret, 'HS256')))
app.get('/auth/page', (c) => c.json(c.get('jwtPayload')))
app.get('/bearer/page', (c) => c.text('You are authorized'))

app.get('/cors/data', (c) => c.json({ cors: true }))
app.get('/etag/data', (c) => c.text('tagged'))
app.get('/zipped/data', (c) => c.text('Hono '.repeat(1000)))

app.get('/cookie/set', async (c) => {
  await setSignedCookie(c, 'fortune', 'lucky', secret, { path: '/', httpOnly: true })
  return c.text('set')
})
app.get('/cookie/get', async (c) => c.json({ fortune: await getSignedCookie(c, secret, 'fortune') }))

app.get('/stream', (c) =>
  stream(c, async (out) => {
    await out.write(Uint8Array.of(0x48, 0x65, 0x6c, 0x6c, 0x6f))
    await out.pipe(new Blob([' from a blob']).stream())
  }),
)
app.get('/text', (c) =>
  streamText(c, async (out) => {
    for (let line = 1; line <= 3; line++) {
      await out.writeln(`line ${line}`)
      await out.sleep(5)
    }
  }),
)
app.get('/sse', (c) =>
  streamSSE(c, async (out) => {
    for (let id = 0; id < 3; id++) {
      await out.writeSSE({ data: `It is\n${id}`, event: 'time-update', id: String(id) })
      await out.sleep(5)
    }
  }),
)

app.get('/teapot', () => {
  throw new HTTPException(418, { message: 'short and stout' })
})
app.get('/fails', () => {
  throw new Error('Oh no!')
})
app.onError((error, c) =>
  error instanceof HTTPException
    ? error.getResponse()
    : c.text(`Custom Error Message: ${error.message}`, 500),
)
app.notFound((c) => c.text('Custom 404 Message', 404))

export default app
