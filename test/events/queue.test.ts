/** Every bound of an ephemeral subscription and what happens at it. */
import { expect, test, vi } from 'vitest'
import type { VelaError } from '../../host/core/errors.ts'
import type { Subscription } from '../../host/events/types.ts'
import { codeOf } from './listening.ts'
import { blocked, idle, setUp } from './local-bus.ts'

test.each([
  ['drop-oldest', ['first', 3, 4], 'dropped overflow'],
  ['drop-newest', ['first', 1, 2], 'dropped overflow'],
] as const)(
  '%s: the queue keeps its capacity, and what is dropped is counted',
  async (overflow, kept, counter) => {
    const { bus, meter } = setUp()
    const { subscription, seen, release } = await blocked(bus, { capacity: 2, overflow })
    for (const data of [1, 2, 3, 4]) expect(await codeOf(bus.publish('acme', 'a', data))).toBe('ok')
    expect(subscription.stats()).toMatchObject({ waiting: 2, dropped: 2 })
    release()
    await idle(subscription)
    expect(seen).toEqual(kept)
    expect(meter.counts[counter]).toBe(2)
  },
)

test('reject: the publisher hears of it, and not even those with room get the event', async () => {
  const { bus, meter } = setUp()
  const { subscription, seen, release } = await blocked(bus, { capacity: 1, overflow: 'reject' })
  const others: unknown[] = []
  const other = bus.subscribe('acme', '>', ({ data }) => void others.push(data))
  expect(await codeOf(bus.publish('acme', 'a', 1))).toBe('ok')
  expect(await codeOf(bus.publish('acme', 'a', 2))).toBe('VELA_EVENTS_OVERLOADED')
  release()
  await idle(subscription)
  await idle(other)
  expect(seen).toEqual(['first', 1])
  expect(others).toEqual([1])
  expect(meter.counts).toMatchObject({ 'dropped rejected': 1, published: 2 })
  expect(await codeOf(bus.publish('acme', 'a', 3))).toBe('ok')
  await idle(subscription)
  expect(seen).toEqual(['first', 1, 3])
})

test('a member of a group that is full is passed over while another has room', async () => {
  const { bus } = setUp()
  const { seen, release, subscription } = await blocked(bus, { capacity: 1, group: 'g', overflow: 'reject' })
  const others: unknown[] = []
  const other = bus.subscribe('acme', 'a', ({ data }) => void others.push(data), { group: 'g' })
  for (let data = 1; data <= 10; data++) expect(await codeOf(bus.publish('acme', 'a', data))).toBe('ok')
  release()
  await idle(subscription)
  await idle(other)
  expect(seen).toHaveLength(2)
  expect([...seen, ...others].length).toBe(11)
})

test('a tenant’s encoded data is bounded over all of its subscriptions, and another tenant’s room is not touched', async () => {
  const { bus, meter } = setUp({ maxTenantCharacters: 1_200 })
  const gate = Promise.withResolvers<void>()
  const subscribe = (tenant: string): Subscription =>
    bus.subscribeBatch(tenant, 'a', {
      async handle(batch) {
        await gate.promise
        return batch.map(() => 'ack' as const)
      },
    })
  const acme = [subscribe('acme'), subscribe('acme')]
  const globex = subscribe('globex')
  // Some 380 characters each, with what stands beside the data: with two subscriptions one event and a half would fit.
  for (let count = 0; count < 5; count++) await bus.publish('acme', 'a', 'x'.repeat(300))
  await bus.publish('globex', 'a', 'y'.repeat(900))
  expect(bus.status().heldCharacters).toBeLessThanOrEqual(1_200 + 1_000)
  expect(meter.counts['dropped bytes']).toBe(10 - 3)
  expect(globex.stats()).toMatchObject({ dropped: 0 })
  gate.resolve()
  for (const subscription of [...acme, globex]) await idle(subscription)
  expect(bus.status().heldCharacters).toBe(0)
  await bus.publish('acme', 'a', 'x'.repeat(300))
  for (const subscription of acme) await idle(subscription)
  expect(meter.counts['dropped bytes']).toBe(7)
})

