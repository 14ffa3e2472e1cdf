/** Handlers of several ephemeral events at once, and publishing several at once. */
import { expect, test, vi } from 'vitest'
import { VelaError } from '../../host/core/errors.ts'
import type { EventBus } from '../../host/events/types.ts'
import { idle, setUp } from './local-bus.ts'

test('batches that fail as a whole are tried again event by event of what was in them, if the policy says so', async () => {
  const { bus, meter } = setUp()
  const batches: [unknown, number][][] = []
  const subscription = bus.subscribeBatch(
    'acme',
    'a',
    {
      async handle(batch) {
        batches.push(batch.map(({ event, attempt }) => [event.data, attempt]))
        if (batches.length === 1) throw new VelaError('VELA_CELL_LOST', 'gone')
        return batch.map(() => 'ack' as const)
      },
    },
    { onError: 'retry', backoffMs: 1 },
  )
  await bus.publish('acme', 'a', 1)
  await vi.waitFor(() => expect(meter.counts['delivered']).toBe(1))
  expect(batches).toEqual([[[1, 1]], [[1, 2]]])
  expect(subscription.stats()).toMatchObject({ delivered: 1, failed: 0 })
})

test('a batch handler that gives too few outcomes has failed for those that have none', async () => {
  const { bus, meter, failures } = setUp()
  const gate = Promise.withResolvers<void>()
  const subscription = bus.subscribeBatch('acme', 'a', {
    async handle() {
      await gate.promise
      return ['ack']
    },
  })
  for (let data = 0; data < 4; data++) await bus.publish('acme', 'a', data)
  gate.resolve()
  await idle(subscription)
  expect(meter.counts).toMatchObject({ delivered: 2, 'failed lost': 2 })
  expect(failures.length).toBeGreaterThan(0)
})

test('a batch is no larger than it may be in number and in size, but one event always goes', async () => {
  const { bus } = setUp()
  const sizes: number[][] = []
  const gate = Promise.withResolvers<void>()
  const subscription = bus.subscribeBatch(
    'acme',
    'a',
    {
      async handle(batch) {
        sizes.push(batch.map(({ event }) => event.text.length))
        await gate.promise
        return batch.map(() => 'ack' as const)
      },
    },
    { maxBatch: 3, maxBatchCharacters: 100 },
  )
  for (const length of [1, 60, 60, 500, 1, 1, 1, 1]) await bus.publish('acme', 'a', 'x'.repeat(length))
  gate.resolve()
  await idle(subscription)
  expect(sizes).toEqual([[3], [62], [62], [502], [3, 3, 3], [3]])
})

test('when several batches may run at a time, what waits is shared between them', async () => {
  const { bus } = setUp()
  const sizes: number[] = []
  const gate = Promise.withResolvers<void>()
  const subscription = bus.subscribeBatch(
    'acme',
    'a',
    {
      async handle(batch) {
        sizes.push(batch.length)
        await gate.promise
        return batch.map(() => 'ack' as const)
      },
    },
    { concurrency: 4 },
  )
  for (let data = 0; data < 20; data++) void bus.publish('acme', 'a', data)
  await vi.waitFor(() => expect(sizes).toEqual([5, 5, 5, 5]))
  gate.resolve()
  await idle(subscription)
})

test('many events published at once have a result each, without a promise unless there is something to wait for', async () => {
  const { bus } = setUp()
  const events: unknown[] = []
  bus.subscribe('acme', 'a', (event) => void events.push(event))
  await bus.publish('acme', 'a', 1)
  await vi.waitFor(() => expect(events).toHaveLength(1))
  const [event] = events as Parameters<EventBus['publishEvent']>[0][]
  if (event === undefined) throw new Error('no event')
  expect(bus.publishAll([event, event.with({ key: 'k' })], 'ephemeral')).toEqual([
    { id: event.id },
    { id: event.id },
  ])
  const results = await bus.publishAll([event], 'durable')
  expect(results).toEqual([expect.objectContaining({ code: 'VELA_EVENTS_UNAVAILABLE' })])
})
