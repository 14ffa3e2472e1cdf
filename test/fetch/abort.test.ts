/** Whoever stops wanting a response, by signal, by leaving its body or by closing: the connection is closed. */
import { once } from 'node:events'
import { gzipSync } from 'node:zlib'
import { expect, test } from 'vitest'
import { asker, clientFor, codeOf, errorOf, scopeFor, serve, type TestServer, until } from './support.ts'

const client = clientFor()
const scope = scopeFor()
const ask = asker(client, scope)
const served = await serve((_, response) => response.end('served'))
const silent = await serve(() => undefined)
const endless = await serve((_, response) => {
  response.setHeader('content-encoding', 'gzip')
  response.write(gzipSync('x'.repeat(1024 * 1024)))
})

async function lastSocketClosed(server: TestServer): Promise<void> {
  const socket = server.sockets.at(-1)
  if (socket?.destroyed === false) await once(socket, 'close')
}

test('before the answer closes the connection and gives the reason', async () => {
  const controller = new AbortController()
  const asked = errorOf(ask(silent.origin, { signal: controller.signal }))
  await until(() => silent.sockets.length === 1)
  controller.abort('enough')
  expect(await asked).toBe('enough')
  await lastSocketClosed(silent)
})

test('before the request sends nothing', async () => {
  const before = silent.sockets.length
  expect(await errorOf(ask(silent.origin, { signal: AbortSignal.abort('never') }))).toBe('never')
  expect(silent.sockets).toHaveLength(before)
})

test('in the middle of a body fails the reader and closes the connection', async () => {
  const controller = new AbortController()
  const { body } = await client.request(scope, {
    method: 'GET',
    url: endless.origin,
    signal: controller.signal,
  })
  await body?.next()
  controller.abort(new Error('mine'))
  const rest = (async () => {
    for await (const chunk of body ?? []) void chunk
  })()
  // The decoder hides the class of the reason; that it is a failure is what counts.
  expect(await errorOf(rest)).toBeInstanceOf(Error)
  await lastSocketClosed(endless)
})

test('a body that is left or cancelled closes the connection, read or not, encoded or not', async () => {
  for (const server of [endless, await serve((_, response) => response.write('x'))]) {
    for (const leave of ['break', 'cancel', 'return'] as const) {
      const { body } = await client.request(scope, { method: 'GET', url: server.origin })
      if (leave === 'cancel') body?.cancel()
      else if (leave === 'return') await body?.return()
      else for await (const chunk of body ?? []) if (chunk.length > 0) break
      await lastSocketClosed(server)
    }
  }
})

test('closing the scope ends what runs under it, and nothing can be asked after', async () => {
  const mine = scopeFor()
  const asked = codeOf(asker(client, mine)(silent.origin))
  await until(() => silent.sockets.at(-1)?.destroyed === false)
  mine.close()
  expect(await asked).toBe('VELA_FETCH_FAILED')
  await lastSocketClosed(silent)
  expect(await codeOf(asker(client, mine)(served.origin))).toBe('VELA_FETCH_FAILED')
})

test('closing the client ends everything', async () => {
  const own = clientFor()
  const asked = codeOf(asker(own, scope)(silent.origin))
  await until(() => silent.sockets.at(-1)?.destroyed === false)
  await own.close()
  expect(await asked).toBe('VELA_FETCH_FAILED')
  expect(await codeOf(asker(own, scope)(served.origin))).toBe('VELA_FETCH_FAILED')
  expect(own.stats()).toMatchObject({ tenants: 0, pools: 0 })
})

test('nothing that ended holds a slot or a listener', () => {
  expect(scope.exchanges.size).toBe(0)
})
