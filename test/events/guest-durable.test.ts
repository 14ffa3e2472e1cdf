/** Durable events of guests: stored before they are acknowledged, handled at least once, and where a service's handlers were is not forgotten. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startHost, type Host } from '../capabilities/support.ts'
import { describeEngines } from '../engines.ts'
import { GUEST, GUEST_LIMITS as limits, durableGuests, gotBy, until, type Seen } from './guest.ts'

let host: Host
beforeAll(async () => {
  host = await startHost({ cells: { spares: 0 } })
})
afterAll(() => host.runtime.stop())

const { both, publish } = durableGuests(() => host)
const dataOf = (batches: unknown): unknown[] =>
  (batches as { events: Seen[] }[]).flatMap(({ events }) =>
    events.map(({ data, attempts }) => [(data as { n: number }).n, attempts]),
  )

describeEngines('durable events of guests', (engine) => {
  const tenant = `d-${engine}`

  test('publish tells where the event is stored, and that a second one of its id is not', async () => {
    const at = await both(tenant, engine, { subject: 'place', handler: 'onEvent' })
    const first = (await publish(at, 'place', 1, { id: 'once' })) as { value: { sequence: number } }
    expect(first).toEqual({ value: { id: 'once', sequence: expect.any(Number) } })
    expect(await publish(at, 'place', 2, { id: 'once' })).toEqual({
      value: { id: 'once', sequence: first.value.sequence, duplicate: true },
    })
    const other = (await publish(at, 'place', 3)) as { value: { id: string; sequence: number } }
    expect(other.value.sequence).toBeGreaterThan(first.value.sequence)
    const events = (await gotBy(host, at, 2)) as Seen[]
    expect(events.map(({ data }) => data)).toEqual([1, 3])
    expect(events[1]?.id).toBe(other.value.id)
  })

  test('each message has the last word on itself: what was acknowledged stays so, what asks again comes again', async () => {
    const at = await both(tenant, engine, { subject: 'word' })
    const say = (n: number, what: string): Promise<unknown> => publish(at, 'word', { n, do: what })
    // One batch: they are stored while the handler is held by the first.
    await say(0, 'later')
    await gotBy(host, at, 1)
    await Promise.all([say(1, 'ack'), say(2, 'retry'), say(3, 'throw'), say(4, 'none')])
    expect(await host.invoke(at, 'count')).toBe(1)
    await host.invoke(at, 'release')
    await until(async () => dataOf(await host.invoke(at, 'got')).length >= 8)
    const got = dataOf(await host.invoke(at, 'got')) as [number, number][]
    expect(
      got
        .filter(([, attempt]) => attempt === 1)
        .map(([n]) => n)
        .sort((a, b) => a - b),
    ).toEqual([0, 1, 2, 3, 4])
    // Of the batch that threw all come again but the one that was acknowledged.
    expect(
      got
        .filter(([, attempt]) => attempt === 2)
        .map(([n]) => n)
        .sort((a, b) => a - b),
    ).toEqual([2, 3, 4])
  })

  test('ackAll and retryAll speak for those of which nothing was said', async () => {
    const at = await both(tenant, engine, { subject: 'all' })
    await publish(at, 'all', { n: 1, do: 'retryAll' })
    await until(async () => dataOf(await host.invoke(at, 'got')).length >= 2)
    await publish(at, 'all', { n: 2, do: 'ackAll' })
    await publish(at, 'all', { n: 3, do: 'none' })
    await until(async () => dataOf(await host.invoke(at, 'got')).length >= 4)
    expect((dataOf(await host.invoke(at, 'got')) as number[][]).map(([n]) => n)).toEqual([1, 1, 2, 3])
  })

  test('a poison event ends as a dead letter, with what it threw, and the others are handled', async () => {
    const at = await both(tenant, engine, { subject: 'poison', handler: 'onEvent', retries: 2 })
    await publish(at, 'poison', 'bad')
    await publish(at, 'poison', 'good')
    const events = (await gotBy(host, at, 4)) as Seen[]
    expect(events.filter(({ data }) => data === 'bad').map(({ attempts }) => attempts)).toEqual([1, 2, 3])
    expect(events.filter(({ data }) => data === 'good')).toHaveLength(1)
    let dead: unknown[] = []
    await until(
      async () =>
        (dead = [...(await host.runtime.eventsControl.deadEvents(tenant, `${at}/IN/poison`))]).length > 0,
    )
    expect(dead).toMatchObject([
      { subject: 'poison', source: at, attempts: 3, reason: expect.stringContaining('a bad one') },
    ])
  })

  test('what was acknowledged stays so, however little a service may answer with', async () => {
    const at = `${tenant}/terse`
    await host.deploy(at, 'export function idle() {}', { engine })
    const seen: unknown[] = []
    const ear = host.runtime.events.subscribe(tenant, 'terse.seen', ({ data }) => void seen.push(data))
    const all = ['good', 'bad', 'fine'].map((data) =>
      host.runtime.events.publish(tenant, 'terse', data, { kind: 'durable' }),
    )
    await Promise.all(all)
    await host.deploy(
      at,
      `export async function onTerse({ data }, env) { await env.OUT.publish('terse.seen', data); if (data === 'bad') throw new Error('no') }`,
      {
        engine,
        limits: { ...limits, responseBodyBytes: 8 },
        capabilities: {
          events: {
            OUT: { publish: ['terse.seen'] },
            IN: {
              kind: 'durable',
              subscribe: [{ subject: 'terse', handler: 'onTerse', from: 'all', retries: 1, backoffMs: 1 }],
            },
          },
        },
      },
    )
    const dead = async (): Promise<unknown> =>
      (await host.runtime.eventsControl.status(tenant)).consumers.find(({ consumer }) =>
        consumer.startsWith(`${at}/`),
      )?.dead
    await until(async () => (await dead()) === 1)
    await ear.unsubscribe()
    expect(seen.map(String).sort()).toEqual(['bad', 'bad', 'fine', 'good'])
  })

  test('a binding with one subject is a producer as Cloudflare has it, and queue is told the queue’s name', async () => {
    const at = `${tenant}/producer`
    await host.deploy(at, GUEST, {
      engine,
      limits,
      capabilities: {
        events: {
          Q: { kind: 'durable', publish: ['my-queue'] },
          IN: { kind: 'durable', subscribe: [{ subject: 'my-queue', queue: 'my-queue' }] },
        },
      },
    })
    expect(await host.invoke(at, 'send', { body: { n: 1 } })).toEqual({})
    expect(await host.invoke(at, 'sendBatch', { bodies: [{ n: 2 }, { n: 3 }] })).toEqual({})
    expect(await host.invoke(at, 'send', { body: 1, options: { delaySeconds: 5 } })).toMatchObject({
      name: 'TypeError',
    })
    await until(async () => dataOf(await host.invoke(at, 'got')).length >= 3)
    const got = (await host.invoke(at, 'got')) as { queue: string }[]
    expect(dataOf(got)).toEqual([
      [1, 1],
      [2, 1],
      [3, 1],
    ])
    expect(new Set(got.map(({ queue }) => queue))).toEqual(new Set(['my-queue']))
  })

  test('events of one key are handled in order, though the first of them fails', async () => {
    const at = await both(tenant, engine, { subject: 'keyed', handler: 'onFirstFails', retries: 5 })
    await Promise.all([0, 1, 2].map((n) => publish(at, 'keyed', n, { key: 'ada' })))
    expect(await gotBy(host, at, 3)).toEqual([0, 1, 2])
  })
})
