/** Middleware around publishing and handling: order, early returns, changed events, errors, batches. */
import { expect, test, vi } from 'vitest'
import { compose } from '../../guest-sdk/events/middleware.ts'
import { VelaError } from '../../host/core/errors.ts'
import type { BusEvent } from '../../host/events/bus-event.ts'
import { retry } from '../../host/events/middleware.ts'
import type { Outcome } from '../../host/events/types.ts'
import { failure, setUpListening as setUp } from './local-bus.ts'

test('middlewares run around what is inside, the first outermost, and each sees the event that the one before gave on', async () => {
  const steps: string[] = []
  const named =
    (name: string) =>
    async (text: string, next: (text?: string) => Promise<string>): Promise<string> => {
      steps.push(`${name} in ${text}`)
      const result = await next(`${text}${name}`)
      steps.push(`${name} out ${result}`)
      return `${result}${name}`
    }
  const run = compose<string, null, string>([named('a'), named('b')])
  expect(await run?.('x', null, (text) => `<${text}>`)).toBe('<xab>ba')
  expect(steps).toEqual(['a in x', 'b in xa', 'b out <xab>', 'a out <xab>b'])
  expect(compose([])).toBeUndefined()
})

test('a middleware that throws before it returns a promise rejects like any other', async () => {
  const run = compose<string, null, string>([
    () => {
      throw new TypeError('bad')
    },
  ])
  await expect(run?.('x', null, (text) => text)).rejects.toThrow('bad')
})

test('around a publish: in order, with early return, changed event and error, and gone when removed', async () => {
  const { bus, events, got, meter } = setUp()
  const seen: string[] = []
  const remove = bus.use({
    async publish(event, next, { kind }) {
      seen.push(`outer ${event.subject} ${kind}`)
      if (event.subject === 'skip.me') return undefined
      if (event.subject === 'refuse.me') throw new VelaError('VELA_EVENT_INVALID', 'no')
      if (event.subject === 'break.me') throw new TypeError('broken')
      const result = await next()
      seen.push(`published ${result?.id === event.id}`)
      return result
    },
  })
  bus.use({
    publish: (event, next) => next(event.with({ data: [event.data, 'inner'], headers: { a: 'b' } })),
  })
  const { id } = await bus.publish('acme', 'a', 1)
  await got(1)
  expect(seen).toEqual(['outer a ephemeral', 'published true'])
  expect(events[0]).toMatchObject({ id, headers: { a: 'b' } })
  expect(events[0]?.data).toEqual([1, 'inner'])
  expect(await bus.publish('acme', 'skip.me', 1)).toMatchObject({ skipped: true })
  expect(await failure(bus.publish('acme', 'refuse.me', 1))).toMatchObject({
    code: 'VELA_EVENT_INVALID',
    message: 'no',
  })
  expect(await failure(bus.publish('acme', 'break.me', 1))).toBeInstanceOf(TypeError)
  expect(meter.counts['published']).toBe(1)
  remove()
  remove()
  await bus.publish('acme', 'skip.me', 2)
  await got(2)
  expect(events[1]?.data).toEqual([2, 'inner'])
})

test('what a middleware throws is not shown to publishers who may know nothing of the host', async () => {
  const { bus, events, got } = setUp()
  await bus.publish('acme', 'a', 1)
  await got(1)
  bus.use({
    publish: () => {
      throw new Error('connect ECONNREFUSED 10.0.0.7:5432')
    },
  })
  const [result] = await bus.publishAll([events[0] as BusEvent], 'ephemeral')
  expect(result).toMatchObject({ code: 'VELA_EVENT_INVALID', message: 'The host refused the event' })
})

