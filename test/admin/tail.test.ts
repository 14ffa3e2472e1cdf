/** Live logs: through the real client, and against readers that do not read. */
import { once } from 'node:events'
import { connect } from 'node:net'
import { PassThrough } from 'node:stream'
import { setImmediate } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createAdminClient } from '../../host/admin/client.ts'
import { createTailStream } from '../../host/admin/tail-stream.ts'
import type { TailEvent } from '../../host/admin/wire.ts'
import type { LogEntry } from '../../host/core/control.ts'
import { startTestHost, type TestHost } from './harness.ts'

let host: TestHost
beforeAll(async () => {
  host = await startTestHost({ tail: { heartbeatMs: 20 }, tails: { perTenant: 3, total: 4 } })
})
afterAll(() => host.close())

const entry = (message: string): LogEntry => ({
  time: 1,
  tenant: 'acme',
  service: 'shop',
  version: 'v',
  level: 'info',
  source: 'guest',
  message,
})

/** The next event of a kind; heartbeats come whenever they like. */
async function next(events: AsyncGenerator<TailEvent>, kind: TailEvent['event']): Promise<TailEvent> {
  for (;;) {
    const { value, done } = await events.next()
    if (done === true) throw new Error(`ended before ${kind}`)
    if (value.event === kind) return value
  }
}

test('entries arrive as they are logged, between heartbeats, whatever their text holds', async () => {
  const stop = new AbortController()
  const client = createAdminClient({ url: host.url, token: host.tokens.acmeRead })
  const events = client.tail('acme', 'shop', stop.signal)
  await next(events, 'ready')
  const message = 'a\n{"event":"end"}\r\u2028\u0000\u001b[31m'
  host.control.emit({ message })
  expect(await next(events, 'log')).toMatchObject({ message })
  await next(events, 'heartbeat')
  stop.abort()
  expect((await events.next()).done).toBe(true)
  await expect.poll(() => host.control.listeners.size).toBe(0)
})

test('a token that is deleted ends the tails it opened', async () => {
  const { token, record } = await host.registry.createToken('acme', ['read'])
  const events = createAdminClient({ url: host.url, token }).tail('acme', 'shop')
  await next(events, 'ready')
  await host.registry.deleteToken(record.id)
  expect(await next(events, 'end')).toEqual({ event: 'end', reason: 'token' })
  expect((await events.next()).done).toBe(true)
})

test('one tenant may hold so many tails and no more; a closed one makes room', async () => {
  const stop = new AbortController()
  const client = createAdminClient({ url: host.url, token: host.tokens.acmeRead })
  for (let index = 0; index < 3; index++) await next(client.tail('acme', 'shop', stop.signal), 'ready')
  await expect(client.tail('acme', 'shop').next()).rejects.toMatchObject({
    code: 'VELA_TENANT_QUOTA_EXCEEDED',
  })
  stop.abort()
  await expect.poll(() => host.control.listeners.size).toBe(0)
  const again = client.tail('acme', 'shop')
  await next(again, 'ready')
  await again.return()
})

test('a reader that does not read costs a bounded buffer, and is told how many lines it missed, at the gap', async () => {
  const out = new PassThrough({ highWaterMark: 256 })
  const stream = createTailStream(out, { bufferLines: 10, bufferBytes: 100_000 })
  for (let index = 0; index < 1000; index++) stream.send(entry(`line ${index}`))
  stream.heartbeat()
  expect(out.writableLength + out.readableLength).toBeLessThan(2000)

  const lines = collect(out)
  await expect.poll(() => lines.some((event) => event.event === 'dropped')).toBe(true)
  stream.send(entry('after'))
  stream.end('closing')
  await expect.poll(() => lines.at(-1)?.event).toBe('end')
  const kinds = lines.map((event) => event.event)
  const shown = kinds.filter((kind) => kind === 'log').length
  const gap = lines.find((event) => event.event === 'dropped')
  expect(gap).toEqual({ event: 'dropped', count: 1000 - (shown - 1) })
  expect(kinds.slice(kinds.indexOf('dropped'))).toEqual(['dropped', 'log', 'end'])
})

test('long lines count by their size', () => {
  const out = new PassThrough({ highWaterMark: 16 })
  const stream = createTailStream(out, { bufferLines: 1000, bufferBytes: 10_000 })
  for (let index = 0; index < 100; index++) stream.send(entry('x'.repeat(3000)))
  const lines = collect(out)
  return expect
    .poll(() => lines.find((event) => event.event === 'dropped'))
    .toEqual({ event: 'dropped', count: 97 })
})

test('a real reader that stalls does not grow the host, and closing the host ends it', async () => {
  const own = await startTestHost({ tail: { bufferLines: 100, bufferBytes: 64 * 1024 } })
  const { port } = new URL(own.url)
  const socket = connect(Number(port), '127.0.0.1')
  socket.write(
    `GET /v1/tenants/acme/services/shop/logs HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${own.tokens.acmeRead}\r\n\r\n`,
  )
  await expect.poll(() => own.control.listeners.size).toBe(1)
  socket.pause()
  const before = process.memoryUsage().rss
  await flood(own)
  expect(process.memoryUsage().rss - before).toBeLessThan(150 * 1024 * 1024)
  await own.close()
  expect(own.control.listeners.size).toBe(0)
  socket.destroy()
})

test('a reader that leaves before its tail begins takes no place', async () => {
  const { port } = new URL(host.url)
  const request = `GET /v1/tenants/acme/services/shop/logs HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${host.tokens.acmeRead}\r\n\r\n`
  for (let index = 0; index < 20; index++) {
    const socket = connect(Number(port), '127.0.0.1', () => socket.end(request, () => socket.destroy()))
    await once(socket, 'close')
  }
  const events = createAdminClient({ url: host.url, token: host.tokens.acmeRead }).tail('acme', 'shop')
  await expect.poll(() => host.control.listeners.size).toBe(0)
  await next(events, 'ready')
  await events.return()
  await expect.poll(() => host.control.listeners.size).toBe(0)
})

/** About 160 MB of log, in turns of the event loop, so that the buffers of both kernels are full long before. */
async function flood(target: TestHost): Promise<void> {
  for (let turn = 0; turn < 200; turn++) {
    for (let index = 0; index < 200; index++) target.control.emit({ message: 'y'.repeat(4000) })
    await setImmediate()
  }
}

function collect(out: PassThrough): TailEvent[] {
  const events: TailEvent[] = []
  let rest = ''
  out.setEncoding('utf8')
  out.on('data', (chunk: string) => {
    const lines = (rest + chunk).split('\n')
    rest = lines.pop() ?? ''
    for (const line of lines) events.push(JSON.parse(line) as TailEvent)
  })
  return events
}

test('a stalled reader whose token is deleted is cut off', async () => {
  const { token, record } = await host.registry.createToken('acme', ['read'])
  const { port } = new URL(host.url)
  const socket = connect(Number(port), '127.0.0.1').pause()
  socket.on('error', () => {})
  socket.write(
    `GET /v1/tenants/acme/services/shop/logs HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${token}\r\n\r\n`,
  )
  await expect.poll(() => host.control.listeners.size).toBe(1)
  await flood(host)
  await host.registry.deleteToken(record.id)
  await expect.poll(() => host.control.listeners.size, { timeout: 5000 }).toBe(0)
  socket.destroy()
})
