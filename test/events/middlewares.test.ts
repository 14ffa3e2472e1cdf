/** The ready-made middlewares. */
import * as valibot from 'valibot'
import { expect, test, vi } from 'vitest'
import { z } from 'zod'
import type { EventSpan } from '../../guest-sdk/events/middlewares.ts'
import { VelaError } from '../../host/core/errors.ts'
import { enrich, filter, on, retry, trace, validate } from '../../host/events/middleware.ts'
import { failure, setUpListening as setUp } from './local-bus.ts'

test.each([
  ['zod', z.object({ sku: z.string(), count: z.coerce.number().min(1) })],
  [
    'valibot',
    valibot.object({
      sku: valibot.string(),
      count: valibot.pipe(valibot.unknown(), valibot.transform(Number), valibot.minValue(1)),
    }),
  ],
] as const)(
  'validate takes a schema of %s: what it gives goes on, and what it refuses is named by its path',
  async (_name, schema) => {
    const { bus, events, got } = setUp()
    bus.use({ publish: on('orders.*', validate(schema)) })
    await bus.publish('acme', 'orders.placed', { sku: 'x', count: '3', more: 1 })
    await bus.publish('acme', 'other', { sku: 5 })
    await got(2)
    expect(events.map(({ data }) => data)).toEqual([{ sku: 'x', count: 3 }, { sku: 5 }])
    const error = await failure(bus.publish('acme', 'orders.placed', { sku: 5, count: 0 }))
    expect(error).toBeInstanceOf(VelaError)
    expect((error as VelaError).code).toBe('VELA_EVENT_INVALID')
    expect((error as VelaError).message).toMatch(
      /^The data of orders\.placed is not valid: data\.sku: .*; data\.count: /,
    )
  },
)

test('a schema that answers later or refuses an item of a list is taken too', async () => {
  const { bus } = setUp()
  bus.use({
    publish: validate({
      '~standard': {
        version: 1,
        vendor: 'test',
        validate: async () => ({ issues: [{ message: 'is wrong', path: ['items', { key: 3 }] }] }),
      },
    }),
  })
  expect(await failure(bus.publish('acme', 'a', 1))).toMatchObject({
    message: 'The data of a is not valid: data.items[3]: is wrong',
  })
})

test('enrich adds headers to those there are and puts data and key in the place of the old ones', async () => {
  const { bus, events, got } = setUp()
  bus.use({
    publish: enrich((event) =>
      event.data === 'leave' ? undefined : { headers: { region: 'eu' }, key: `k-${String(event.data)}` },
    ),
  })
  await bus.publish('acme', 'a', 1, { headers: { a: 'b' }, key: 'old' })
  await bus.publish('acme', 'a', 'leave')
  await got(2)
  expect(events[0]).toMatchObject({ headers: { a: 'b', region: 'eu' }, key: 'k-1' })
  expect(events[1]).toMatchObject({ headers: {}, key: null })
  bus.use({ publish: enrich(() => ({ headers: { 'Not-A-Header': 'x' } })) })
  expect(await failure(bus.publish('acme', 'a', 2))).toMatchObject({ code: 'VELA_EVENT_INVALID' })
})

test('filter ends what it does not keep, on either side', async () => {
  const { bus, events, got } = setUp()
  bus.use({
    publish: filter((event) => event.data !== 'no'),
    handle: filter(async (event) => event.data !== 'not here'),
  })
  expect(await bus.publish('acme', 'a', 'no')).toMatchObject({ skipped: true })
  await bus.publish('acme', 'a', 'not here')
  await bus.publish('acme', 'a', 'yes')
  await got(1)
  expect(events.map(({ data }) => data)).toEqual(['yes'])
})

test('trace carries a trace from publisher to handler by W3C’s header, and tells of both', async () => {
  const { bus, events, got } = setUp()
  const spans: EventSpan[] = []
  const tracing = trace({ onSpan: (span) => void spans.push(span) })
  bus.use({ publish: tracing, handle: tracing })
  await bus.publish('acme', 'a', 1)
  await got(1)
  await vi.waitFor(() => expect(spans).toHaveLength(2))
  const publish = spans.find(({ parentId }) => parentId === null) as EventSpan
  const handle = spans.find((span) => span !== publish) as EventSpan
  expect(publish).toMatchObject({ parentId: null, sampled: true, subject: 'a', error: undefined })
  expect(publish.traceId).toMatch(/^[0-9a-f]{32}$/)
  expect(handle).toMatchObject({ traceId: publish.traceId, parentId: publish.spanId })
  expect(events[0]?.headers['traceparent']).toBe(`00-${handle.traceId}-${handle.spanId}-01`)
  expect(handle.endMs).toBeGreaterThanOrEqual(handle.startMs)

  const given = `00-${'ab'.repeat(16)}-${'cd'.repeat(8)}-00`
  await bus.publish('acme', 'a', 2, { headers: { traceparent: given } })
  await got(2)
  expect(spans.find(({ parentId }) => parentId === 'cd'.repeat(8))).toMatchObject({
    traceId: 'ab'.repeat(16),
    parentId: 'cd'.repeat(8),
    sampled: false,
  })
  for (const bad of [
    `00-${'0'.repeat(32)}-${'cd'.repeat(8)}-01`,
    'nonsense',
    `01-${'ab'.repeat(16)}-${'cd'.repeat(8)}-01`,
  ]) {
    spans.length = 0
    await bus.publish('acme', 'a', 3, { headers: { traceparent: bad } })
    expect(spans.filter(({ parentId }) => parentId === null)).toHaveLength(1)
  }
})

test('trace tells of what failed', async () => {
  const { bus } = setUp()
  const spans: EventSpan[] = []
  bus.use({ publish: trace({ onSpan: (span) => void spans.push(span) }) })
  const error = new Error('inside')
  bus.use({ publish: () => Promise.reject(error) })
  expect(await failure(bus.publish('acme', 'a', 1))).toBe(error)
  expect(spans).toEqual([expect.objectContaining({ error })])
})

test('retry does again what is inside, and gives up when nobody waits any more', async () => {
  const { bus, failures } = setUp()
  let tries = 0
  const signals: AbortSignal[] = []
  bus.use({ handle: on('r', retry({ times: 3, backoffMs: 1 })) })
  bus.use({ handle: on('long', retry({ times: 2, backoffMs: 60_000 })) })
  bus.subscribe('acme', 'r', () => {
    if (++tries < 3) throw new Error('again')
  })
  bus.subscribe(
    'acme',
    'long',
    (_event, { signal }) => {
      signals.push(signal)
      throw new Error('always')
    },
    { timeoutMs: 20 },
  )
  await bus.publish('acme', 'r', 1)
  await vi.waitFor(() => expect(tries).toBe(3))
  expect(failures).toEqual([])
  await bus.publish('acme', 'long', 1)
  await vi.waitFor(() => expect(failures).toEqual([expect.objectContaining({ code: 'VELA_TASK_TIMEOUT' })]))
  expect(signals).toHaveLength(1)
  expect(() => retry({ times: 0 })).toThrow(RangeError)
})
