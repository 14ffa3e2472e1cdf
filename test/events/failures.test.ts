/** Handlers of ephemeral events that fail or take too long: timeouts, retries, poison, policies. */
import { expect, test, vi } from 'vitest'
import type { VelaError } from '../../host/core/errors.ts'
import type { ErrorPolicy, Subscription } from '../../host/events/types.ts'
import { idle, setUp } from './local-bus.ts'

test('a handler that takes too long has failed: its signal aborts, its place is free, and what it says later is not heard', async () => {
  const { bus, meter, failures } = setUp()
  const late = Promise.withResolvers<void>()
  const reasons: unknown[] = []
  const seen: unknown[] = []
  const subscription = bus.subscribe(
    'acme',
    'a',
    async ({ data }, { signal }) => {
      if (data === 'slow') {
        signal.addEventListener('abort', () => reasons.push(signal.reason))
        await late.promise
        throw new Error('too late')
      }
      seen.push(data)
    },
    { concurrency: 1, timeoutMs: 20 },
  )
  await bus.publish('acme', 'a', 'slow')
  await bus.publish('acme', 'a', 'next')
  await idle(subscription)
  expect(seen).toEqual(['next'])
  expect(reasons).toEqual([expect.objectContaining({ code: 'VELA_TASK_TIMEOUT' })])
  expect(failures.map(({ error }) => (error as VelaError).code)).toEqual(['VELA_TASK_TIMEOUT'])
  late.resolve()
  await late.promise
  expect(subscription.stats()).toMatchObject({ delivered: 1, failed: 1 })
  expect(meter.counts).toMatchObject({ 'failed timeout': 1, delivered: 1 })
})

test('each call has the whole of its time, however many run and whenever they began', async () => {
  const { bus, failures } = setUp()
  const began: number[] = []
  const ended: number[] = []
  const subscription = bus.subscribe(
    'acme',
    'a',
    ({ data }, { signal }) => {
      began[data as number] = performance.now()
      return new Promise((resolve) =>
        signal.addEventListener('abort', () => {
          ended[data as number] = performance.now()
          resolve()
        }),
      )
    },
    { timeoutMs: 60, onError: 'ignore' },
  )
  for (let data = 0; data < 3; data++) {
    await bus.publish('acme', 'a', data)
    await vi.waitFor(() => expect(began[data]).toBeDefined())
    const from = performance.now()
    await vi.waitUntil(() => performance.now() - from > 15, { interval: 1 })
  }
  await idle(subscription)
  expect(ended).toHaveLength(3)
  for (const [index, end] of ended.entries())
    expect(end - (began[index] as number)).toBeGreaterThanOrEqual(58)
  expect(failures).toEqual([])
})

test('a poison event is tried again, later each time, and given up after its retries while others go past it', async () => {
  const { bus, meter, failures } = setUp()
  const tries: { readonly attempt: number; readonly atMs: number }[] = []
  const seen: unknown[] = []
  const subscription = bus.subscribe(
    'acme',
    'a',
    ({ data }, { attempt }) => {
      if (data !== 'poison') return void seen.push(data)
      tries.push({ attempt, atMs: performance.now() })
      throw new TypeError('poison')
    },
    { concurrency: 1, onError: 'retry', retries: 3, backoffMs: 10 },
  )
  await bus.publish('acme', 'a', 'poison')
  await bus.publish('acme', 'a', 'good')
  await vi.waitFor(() => expect(seen).toEqual(['good']))
  await idle(subscription)
  expect(tries.map(({ attempt }) => attempt)).toEqual([1, 2, 3, 4])
  const pauses = tries.slice(1).map(({ atMs }, index) => atMs - (tries[index] as { atMs: number }).atMs)
  for (const [index, pause] of pauses.entries()) expect(pause).toBeGreaterThanOrEqual(10 * 2 ** index - 2)
  expect(failures).toEqual([
    expect.objectContaining({
      tenant: 'acme',
      pattern: 'a',
      subject: 'a',
      attempt: 4,
      error: expect.any(TypeError) as Error,
    }),
  ])
  expect(subscription.stats()).toEqual({ waiting: 0, running: 0, delivered: 1, failed: 1, dropped: 0 })
  expect(meter.counts['failed threw']).toBe(1)
})

test.each<[ErrorPolicy, object]>([
  ['log', { told: 1, failed: 1, subscriptions: 1 }],
  ['ignore', { told: 0, failed: 1, subscriptions: 1 }],
  ['dead', { told: 1, failed: 1, subscriptions: 1 }],
  ['unsubscribe', { told: 1, failed: 1, subscriptions: 0 }],
  [() => undefined, { told: 1, failed: 1, subscriptions: 1 }],
  [() => 'ignore', { told: 0, failed: 1, subscriptions: 1 }],
])('the error policy %s decides what becomes of a failure', async (onError, expected) => {
  const { bus, failures } = setUp()
  const subscription = bus.subscribe('acme', 'a', () => Promise.reject(new Error('bad')), { onError })
  await bus.publish('acme', 'a', 1)
  await vi.waitFor(() => expect(subscription.stats().failed).toBe(1))
  expect({
    told: failures.length,
    failed: subscription.stats().failed,
    subscriptions: bus.status().subscriptions,
  }).toEqual(expected)
})

test('an error policy that is a function gets the error, the event and the try; one that throws is told of itself', async () => {
  const { bus, failures } = setUp()
  const asked: unknown[] = []
  const error = new Error('bad')
  const subscription = bus.subscribe(
    'acme',
    'a',
    () => {
      throw error
    },
    {
      onError(thrown, event, attempt) {
        asked.push([thrown, event.data, attempt])
        if (attempt === 2) throw new RangeError('policy')
        return 'retry'
      },
      backoffMs: 0,
    },
  )
  await bus.publish('acme', 'a', 7)
  await vi.waitFor(() => expect(subscription.stats().failed).toBe(1))
  expect(asked).toEqual([
    [error, 7, 1],
    [error, 7, 2],
  ])
  expect(failures[0]?.error).toBeInstanceOf(RangeError)
})

test('a handler that fails for every event fills neither the log nor the memory', async () => {
  const { bus, failures } = setUp()
  const subscription = bus.subscribe('acme', 'a', () => {
    throw new Error('always')
  })
  for (let data = 0; data < 5_000; data++) await bus.publish('acme', 'a', data)
  await idle(subscription)
  expect(subscription.stats().failed).toBe(5_000)
  expect(failures.length).toBeLessThan(20)
})

test('a subscription may be ended from its own handler: what waits is dropped, what runs ends as it would', async () => {
  const { bus } = setUp()
  const seen: unknown[] = []
  const subscription: Subscription = bus.subscribe(
    'acme',
    'a',
    async ({ data }) => {
      void subscription.unsubscribe()
      await Promise.resolve()
      seen.push(data)
    },
    { concurrency: 1 },
  )
  const published = [1, 2, 3].map((data) => bus.publish('acme', 'a', data))
  await Promise.all(published)
  await vi.waitFor(() => expect(seen).toEqual([1]))
  expect(subscription.stats()).toEqual({ waiting: 0, running: 0, delivered: 1, failed: 0, dropped: 2 })
  await bus.drain(60_000)
})
