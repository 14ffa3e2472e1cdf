/** What a bus promises of ephemeral events, embedded and over NATS alike. */
import { expect, test, vi } from 'vitest'
import type { BusEvent } from '../../host/events/bus-event.ts'
import { describeBuses } from './buses.ts'
import { codeOf, gather, settled } from './listening.ts'

describeBuses('ephemeral events', (fleet, source) => {
  test('an event reaches every subscription whose pattern matches, on every host, with all that it says', async () => {
    const { buses } = await fleet()
    const exact = gather()
    const star = gather()
    const rest = gather()
    const other = gather()
    await settled(
      buses[0].subscribe('acme', 'orders.placed', exact.take),
      buses[1].subscribe('acme', 'orders.*', star.take),
      buses[1].subscribe('acme', '>', rest.take),
      buses[0].subscribe('acme', 'orders.*.eu', other.take),
    )
    const before = Date.now()
    const { id } = await buses[0].publish(
      'acme',
      'orders.placed',
      { sku: 'x', when: new Date(5), n: 12n },
      { key: 'order-1', headers: { region: 'eu' }, source: 'acme/shop' },
    )
    await Promise.all([exact.count(1), star.count(1), rest.count(1)])
    for (const { events } of [exact, star, rest]) {
      expect(events).toHaveLength(1)
      const [event] = events as [BusEvent]
      expect(event).toMatchObject({
        id,
        tenant: 'acme',
        subject: 'orders.placed',
        source: 'acme/shop',
        key: 'order-1',
        headers: { region: 'eu' },
        depth: 0,
      })
      expect(event.timeMs).toBeGreaterThanOrEqual(before)
      expect(event.data).toEqual({ sku: 'x', when: new Date(5), n: 12n })
    }
    expect(other.events).toEqual([])
  })

  test('nothing crosses tenants, whatever the pattern', async () => {
    const { buses } = await fleet()
    const acme = gather()
    const globex = gather()
    await settled(
      buses[0].subscribe('acme', '>', acme.take),
      buses[1].subscribe('acme', '*.*', acme.take),
      buses[0].subscribe('globex', '>', globex.take),
      buses[1].subscribe('globex', 'orders.placed', globex.take),
    )
    await buses[0].publish('acme', 'orders.placed', 1)
    await buses[1].publish('globex', 'orders.placed', 2)
    await Promise.all([acme.count(2), globex.count(2)])
    expect(acme.events.map(({ data, tenant }) => [tenant, data])).toEqual([
      ['acme', 1],
      ['acme', 1],
    ])
    expect(globex.events.map(({ data }) => data)).toEqual([2, 2])
  })

  test('of a group one member gets each event, whatever its host and pattern, and all have their share', async () => {
    const { buses } = await fleet()
    const members = [gather(), gather(), gather(), gather()]
    const alone = gather()
    await settled(
      buses[0].subscribe('acme', 'jobs.*', (members[0] as typeof alone).take, { group: 'workers' }),
      buses[0].subscribe('acme', 'jobs.>', (members[1] as typeof alone).take, { group: 'workers' }),
      buses[1].subscribe('acme', 'jobs.a', (members[2] as typeof alone).take, { group: 'workers' }),
      buses[1].subscribe('acme', 'jobs.*', (members[3] as typeof alone).take, { group: 'workers' }),
      buses[1].subscribe('acme', 'jobs.a', alone.take),
    )
    for (let index = 0; index < 200; index++)
      await buses[index % 2 === 0 ? 0 : 1].publish('acme', 'jobs.a', index)
    await alone.count(200)
    await vi.waitFor(() => expect(members.flatMap(({ events }) => events)).toHaveLength(200), {
      timeout: 10_000,
    })
    const seen = members.flatMap(({ events }) => events.map(({ data }) => data as number))
    expect(seen.toSorted((one, other) => one - other)).toEqual(
      Array.from({ length: 200 }, (_, index) => index),
    )
    for (const { events } of members) expect(events.length).toBeGreaterThan(5)
  })

  test('a subscription with concurrency 1 handles the events of one publisher in their order, one at a time', async () => {
    const { buses } = await fleet()
    const seen: unknown[] = []
    let running = 0
    let most = 0
    const subscription = buses[1].subscribe(
      'acme',
      'n',
      async ({ data }) => {
        most = Math.max(most, ++running)
        await Promise.resolve()
        seen.push(data)
        running--
      },
      { concurrency: 1 },
    )
    await subscription.ready
    const numbers = Array.from({ length: 300 }, (_, index) => index)
    for (const number of numbers) await buses[0].publish('acme', 'n', number)
    await vi.waitFor(() => expect(seen).toHaveLength(300), { timeout: 10_000 })
    expect(seen).toEqual(numbers)
    expect(most).toBe(1)
  })

  test('who has unsubscribed hears nothing more', async () => {
    const { buses } = await fleet()
    const one = gather()
    const other = gather()
    const subscription = buses[0].subscribe('acme', 'a', one.take)
    await settled(subscription, buses[0].subscribe('acme', 'a', other.take))
    await buses[0].publish('acme', 'a', 1)
    await Promise.all([one.count(1), other.count(1)])
    void subscription.unsubscribe()
    void subscription.unsubscribe()
    await buses[0].publish('acme', 'a', 2)
    await other.count(2)
    expect(one.events).toHaveLength(1)
    expect(buses[0].status().subscriptions).toBe(1)
  })

  test('deleting a tenant ends its subscriptions and nobody else’s', async () => {
    const { buses } = await fleet()
    const acme = gather()
    const globex = gather()
    await settled(buses[0].subscribe('acme', '>', acme.take), buses[0].subscribe('globex', '>', globex.take))
    await buses[0].deleteTenant('acme')
    await buses[0].publish('acme', 'a', 1)
    await buses[0].publish('globex', 'a', 1)
    await globex.count(1)
    expect(acme.events).toEqual([])
    expect(buses[0].status().subscriptions).toBe(1)
  })

  test('a batch handler gets several events at once, in order, and answers for each', async () => {
    const { buses, meter, failures } = await fleet()
    const batches: (readonly unknown[])[] = []
    const gate = Promise.withResolvers<void>()
    const subscription = buses[1].subscribeBatch(
      'acme',
      'n',
      {
        async handle(batch) {
          batches.push(batch.map(({ event }) => event.data))
          if (batches.length === 1) await gate.promise
          return batch.map(({ event }) =>
            event.data === 3 ? { dead: true, error: { name: 'TypeError', message: 'bad' } } : 'ack',
          )
        },
      },
      { maxBatch: 4 },
    )
    await subscription.ready
    await buses[0].publish('acme', 'n', 0)
    await vi.waitFor(() => expect(batches).toHaveLength(1))
    for (let index = 1; index < 10; index++) await buses[0].publish('acme', 'n', index)
    await vi.waitFor(() => expect(subscription.stats().waiting).toBe(9))
    gate.resolve()
    await vi.waitFor(() => expect(meter.counts['delivered']).toBe(9))
    expect(batches).toEqual([[0], [1, 2, 3, 4], [5, 6, 7, 8], [9]])
    expect(meter.counts).toMatchObject({ 'failed threw': 1 })
    expect(failures).toHaveLength(1)
    expect(failures[0]?.error).toMatchObject({ name: 'TypeError', message: 'bad' })
    expect(subscription.stats()).toEqual({ waiting: 0, running: 0, delivered: 9, failed: 1, dropped: 0 })
  })

  test('an event that is already encoded arrives as the value that its text says, and another bus’s middleware is not asked again', async () => {
    const { buses } = await fleet()
    const got = gather()
    const published: string[] = []
    for (const bus of new Set(buses))
      bus.use({
        publish: (event, next) => {
          published.push(event.id)
          return next(event.with({ headers: { stamp: 'yes' } }))
        },
      })
    await settled(buses[1].subscribe('acme', 'a.b', got.take))
    const template = await makeEvent(buses[0], got)
    published.length = 0
    got.events.length = 0
    await buses[0].publishEvent(template, 'ephemeral')
    await got.count(1)
    expect(got.events[0]?.data).toEqual(new Map([['k', 1]]))
    expect(got.events[0]?.headers).toEqual({ stamp: 'yes' })
    expect(published).toEqual([template.id])
  })

  const makeEvent = async (
    bus: { publish: (tenant: string, subject: string, data: unknown) => Promise<unknown> },
    got: ReturnType<typeof gather>,
  ): Promise<BusEvent> => {
    await bus.publish('acme', 'a.b', new Map([['k', 1]]))
    await got.count(1)
    return got.events[0] as BusEvent
  }

  test('what is not valid is refused with its code, and nobody gets it', async () => {
    const { buses, meter } = await fleet()
    const [bus] = buses
    const got = gather()
    await settled(
      bus.subscribeBatch('acme', '>', {
        handle: async (batch) => batch.map(({ event }) => (got.take(event), 'ack')),
      }),
    )
    expect(await codeOf(bus.publish('acme', 'a..b', 1))).toBe('VELA_EVENT_BAD_SUBJECT')
    expect(await codeOf(bus.publish('acme', 'a.*', 1))).toBe('VELA_EVENT_BAD_SUBJECT')
    expect(await codeOf(bus.publish('acme', 'a', 'x'.repeat(256 * 1024)))).toBe('VELA_EVENT_TOO_LARGE')
    expect(await codeOf(bus.publish('acme', 'a', () => 1))).toBe('VELA_VALUE_NOT_CLONEABLE')
    expect(await codeOf(bus.publish('acme', 'a', 1, { id: 'no blanks' }))).toBe('VELA_EVENT_INVALID')
    expect(await codeOf(bus.publish('acme', 'a', 1, { key: '' }))).toBe('VELA_EVENT_INVALID')
    expect(await codeOf(bus.publish('acme', 'a', 1, { key: 'a\nb' }))).toBe('VELA_EVENT_INVALID')
    expect(await codeOf(bus.publish('acme', 'a', 1, { headers: { Upper: '1' } }))).toBe('VELA_EVENT_INVALID')
    expect(await codeOf(bus.publish('acme', 'a', 1, { headers: { type: 'x' } }))).toBe('VELA_EVENT_INVALID')
    expect(await codeOf(bus.publish('acme.x', 'a', 1))).toBe('VELA_DEPLOY_INVALID_NAME')
    expect(await codeOf(bus.publish('acme', 'a', 1, { kind: 'durable' }))).toBe('VELA_EVENTS_UNAVAILABLE')
    await bus.publish('acme', 'a', 'last')
    await got.count(1)
    expect(got.events.map(({ data }) => data)).toEqual(['last'])
    expect(meter.counts['published']).toBe(1)
  })

  test('a drain resolves when what was accepted has been handled, and at its deadline whatever is', async () => {
    const { buses } = await fleet()
    const [bus] = buses
    const gate = Promise.withResolvers<void>()
    const handled: unknown[] = []
    const subscription = bus.subscribe(
      'acme',
      'a',
      async ({ data }) => {
        await gate.promise
        // Longer than any microtask takes, so that a drain which does not wait is seen.
        for (let round = 0; round < 5; round++) await new Promise((resolve) => setImmediate(resolve))
        handled.push(data)
      },
      { concurrency: 1 },
    )
    await subscription.ready
    await bus.publish('acme', 'a', 1)
    await bus.publish('acme', 'a', 2)
    await vi.waitFor(() => expect(subscription.stats()).toMatchObject({ running: 1, waiting: 1 }))
    await bus.drain(20)
    expect(handled).toEqual([])
    const drained = bus.drain(60_000)
    gate.resolve()
    await drained
    expect(handled).toEqual([1, 2])
  })

  test('a closed bus refuses everything, and tells the handlers that run', async () => {
    const { buses } = await fleet()
    const [bus] = buses
    const started = Promise.withResolvers<AbortSignal>()
    const subscription = bus.subscribe('acme', 'a', async (_event, { signal }) => {
      started.resolve(signal)
      await new Promise((resolve) => signal.addEventListener('abort', resolve))
    })
    await subscription.ready
    await bus.publish('acme', 'a', 1)
    const signal = await started.promise
    await bus.close()
    expect(signal.reason).toMatchObject({ code: 'VELA_TASK_CANCELED' })
    expect(await codeOf(bus.publish('acme', 'a', 2))).toBe('VELA_HOST_NOT_STARTED')
    expect(() => bus.subscribe('acme', 'a', () => undefined)).toThrow(/closed/)
  })

  if (source.isLocal)
    test('within one host a value is passed on as it is: nothing is encoded or copied', async () => {
      const { buses } = await fleet()
      const got = gather()
      buses[0].subscribe('acme', 'a', got.take)
      const data = { f: () => 1 }
      await buses[0].publish('acme', 'a', data)
      await got.count(1)
      expect(got.events[0]?.data).toBe(data)
      expect(got.events[0]?.isEncoded).toBe(false)
    })
})
