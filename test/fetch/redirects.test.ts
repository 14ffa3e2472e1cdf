/** Redirects: every hop passes every gate again, and credentials stay with their origin. */
import { expect, test } from 'vitest'
import { asker, clientFor, codeOf, errorOf, scopeFor, serve } from './support.ts'

const other = await serve((request, response) => {
  if (request.url === '/back') response.writeHead(302, { location: `${first.origin}/end` }).end()
  else response.end(JSON.stringify([request.method, request.url, request.headers]))
})
const first = await serve((request, response) => {
  const chunks: Buffer[] = []
  request
    .on('data', (chunk: Buffer) => chunks.push(chunk))
    .on('end', () => {
      const url = new URL(request.url ?? '', first.origin)
      const to = url.searchParams.get('to')
      if (to === null) {
        response.end(
          JSON.stringify([request.method, request.url, request.headers, Buffer.concat(chunks).toString()]),
        )
      } else {
        response.writeHead(Number(url.searchParams.get('status') ?? 302), to === '' ? {} : { location: to })
        response.end('moved')
      }
    })
})
const client = clientFor({ ownPorts: () => [1] })
const ask = asker(client, scopeFor())

const via = (to: string, status = 302): string =>
  `${first.origin}/?status=${status}&to=${encodeURIComponent(to)}`
type Seen = [method: string, url: string, headers: Record<string, string>, body: string]
const body = Buffer.from('payload')
const headers = ['content-type', 'text/plain', 'x-kept', '1']

test.each([
  [301, 'POST', 'GET', ''],
  [302, 'POST', 'GET', ''],
  [301, 'PUT', 'PUT', 'payload'],
  [302, 'DELETE', 'DELETE', 'payload'],
  [303, 'POST', 'GET', ''],
  [303, 'PUT', 'GET', ''],
  [307, 'POST', 'POST', 'payload'],
  [308, 'PUT', 'PUT', 'payload'],
] as const)('%d turns %s into %s', async (status, method, becomes, payload) => {
  const answer = await ask(via('/end#x', status), { method, headers, body })
  const [gotMethod, url, got, gotBody] = JSON.parse(answer.text) as Seen
  expect([gotMethod, url, gotBody, got['x-kept']]).toEqual([becomes, '/end', payload, '1'])
  expect(got['content-type']).toBe(payload === '' ? undefined : 'text/plain')
  expect(answer).toMatchObject({ redirected: true, url: `${first.origin}/end`, status: 200 })
})

test('HEAD stays HEAD', async () => {
  expect(await ask(via('/end', 303), { method: 'HEAD' })).toMatchObject({
    redirected: true,
    status: 200,
    text: '',
  })
})

test('a streamed body cannot be sent again, and need not be where it is dropped', async () => {
  const stream = async function* (): AsyncGenerator<Buffer> {
    yield await Promise.resolve(body)
  }
  expect(await codeOf(ask(via('/end', 307), { method: 'POST', body: stream() }))).toBe('VELA_FETCH_FAILED')
  expect((await ask(via('/end', 303), { method: 'POST', body: stream() })).status).toBe(200)
})

test('credentials go no further than their origin', async () => {
  const secret = ['authorization', 'Bearer s', 'Cookie', 'c=1', 'Proxy-Authorization', 'p', 'x-kept', '1']
  const [, , same] = JSON.parse((await ask(via('/end'), { headers: secret })).text) as Seen
  expect([same['authorization'], same['cookie']]).toEqual(['Bearer s', 'c=1'])
  const [, , across] = JSON.parse((await ask(via(`${other.origin}/`), { headers: secret })).text) as Seen
  expect([across['authorization'], across['cookie'], across['proxy-authorization']]).toEqual([
    undefined,
    undefined,
    undefined,
  ])
  expect([across['x-kept'], across['host']]).toEqual(['1', other.origin.slice(7)])
  const [, , back] = JSON.parse((await ask(via(`${other.origin}/back`), { headers: secret })).text) as Seen
  expect([back['authorization'], back['cookie'], back['x-kept']]).toEqual([undefined, undefined, '1'])
})