test('what stands beside the data counts: events of nothing but headers, or of nothing at all, are bounded too', async () => {
  const { bus, meter } = setUp({ maxTenantCharacters: 100_000 })
  const gate = Promise.withResolvers<void>()
  const subscription = bus.subscribeBatch(
    'acme',
    'a',
    {
      async handle(batch) {
        await gate.promise
        return batch.map(() => 'ack' as const)
      },
    },
    { capacity: 10_000 },
  )
  const headers = Object.fromEntries(Array.from({ length: 16 }, (_, index) => [`h${index}`, 'x'.repeat(256)]))
  for (let count = 0; count < 100; count++) await bus.publish('acme', 'a', 0, { headers })
  const { waiting, running } = subscription.stats()
  // 16 × 256 characters each.
  expect(waiting + running).toBeLessThan(25)
  expect(meter.counts['dropped bytes']).toBeGreaterThan(75)
  for (let count = 0; count < 5_000; count++) await bus.publish('acme', 'a', 0)
  expect(subscription.stats().waiting).toBeLessThan(2_000)
  expect(bus.status().heldCharacters).toBeLessThanOrEqual(100_000)
  gate.resolve()
  await idle(subscription)
  expect(bus.status().heldCharacters).toBe(0)
})

test('a tenant has at most so many subscriptions, and room again when one ends', async () => {
  const { bus } = setUp({ maxSubscriptions: 2 })
  const first = bus.subscribe('acme', 'a', () => undefined)
  bus.subscribe('acme', 'b', () => undefined)
  expect(() => bus.subscribe('acme', 'c', () => undefined)).toThrow(
    expect.objectContaining({ code: 'VELA_EVENTS_OVERLOADED' }) as Error,
  )
  bus.subscribe('globex', 'c', () => undefined)
  await first.unsubscribe()
  bus.subscribe('acme', 'c', () => undefined)
})

test('options that are none are refused by name', () => {
  const { bus } = setUp()
  const refusal = (options: object): string => {
    try {
      bus.subscribe('acme', 'a', () => undefined, options)
    } catch (thrown) {
      expect((thrown as VelaError).code).toBe('VELA_EVENT_INVALID')
      return (thrown as VelaError).message
    }
    return 'none'
  }
  expect(refusal({ concurrency: 0 })).toContain('concurrency')
  expect(refusal({ timeoutMs: 1.5 })).toContain('timeoutMs')
  expect(refusal({ capacity: -1 })).toContain('capacity')
  expect(refusal({ retries: Infinity })).toContain('retries')
  expect(refusal({ overflow: 'block' })).toContain('overflow')
  expect(refusal({ onError: 'panic' })).toContain('onError')
  expect(refusal({ kind: 'eternal' })).toContain('kind')
  expect(refusal({ group: 'a b' })).toContain('group')
  expect(refusal({ kind: 'durable' })).toContain('name')
})

test('what waits for another try counts against the capacity', async () => {
  const { bus } = setUp()
  const subscription = bus.subscribe(
    'acme',
    'a',
    () => {
      throw new Error('always')
    },
    { onError: 'retry', retries: 5, backoffMs: 60_000, capacity: 3 },
  )
  for (let data = 0; data < 3; data++) await bus.publish('acme', 'a', data)
  await vi.waitFor(() => expect(subscription.stats()).toMatchObject({ waiting: 3, running: 0 }))
  await bus.publish('acme', 'a', 'more')
  expect(subscription.stats()).toMatchObject({ waiting: 3, dropped: 1 })
  await subscription.unsubscribe()
  expect(subscription.stats()).toMatchObject({ waiting: 0, dropped: 4 })
  await bus.drain(60_000)
})
