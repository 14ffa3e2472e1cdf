/** Tenants share no connection, no TLS session, no DNS answer and no cookie; and TLS is what it should be. */
import { expect, test } from 'vitest'
import type { ClientBody } from '../../host/http/client/response-body.ts'
import { CERTIFICATE } from './certificate.ts'
import {
  asker,
  clientFor,
  connectionFree,
  codeOf,
  errorOf,
  scopeFor,
  serve,
  serveSecure,
  until,
} from './support.ts'

const resolve = (host: string): Promise<string[]> =>
  Promise.resolve(host.endsWith('.test') ? ['127.0.0.1'] : [])

test('services of a tenant share connections, tenants do not', async () => {
  const ports: (number | undefined)[] = []
  const server = await serve((request, response) => {
    ports.push(request.socket.remotePort)
    response.end()
  })
  const client = clientFor()
  for (const [tenant, service] of [
    ['a', 'x'],
    ['a', 'y'],
    ['b', 'x'],
    ['b ', 'x'],
  ] as const) {
    await asker(client, scopeFor({ tenant, service }))(server.origin)
    await connectionFree()
  }
  expect(ports[1]).toBe(ports[0])
  expect(new Set(ports).size).toBe(3)
  expect(client.stats()).toEqual({ tenants: 3, pools: 3, connections: 3 })
})

test('scopes of a tenant with other networks share no connection', async () => {
  const server = await serve((_, response) => response.end())
  const client = clientFor({ resolve })
  const url = `http://internal.test:${server.port}/`
  expect((await asker(client, scopeFor())(url)).status).toBe(200)
  await connectionFree()
  expect(await codeOf(asker(client, scopeFor({ networks: [] }))(url))).toBe('VELA_FETCH_ADDRESS_REFUSED')
  expect((await asker(client, scopeFor())(url)).status).toBe(200)
  expect(server.sockets).toHaveLength(1)
})

test('each tenant asks DNS for itself', async () => {
  const server = await serve((_, response) => response.setHeader('connection', 'close').end())
  let asked = 0
  const client = clientFor({
    resolve: () => {
      asked++
      return Promise.resolve(['127.0.0.1'])
    },
  })
  for (const tenant of ['a', 'b']) await asker(client, scopeFor({ tenant }))(`http://x.test:${server.port}/`)
  expect(asked).toBe(2)
})

test('connections grow old under constant use; what runs on an old one goes on, until the client closes', async () => {
  const server = await serve((request, response) => {
    response.write('x')
    if (request.url !== '/held') response.end()
  })
  const client = clientFor({ limits: { connectionAgeMs: 0 } })
  const held = await client.request(scopeFor(), { method: 'GET', url: `${server.origin}/held` })
  expect((await asker(client, scopeFor())(server.origin)).text).toBe('x')
  expect((await held.body?.next())?.value?.toString()).toBe('x')
  await until(() => server.sockets[1]?.destroyed === false)
  await asker(client, scopeFor())(server.origin)
  await until(() => server.sockets[1]?.destroyed === true)
  expect(server.sockets[0]?.destroyed).toBe(false)
  const rest = codeOf(Promise.resolve(held.body?.next()))
  await client.close()
  expect(await rest).toBe('VELA_FETCH_FAILED')
})

test('cookies of a response are given to nobody', async () => {
  const cookies: unknown[] = []
  const server = await serve((request, response) => {
    cookies.push(request.headers.cookie)
    response.setHeader('set-cookie', 'session=1').end()
  })
  const client = clientFor()
  for (const tenant of ['a', 'a', 'b']) await asker(client, scopeFor({ tenant }))(server.origin)
  expect(cookies).toEqual([undefined, undefined, undefined])
})

test('what a tenant leaves behind goes away by itself', async () => {
  const server = await serve((_, response) => response.setHeader('connection', 'close').end())
  const client = clientFor()
  for (let index = 0; index < 20; index++)
    await asker(client, scopeFor({ tenant: `t${index}` }))(server.origin)
  await until(() => client.stats().tenants === 0)
  expect(client.stats()).toEqual({ tenants: 0, pools: 0, connections: 0 })
})

test('TLS sessions are taken up again within a tenant and never by another', async () => {
  const reused: boolean[] = []
  const server = await serveSecure((request, response) => {
    reused.push(request.socket.isSessionReused())
    response.write('held')
  })
  const client = clientFor({ ca: CERTIFICATE, resolve })
  const url = `https://secure.test:${server.port}/`
  const held: (ClientBody | undefined)[] = []
  for (const tenant of ['a', 'a', 'b']) {
    const { body } = await client.request(scopeFor({ tenant }), { method: 'GET', url })
    await body?.next()
    held.push(body)
  }
  expect(reused).toEqual([false, true, false])
  for (const body of held) body?.cancel()
})

test('a certificate is checked against the name that was asked for', async () => {
  const server = await serveSecure((_, response) => response.end('safe'))
  const trusting = asker(clientFor({ ca: CERTIFICATE, resolve }), scopeFor())
  expect((await trusting(`https://secure.test:${server.port}/`)).text).toBe('safe')
  expect((await trusting(`https://127.0.0.1:${server.port}/`)).text).toBe('safe')
  const wrong = (await errorOf(trusting(`https://elsewhere.test:${server.port}/`))) as Error
  expect(wrong).toMatchObject({ code: 'VELA_FETCH_FAILED' })
  expect(wrong.message).toBe(`https://elsewhere.test:${server.port}: the certificate is for another name`)
  const usual = (await errorOf(
    asker(clientFor({ resolve }), scopeFor())(`https://secure.test:${server.port}/`),
  )) as Error
  expect(usual.message).toBe(`https://secure.test:${server.port}: no trusted TLS connection`)
})

test('failures say nothing of addresses, ports behind names, or the system', async () => {
  const client = clientFor({ resolve })
  const thrown = (await errorOf(asker(client, scopeFor())('http://gone.test:1/'))) as Error
  expect(thrown).toMatchObject({ code: 'VELA_FETCH_FAILED' })
  expect(thrown.message).toBe('http://gone.test:1: the connection was refused')
})
