/** Ephemeral events over core NATS, beyond the suite that all buses pass: other programs, damage, tenants, loss and slowness. */
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { createEventBus } from '../../host/events/bus.ts'
import { BusEvent } from '../../host/events/bus-event.ts'
import { createNatsTransport, type NatsTransport } from '../../host/events/nats/transport.ts'
import type { EventBus } from '../../host/events/types.ts'
import type { Nats } from '../../host/nats/nats.ts'
import { countingMeter, type CountingMeter } from '../events/meter.ts'
import { become, createTestLog, open, type TestLog } from './open.ts'
import { type NatsServer, startNats } from './server.ts'

let server: NatsServer
beforeAll(async () => {
  server = await startNats()
})
afterAll(() => server.stop())

const opened: { readonly bus: EventBus; readonly nats: Nats }[] = []
afterEach(async () => {
  for (const { bus, nats } of opened.splice(0)) {
    await bus.close()
    await nats.close()
  }
})

interface Host {
  readonly nats: Nats
  readonly bus: EventBus
  readonly transport: NatsTransport
  readonly meter: CountingMeter
  readonly told: TestLog
}

async function host(
  options: { maxBytes?: number; pingMs?: number; maxTenantCharacters?: number } = {},
): Promise<Host> {
  const told = createTestLog()
  const { maxBytes, maxTenantCharacters, ...times } = options
  const nats = await open({ servers: [server.url] }, told, times)
  const transport = createNatsTransport(nats, told, maxBytes)
  const meter = countingMeter()
  const bus = createEventBus(
    { meter, transport, onFailure: () => undefined },
    maxTenantCharacters === undefined ? {} : { maxTenantCharacters },
  )
  opened.push({ bus, nats })
  return { nats, bus, transport, meter, told }
}

/** Until the server has seen all that was written before. */
const settle = async (...hosts: Host[]): Promise<void> => {
  for (const { nats } of hosts) await nats.connection.flush()
}

test('other programs publish and hear events as CloudEvents, and what is none is counted and passed over', async () => {
  const here = await host()
  const heard: unknown[] = []
  const arrived = Promise.withResolvers<void>()
  await here.bus.subscribe('acme', 'orders.*', ({ id, data, key }) => {
    heard.push([id, data, key])
    arrived.resolve()
  }).ready
  const outside = await open({ servers: [server.url] })
  const theirs: unknown[] = []
  outside.subscribe('vela.e.acme.>', (message) => theirs.push(message.json()))
  await outside.connection.flush()
  const event = { specversion: '1.0', id: 'x1', type: 'orders.placed', source: 'urn:them', data: { a: 1 } }
  const bad: (string | Uint8Array)[] = [
    '',
    'hello',
    '[]',
    new Uint8Array([0xff, 0x00]),
    JSON.stringify({ ...event, specversion: '0.3' }),
    JSON.stringify({ ...event, id: '' }),
    JSON.stringify({ ...event, type: 'orders.other' }),
    JSON.stringify({ ...event, datacontenttype: 'application/vela+json', data: '$[["' }),
    '['.repeat(50_000),
  ]
  for (const payload of bad) outside.connection.publish('vela.e.acme.orders.placed', payload)
  outside.connection.publish('vela.e.acme.orders.placed', JSON.stringify({ ...event, partitionkey: 'k' }))
  await arrived.promise
  expect(heard).toEqual([['x1', { a: 1 }, 'k']])
  expect(here.transport.malformed).toBe(bad.length)
  // Told, but not once for each.
  expect(here.told.lines.filter(({ event: what }) => what === 'nats message is no event')).toHaveLength(1)

  await here.bus.publish('acme', 'orders.paid', { at: 7 }, { id: 'ours', headers: { region: 'eu' } })
  await settle(here)
  await outside.connection.flush()
  expect(theirs.filter((each) => (each as { id?: unknown }).id === 'ours')).toMatchObject([
    { specversion: '1.0', id: 'ours', type: 'orders.paid', source: '/host', region: 'eu', data: { at: 7 } },
  ])
  await outside.close()
})

test('no wildcard leaves its tenant, and durable subjects are not those of ephemeral events', async () => {
  const [here, there] = [await host(), await host()]
  const heard: string[] = []
  await there.bus.subscribe('acme', '>', ({ subject }) => void heard.push(`acme ${subject}`)).ready
  await there.bus.subscribe('globex', '>', ({ subject }) => void heard.push(`globex ${subject}`)).ready
  await here.bus.publish('acme', 'a', 1)
  await here.bus.publish('globex', 'b', 1)
  here.nats.connection.publish('vela.d.acme.c', '{}')
  await settle(here, there)
  await there.bus.drain(5000)
  expect(heard.toSorted()).toEqual(['acme a', 'globex b'])
  for (const tenant of ['*', '>', 'acme.globex', 'acme >']) {
    expect(() => there.transport.subscribe(tenant, '>', null, () => undefined)).toThrow('no name of a tenant')
    const event = BusEvent.of(
      { tenant, id: '1', subject: 'a', source: 'host', timeMs: 1, key: null, headers: {} },
      1,
    )
    expect(there.transport.publish(event)).toBe(false)
  }
})

