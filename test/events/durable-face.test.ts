/** What the bus makes of durable calls before the engine sees them: checks, names, error policies, middleware. */
import { expect, test } from 'vitest'
import { createEventBus } from '../../host/events/bus.ts'
import type { BusEvent } from '../../host/events/bus-event.ts'
import type {
  BatchOptions,
  DurableEvents,
  ErrorPolicy,
  EventHandler,
  EventHandlerBatch,
  Outcome,
} from '../../host/events/types.ts'
import { countingMeter } from './meter.ts'

interface Opened {
  readonly tenant: string
  readonly pattern: string
  readonly handler: EventHandlerBatch
  readonly options: BatchOptions & { readonly name: string }
}

/** An engine that stores nothing and says what it was asked. */
function setUp() {
  const published: BusEvent[] = []
  const opened: Opened[] = []
  const told: unknown[] = []
  const durable: DurableEvents = {
    async publish(event) {
      published.push(event)
      return { sequence: published.length, duplicate: false }
    },
    subscribe(tenant, pattern, handler, options) {
      opened.push({ tenant, pattern, handler, options })
      const stats = { waiting: 0, running: 0, delivered: 0, failed: 0, dropped: 0 }
      return {
        tenant,
        pattern,
        kind: 'durable',
        name: options.name,
        ready: Promise.resolve(),
        unsubscribe: () => undefined,
        stats: () => stats,
      }
    },
    deleteTenant: async () => undefined,
    leaveTenant: async () => undefined,
    drain: async () => undefined,
    close: async () => undefined,
  }
  const bus = createEventBus({
    meter: countingMeter(),
    onFailure: ({ error }) => void told.push(error),
    durable,
  })
  return { bus, published, opened, told }
}

/** What the engine is told when a handler of host code has an event. */
async function outcomeOf(
  handler: EventHandler,
  onError?: ErrorPolicy,
): Promise<{ outcome: unknown; told: unknown[] }> {
  const { bus, published, opened, told } = setUp()
  bus.subscribe('acme', 'a', handler, {
    kind: 'durable',
    name: 'x',
    ...(onError === undefined ? {} : { onError }),
  })
  await bus.publish('acme', 'a', 1, { kind: 'durable' })
  const [outcome] =
    (await opened[0]?.handler.handle(
      [{ event: published[0] as BusEvent, attempt: 3 }],
      new AbortController().signal,
    )) ?? []
  return { outcome, told }
}

test('a durable publish resolves with what the engine stored, and only an id that Vela made is fresh', async () => {
  const { bus, published } = setUp()
  expect(await bus.publish('acme', 'a', 1, { kind: 'durable', id: 'mine' })).toEqual({
    id: 'mine',
    sequence: 1,
    duplicate: false,
  })
  await bus.publish('acme', 'a', 1, { kind: 'durable' })
  expect(published.map(({ fresh }) => fresh)).toEqual([false, true])
})

test('what a middleware may publish twice is never taken as fresh, so the engine notices', async () => {
  const { bus, published } = setUp()
  bus.use({
    async publish(_event, next) {
      await next()
      return await next()
    },
  })
  await bus.publish('acme', 'a', 1, { kind: 'durable' })
  expect(published.map(({ fresh }) => fresh)).toEqual([false, false])
  expect(published[0]?.id).toBe(published[1]?.id)
})

test('what cannot be stored is refused before the engine hears of it', async () => {
  const { bus, published } = setUp()
  const code = { kind: 'durable' } as const
  await expect(bus.publish('acme', 'a', () => 1, code)).rejects.toMatchObject({
    code: 'VELA_VALUE_NOT_CLONEABLE',
  })
  await expect(bus.publish('acme', 'a', 'x'.repeat(300_000), code)).rejects.toMatchObject({
    code: 'VELA_EVENT_TOO_LARGE',
  })
  expect(published).toEqual([])
})

test('consumers of host code have names of their own, which no service can have', () => {
  const { bus, opened } = setUp()
  const batch: EventHandlerBatch = { handle: async (events) => events.map(() => 'ack') }
  bus.subscribe('acme', 'a.*', () => undefined, { kind: 'durable', name: 'mails', retries: 2 })
  bus.subscribeBatch('acme', 'a', batch, { kind: 'durable', name: 'acme/shop/EVENTS/0', maxBatch: 7 })
  expect(opened.map(({ options, pattern }) => [pattern, options.name, options.maxBatch])).toEqual([
    ['a.*', 'host:mails', 1],
    ['a', 'acme/shop/EVENTS/0', 7],
  ])
  expect(opened[0]?.options.retries).toBe(2)
})

const fail = (): never => {
  throw new TypeError('bad')
}
const error = { name: 'TypeError', message: 'bad' }
test.each<[string, ErrorPolicy | undefined, Outcome, number]>([
  ['nothing', undefined, { retry: true, error }, 0],
  ['retry', 'retry', { retry: true, error }, 0],
  ['dead', 'dead', { dead: true, error }, 0],
  ['log', 'log', 'ack', 1],
  ['ignore', 'ignore', 'ack', 0],
  ['a function', (_error, _event, attempt) => (attempt === 3 ? 'dead' : 'retry'), { dead: true, error }, 0],
  ['a function that says nothing', () => undefined, { retry: true, error }, 0],
  [
    'a function that throws',
    () => {
      throw new RangeError('policy')
    },
    { retry: true, error: { name: 'RangeError', message: 'policy' } },
    0,
  ],
])(
  'a handler that fails, with %s as its error policy, is told to the engine as an outcome',
  async (_name, policy, expected, told) => {
    const result = await outcomeOf(fail, policy)
    expect(result.outcome).toEqual(expected)
    expect(result.told).toHaveLength(told)
  },
)

test('a handler that is well is an ack, and gets the try and the signal', async () => {
  let context: unknown
  const { outcome } = await outcomeOf((_event, given) => {
    context = given
  })
  expect(outcome).toBe('ack')
  expect(context).toMatchObject({ tenant: 'acme', kind: 'durable', attempt: 3 })
})

test('middleware stands around durable handlers too, of both kinds', async () => {
  const { bus, opened, published } = setUp()
  const seen: unknown[] = []
  bus.subscribe('acme', 'a', (event) => void seen.push(event.data), { kind: 'durable', name: 'one' })
  bus.subscribeBatch(
    'acme',
    'a',
    { handle: async (batch) => batch.map(({ event }) => (seen.push(event.data), 'ack')) },
    { kind: 'durable', name: 'many' },
  )
  bus.use({ handle: (event, next, { kind }) => next(event.with({ data: [kind, event.data] })) })
  await bus.publish('acme', 'a', 1, { kind: 'durable' })
  for (const { handler } of opened)
    expect(
      await handler.handle([{ event: published[0] as BusEvent, attempt: 1 }], new AbortController().signal),
    ).toEqual(['ack'])
  expect(seen).toEqual([
    ['durable', 1],
    ['durable', 1],
  ])
})

test('a durable event reaches no ephemeral subscription, and the other way round', async () => {
  const { bus, published } = setUp()
  const seen: unknown[] = []
  bus.subscribe('acme', '>', ({ data }) => void seen.push(data))
  await bus.publish('acme', 'a', 'durable', { kind: 'durable' })
  await bus.publish('acme', 'a', 'ephemeral')
  await bus.drain(60_000)
  expect(seen).toEqual(['ephemeral'])
  expect(published.map(({ data }) => data)).toEqual(['durable'])
})
