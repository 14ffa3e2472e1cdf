/** runtime.events: the bus in a whole host, with its tenants, metrics, log and lifecycle. */
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { filter, Runtime, type BusEvent } from '../../host/index.ts'

let folder: string
let runtime: Runtime
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'vela-events-'))
  runtime = await Runtime.create({
    data: null,
    gateway: { port: 0 },
    admin: { port: 0 },
    cells: { spares: 0 },
    log: { level: 'warn', destination: join(folder, 'log') },
  })
  await runtime.start()
})
afterAll(async () => {
  await runtime.stop()
  await rm(folder, { recursive: true })
})

test('an embedder publishes and subscribes, with middleware, and metrics count it', async () => {
  const events: BusEvent[] = []
  const subscription = runtime.events.subscribe('acme', 'orders.*', async (event) => {
    events.push(event)
    if (event.data === 'bad') throw new TypeError('cannot be handled')
  })
  const remove = runtime.events.use({ publish: filter((event) => event.data !== 'no') })
  await runtime.events.publish('acme', 'orders.placed', { sku: 'x' })
  await runtime.events.publish('acme', 'orders.placed', 'bad')
  expect(await runtime.events.publish('acme', 'orders.placed', 'no')).toMatchObject({ skipped: true })
  await vi.waitFor(() => expect(subscription.stats()).toMatchObject({ delivered: 1, failed: 1 }))
  remove()
  expect(events[0]?.data).toEqual({ sku: 'x' })
  const metrics = await runtime.metrics()
  expect(metrics).toContain('vela_events_published_total 2')
  expect(metrics).toContain('vela_events_delivered_total 1')
  expect(metrics).toContain('vela_events_failed_total{reason="threw"} 1')
  expect(metrics).toContain('vela_events_dropped_total{reason="overflow"} 0')
  expect(metrics).toMatch(/vela_event_subscriptions \d/)
  expect(metrics).not.toContain('orders')
  await subscription.unsubscribe()
})

test('what a handler throws is in the host’s log with its place', async () => {
  await vi.waitFor(async () => {
    const line = (await readFile(join(folder, 'log'), 'utf8'))
      .split('\n')
      .find((text) => text.includes('event handler failed'))
    expect(JSON.parse(line ?? '{}')).toMatchObject({
      tenant: 'acme',
      pattern: 'orders.*',
      subject: 'orders.placed',
      attempt: 1,
      error: { name: 'TypeError', message: 'cannot be handled' },
    })
  })
})

test('deleting a tenant ends the subscriptions that the embedder has to its events', async () => {
  await runtime.registry.createTenant('gone')
  const seen: unknown[] = []
  runtime.events.subscribe('gone', '>', ({ data }) => void seen.push(data))
  const kept = runtime.events.subscribe('acme', '>', ({ data }) => void seen.push(data))
  await runtime.deleteTenant('gone', true)
  await runtime.events.publish('gone', 'a', 1)
  await runtime.events.publish('acme', 'a', 2)
  await vi.waitFor(() => expect(seen).toEqual([2]))
  await kept.unsubscribe()
})

test('a stop lets handlers finish what was accepted, and refuses what comes after it', async () => {
  const own = await Runtime.create({
    data: null,
    gateway: { port: 0 },
    admin: { port: 0 },
    cells: { spares: 0 },
    log: { level: 'silent' },
  })
  await own.start()
  const handled: unknown[] = []
  own.events.subscribe(
    'acme',
    'a',
    async ({ data }) => {
      await new Promise((resolve) => setImmediate(resolve))
      handled.push(data)
    },
    { concurrency: 1 },
  )
  for (let data = 0; data < 50; data++) void own.events.publish('acme', 'a', data)
  await own.stop()
  expect(handled).toHaveLength(50)
  await expect(own.events.publish('acme', 'a', 1)).rejects.toMatchObject({ code: 'VELA_HOST_NOT_STARTED' })
})