test('around a handler: a changed event, an early return that counts as handled, and an error that counts as failure', async () => {
  const { bus, events, got, failures } = setUp()
  const calls: unknown[] = []
  bus.use({
    async handle(event, next, { attempt, kind, tenant, signal }) {
      calls.push([event.subject, attempt, kind, tenant, signal.aborted])
      if (event.data === 'drop') return
      if (event.data === 'fail') throw new Error('refused')
      await next(event.with({ data: 'changed' }))
    },
  })
  const subscription = bus.subscribe('acme', 'x.>', () => undefined)
  await bus.publish('acme', 'a', 'drop')
  await bus.publish('acme', 'a', 'fail')
  await bus.publish('acme', 'a', 'go')
  await got(1)
  expect(events.map(({ data }) => data)).toEqual(['changed'])
  expect(calls).toContainEqual(['a', 1, 'ephemeral', 'acme', false])
  await vi.waitFor(() => expect(failures).toEqual([expect.objectContaining({ message: 'refused' })]))
  expect(subscription.stats().delivered).toBe(0)
})

test('around batches: each event goes through by itself, the rest goes on together and in order, and outcomes pass out', async () => {
  const { bus, meter } = setUp()
  const batches: unknown[][] = []
  const thrown: unknown[] = []
  bus.use({
    async handle(event, next) {
      const data = event.data as number
      if (data === 1) return
      if (data === 2) throw new Error('refused')
      // Those that take longer hold the batch, not the order.
      if (data % 2 === 1) await new Promise((resolve) => setImmediate(resolve))
      try {
        await next(event.with({ data: data * 10 }))
      } catch (error) {
        thrown.push(error)
        throw error
      }
    },
  })
  const gate = Promise.withResolvers<void>()
  const subscription = bus.subscribeBatch('acme', 'n', {
    async handle(batch): Promise<Outcome[]> {
      batches.push(batch.map(({ event }) => event.data))
      await gate.promise
      return batch.map(({ event }) =>
        event.data === 40 ? { retry: true, error: { name: 'RangeError', message: 'four' } } : 'ack',
      )
    },
  })
  for (const data of [0, 1, 2, 3, 4, 5]) void bus.publish('acme', 'n', data)
  await vi.waitFor(() => expect(batches).toHaveLength(1))
  gate.resolve()
  await vi.waitFor(() => expect(subscription.stats()).toMatchObject({ delivered: 4, failed: 2, running: 0 }))
  expect(batches).toEqual([[0, 30, 40, 50]])
  expect(thrown).toEqual([expect.objectContaining({ name: 'RangeError', message: 'four' })])
  expect(meter.counts['failed lost']).toBeUndefined()
})

test('around batches: a handler that is lost is lost for the batch, and a batch that a middleware ends is never handed on', async () => {
  const { bus, meter } = setUp()
  let isEnding = false
  let handled = 0
  bus.use({ handle: (_event, next) => (isEnding ? Promise.resolve() : next()) })
  const subscription = bus.subscribeBatch('acme', 'n', {
    async handle() {
      handled++
      throw new VelaError('VELA_CELL_LOST', 'gone')
    },
  })
  await bus.publish('acme', 'n', 1)
  await vi.waitFor(() => expect(subscription.stats().failed).toBe(1))
  expect(meter.counts['failed lost']).toBe(1)
  isEnding = true
  await bus.publish('acme', 'n', 2)
  await vi.waitFor(() => expect(subscription.stats().delivered).toBe(1))
  expect(handled).toBe(1)
})

test('retry in a batch does the one event again, and the others are handled once', async () => {
  const { bus } = setUp()
  const batches: unknown[][] = []
  bus.use({ handle: retry({ times: 3, backoffMs: 1 }) })
  const subscription = bus.subscribeBatch('acme', 'n', {
    async handle(batch): Promise<Outcome[]> {
      batches.push(batch.map(({ event }) => event.data))
      return batch.map(({ event }) =>
        event.data === 'bad' && batches.length < 3
          ? { retry: true, error: { name: 'Error', message: 'again' } }
          : 'ack',
      )
    },
  })
  void bus.publish('acme', 'n', 'good')
  void bus.publish('acme', 'n', 'bad')
  await vi.waitFor(() => expect(subscription.stats().delivered).toBe(2))
  expect(batches).toEqual([['good', 'bad'], ['bad'], ['bad']])
})