test('each hop must be on the allow-list', async () => {
  const only = asker(client, scopeFor({ allow: [first.origin] }))
  expect((await only(via('/end'))).status).toBe(200)
  const before = other.sockets.length
  const thrown = (await errorOf(only(via(`${other.origin}/x`)))) as Error
  expect(thrown).toMatchObject({ code: 'VELA_FETCH_DENIED' })
  expect(thrown.message).toContain(other.origin)
  expect(other.sockets).toHaveLength(before)
  const path = asker(client, scopeFor({ allow: [`${first.origin}/*`, `${other.origin}/pub/*`] }))
  expect(await codeOf(path(via(`${other.origin}/pub/../x`)))).toBe('VELA_FETCH_DENIED')
  expect((await path(via(`${other.origin}/pub/x`))).status).toBe(200)
})

test.each([
  ['http://10.0.0.1/', 'VELA_FETCH_ADDRESS_REFUSED'],
  ['http://169.254.169.254/latest/meta-data/', 'VELA_FETCH_ADDRESS_REFUSED'],
  ['http://[::ffff:169.254.169.254]/', 'VELA_FETCH_ADDRESS_REFUSED'],
  ['http://localhost/', 'VELA_FETCH_ADDRESS_REFUSED'],
  ['http://127.0.0.1:1/', 'VELA_FETCH_ADDRESS_REFUSED'],
  ['//10.0.0.1/x', 'VELA_FETCH_ADDRESS_REFUSED'],
  ['http://user:pw@example.com/', 'VELA_FETCH_INVALID'],
  ['http://example.com./', 'VELA_FETCH_INVALID'],
  ['http://:99999/', 'VELA_FETCH_INVALID'],
  ['file:///etc/passwd', 'VELA_FETCH_DENIED'],
  ['data:text/plain,x', 'VELA_FETCH_DENIED'],
  ['gopher://127.0.0.1/', 'VELA_FETCH_DENIED'],
])('a redirect to %s is refused', async (to, code) => {
  expect(await codeOf(ask(via(to)))).toBe(code)
})

test('there are at most 20', async () => {
  let hops = 0
  const loop = await serve((_, response) => {
    hops++
    response.writeHead(302, { location: '/again' }).end()
  })
  expect(await codeOf(ask(loop.origin))).toBe('VELA_FETCH_FAILED')
  expect(hops).toBe(21)
})

test('`manual` returns the redirect itself, `error` refuses it', async () => {
  const manual = await ask(via('/end', 307), { redirect: 'manual' })
  expect([manual.status, manual.header('location'), manual.text, manual.redirected]).toEqual([
    307,
    '/end',
    'moved',
    false,
  ])
  expect(await codeOf(ask(via('/end'), { redirect: 'error' }))).toBe('VELA_FETCH_FAILED')
})

test('without a location, or with another status, it is a response', async () => {
  expect(await ask(via('', 302))).toMatchObject({ status: 302, text: 'moved' })
  expect(await ask(via('/end', 300))).toMatchObject({ status: 300, text: 'moved', redirected: false })
})

test('a location in UTF-8 is read as such', async () => {
  const raw = Buffer.from('/\u00fc', 'utf8').toString('latin1')
  const server = await serve((request, response) => {
    if (request.url === '/') response.writeHead(302, { location: raw }).end()
    else response.end(request.url)
  })
  expect((await ask(server.origin)).text).toBe('/%C3%BC')
})

test('the connection of a hop is used again', async () => {
  const server = await serve((request, response) => {
    if (request.url === '/end') response.end('end')
    else response.writeHead(302, { location: '/end' }).end('x'.repeat(1000))
  })
  for (let round = 0; round < 5; round++) expect((await ask(server.origin)).text).toBe('end')
  expect(server.sockets.length).toBeLessThanOrEqual(2)
})