test('subscribers of one host that are in no group share what comes over the wire', async () => {
  const [here, there] = [await host(), await host()]
  const heard: string[] = []
  const subscriptions = ['one', 'two', 'three'].map((name) =>
    there.bus.subscribe('acme', 'news.*', () => void heard.push(name)),
  )
  await Promise.all(subscriptions.map(({ ready }) => ready))
  const before = there.nats.connection.stats().inMsgs
  await here.bus.publish('acme', 'news.today', 1)
  await settle(here, there)
  await there.bus.drain(5000)
  expect(heard.toSorted()).toEqual(['one', 'three', 'two'])
  expect(there.nats.connection.stats().inMsgs - before).toBe(1)
  void subscriptions[0]?.unsubscribe()
  void subscriptions[1]?.unsubscribe()
  await here.bus.publish('acme', 'news.today', 2)
  await settle(here, there)
  await there.bus.drain(5000)
  expect(heard.slice(3)).toEqual(['three'])
  void subscriptions[2]?.unsubscribe()
  await there.nats.connection.flush()
  await here.bus.publish('acme', 'news.today', 3)
  await settle(here, there)
  expect(there.nats.connection.stats().inMsgs - before).toBe(2)
})

test('while NATS is lost a host’s own subscribers are served and it is counted; afterwards all hosts are', async () => {
  const [here, there] = [await host(), await host()]
  const heard: string[] = []
  await here.bus.subscribe('acme', 'x', ({ data }) => void heard.push(`here ${String(data)}`)).ready
  await there.bus.subscribe('acme', 'x', ({ data }) => void heard.push(`there ${String(data)}`)).ready
  await server.kill()
  await Promise.all([become(here.nats, 'lost'), become(there.nats, 'lost')])
  expect(here.bus.status().transport).toBe('lost')
  // Nothing is left to the client, which would keep it without a bound.
  const fields = { tenant: 'acme', id: '1', subject: 'x', source: 'host', timeMs: 1, key: null, headers: {} }
  expect(here.transport.publish(BusEvent.of(fields, 1))).toBe(false)
  await here.bus.publish('acme', 'x', 'alone')
  await here.bus.drain(5000)
  expect(heard).toEqual(['here alone'])
  expect(here.meter.counts).toMatchObject({ degraded: 1 })

  await server.restart()
  await Promise.all([here.nats.whenConnected(10_000), there.nats.whenConnected(10_000)])
  await settle(here, there)
  await here.bus.publish('acme', 'x', 'together')
  await settle(here, there)
  await Promise.all([here.bus.drain(5000), there.bus.drain(5000)])
  expect(heard.slice(1).toSorted()).toEqual(['here together', 'there together'])
  expect(here.meter.counts).toMatchObject({ degraded: 1 })
})

test('a server that is slow is written to only so far, and then counts as away', async () => {
  // Not taken for lost before the test is over.
  const here = await host({ maxBytes: 200_000, pingMs: 60_000 })
  const heard: number[] = []
  await here.bus.subscribe('acme', 'big', ({ data }) => void heard.push((data as string).length)).ready
  server.pause()
  const written = (): number => here.nats.connection.stats().outBytes
  const before = written()
  for (let index = 0; index < 100; index++) await here.bus.publish('acme', 'big', 'x'.repeat(10_000))
  expect(written() - before).toBeLessThanOrEqual(200_000)
  await here.bus.drain(5000)
  const local = heard.length
  expect(local).toBeGreaterThan(70)
  expect(here.meter.counts['degraded']).toBe(local)
  server.resume()
  // What was written arrives, nothing twice, and there is room again.
  const deadline = performance.now() + 20_000
  while (heard.length < 100 && performance.now() < deadline) await settle(here)
  expect(heard).toHaveLength(100)
  await here.bus.publish('acme', 'big', 'y')
  expect(here.meter.counts['degraded']).toBe(local)
})

test('what comes over NATS counts against its tenant’s room, also for handlers that take no text', async () => {
  const here = await host({ maxTenantCharacters: 20_000 })
  const gate = Promise.withResolvers<void>()
  let handled = 0
  const slow = here.bus.subscribe('acme', 'a', async () => {
    await gate.promise
    handled++
  })
  await slow.ready
  for (let index = 0; index < 50; index++) await here.bus.publish('acme', 'a', { text: 'x'.repeat(2_000) })
  await settle(here)
  const { heldCharacters } = here.bus.status()
  expect(heldCharacters).toBeGreaterThan(10_000)
  expect(heldCharacters).toBeLessThanOrEqual(20_000)
  expect(here.meter.counts['dropped bytes']).toBeGreaterThan(35)
  gate.resolve()
  await here.bus.drain(5_000)
  expect([handled + (here.meter.counts['dropped bytes'] ?? 0), here.bus.status().heldCharacters]).toEqual([
    50, 0,
  ])
})
