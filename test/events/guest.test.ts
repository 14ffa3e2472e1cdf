/** Events between services of a tenant, through real cells: publishing and handling on both engines. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startHost, type Host } from '../capabilities/support.ts'
import { describeEngines } from '../engines.ts'
import { GUEST, gotBy, until, type Seen } from './guest.ts'

let host: Host
beforeAll(async () => {
  host = await startHost({ cells: { spares: 0 } })
})
afterAll(() => host.runtime.stop())

describeEngines('events between services', (engine) => {
  const tenant = `t-${engine}`
  let names = 0
  const limits = { cpuMs: 5_000, replicas: 1 }

  /** A publisher and a handler with the subscription, each new. */
  const pair = async (subscribe: object, publish: readonly string[] = ['>']): Promise<[string, string]> => {
    const name = ++names
    const publisher = `${tenant}/from-${name}`
    const handler = `${tenant}/to-${name}`
    await host.deploy(handler, GUEST, {
      engine,
      limits,
      capabilities: { events: { IN: { subscribe: [subscribe] }, E: { publish: ['>'] } } } as never,
    })
    await host.deploy(publisher, GUEST, {
      engine,
      limits,
      capabilities: { events: { E: { publish } } } as never,
    })
    return [publisher, handler]
  }
  const publish = (at: string, subject: string, data: unknown, options: object = {}): Promise<unknown> =>
    host.invoke(at, 'publish', { subject, data, options } as never)

  test('an event reaches a function of another service with all that stands beside its data', async () => {
    const [from, to] = await pair({ subject: 'orders.*', handler: 'onEvent' })
    const options = { key: 'ada', id: 'order-1', headers: { tenantzone: 'eu' } }
    expect(await publish(from, 'orders.placed', { sku: 'tea' }, options)).toEqual({
      value: { id: 'order-1' },
    })
    const [event] = (await gotBy(host, to, 1)) as Seen[]
    expect(event).toEqual({
      id: 'order-1',
      subject: 'orders.placed',
      source: from,
      data: { sku: 'tea' },
      key: 'ada',
      headers: { tenantzone: 'eu' },
      attempts: 1,
      recent: true,
    })
  })

  test('queue gets batches under the name of the binding, with what Cloudflare has in a message', async () => {
    const [from, to] = await pair({ subject: 'batch.>' })
    await publish(from, 'batch.a.b', [1, 'ü\u{1f980}'])
    const [batch] = (await gotBy(host, to, 1)) as {
      queue: string
      events: Seen[]
      timestamps: boolean
      requestId: string
    }[]
    expect(batch?.queue).toBe('IN')
    expect(batch?.timestamps).toBe(true)
    expect(batch?.requestId).toMatch(/^event-/)
    expect(batch?.events.map(({ data, subject }) => [subject, data])).toEqual([
      ['batch.a.b', [1, 'ü\u{1f980}']],
    ])
  })

  test('a method of the default class handles events, each on an instance of its own', async () => {
    const at = `${tenant}/class`
    await host.deploy(
      at,
      `let made = 0
       const seen = []
       export default class { constructor(ctx) { made++; this.id = ctx.requestId }
         onMade({ data }) { seen.push([data, made, this.id.slice(0, 6)]) } }
       export const got = () => seen`,
      {
        engine,
        limits,
        capabilities: { events: { E: { subscribe: [{ subject: 'made', handler: 'onMade' }] } } },
      },
    )
    for (const data of ['a', 'b', 'c']) await host.runtime.events.publish(tenant, 'made', data)
    expect(await gotBy(host, at, 3)).toEqual([
      ['a', 1, 'event-'],
      ['b', 2, 'event-'],
      ['c', 3, 'event-'],
    ])
  })

  test('many events of one entry arrive whole, in order, and each with an id of its own', async () => {
    const [from, to] = await pair({ subject: 'many', handler: 'onEvent' })
    await host.invoke(from, 'many', { subject: 'many', count: 2_500 })
    const events = (await gotBy(host, to, 2_500)) as Seen[]
    expect(events.map(({ data }) => data)).toEqual(Array.from({ length: 2_500 }, (_, index) => index))
    expect(new Set(events.map(({ id }) => id)).size).toBe(2_500)
  })

  test('values are those of the codec; what cannot be sent is refused and nothing is published', async () => {
    const [from, to] = await pair({ subject: 'odd.*', handler: 'onMap' })
    const refused = (await host.invoke(from, 'odd')) as { code: string }[]
    expect(refused.map(({ code }) => code)).toEqual(Array(3).fill('VELA_VALUE_NOT_CLONEABLE'))
    expect(await gotBy(host, to, 1)).toEqual([
      ['1970-01-01T00:00:00.000Z', ['1', 'undefined'], '\n ü \u2028 "'],
    ])
  })

  test('large data travel by themselves, and what is too large is refused', async () => {
    const [from, to] = await pair({ subject: 'big', handler: 'onEvent' })
    const big = 'x'.repeat(200_000)
    expect(await publish(from, 'big', big)).toHaveProperty('value')
    expect(await publish(from, 'big', 'x'.repeat(262_145))).toMatchObject({ code: 'VELA_EVENT_TOO_LARGE' })
    expect(await publish(from, 'big', 'ü'.repeat(200_000))).toMatchObject({ code: 'VELA_EVENT_TOO_LARGE' })
    const [event] = (await gotBy(host, to, 1)) as Seen[]
    expect(event?.data).toBe(big)
  })

  test('what nobody waits for is published all the same, by the handler’s env and by the module’s', async () => {
    const [from, to] = await pair({ subject: 'careless', handler: 'onEvent' })
    await host.invoke(from, 'carelessly', { subject: 'careless', data: 1 })
    await host.invoke(from, 'globally', { subject: 'careless', data: 2 })
    expect(((await gotBy(host, to, 2)) as Seen[]).map(({ data }) => data)).toEqual([1, 2])
  })

  test('subjects and what stands beside the data are checked, each event for itself', async () => {
    const [from] = await pair({ subject: 'none', handler: 'onEvent' }, ['ok.*'])
    const code = async (subject: unknown, options?: object): Promise<unknown> =>
      ((await publish(from, subject as string, 1, options)) as { code?: string }).code
    expect(await code('ok.fine')).toBeUndefined()
    expect(await code('ok.*')).toBe('VELA_EVENT_BAD_SUBJECT')
    expect(await code('>')).toBe('VELA_EVENT_BAD_SUBJECT')
    expect(await code('')).toBe('VELA_EVENT_BAD_SUBJECT')
    expect(await code(7)).toBe('VELA_EVENT_BAD_SUBJECT')
    expect(await code('other.fine')).toBe('VELA_CAPABILITY_DENIED')
    expect(await code('ok.fine', { id: 'with blank' })).toBe('VELA_EVENT_INVALID')
    expect(await code('ok.fine', { id: 7 })).toBe('VELA_EVENT_INVALID')
    expect(await code('ok.fine', { key: 'k'.repeat(257) })).toBe('VELA_EVENT_INVALID')
    expect(await code('ok.fine', { headers: { 'Not-Good': 'x' } })).toBe('VELA_EVENT_INVALID')
    expect(await code('ok.fine', { headers: { veladepth: '0' } })).toBe('VELA_EVENT_INVALID')
    expect(await code('ok.fine', { headers: ['x'] })).toBe('VELA_EVENT_INVALID')
  })

  test('a handler that throws fails its event alone, and the log says what it threw', async () => {
    const [from, to] = await pair({ subject: 'some', handler: 'onEvent' })
    const log = host.logOf(to)
    await publish(from, 'some', 'bad')
    await publish(from, 'some', 'good')
    expect(((await gotBy(host, to, 2)) as Seen[]).map(({ data }) => data)).toEqual(['bad', 'good'])
    await until(() => log.some(({ message }) => message === 'RangeError: a bad one'))
    expect(log.find(({ message }) => message.includes('a bad one'))?.stack).toMatch(/onEvent/)
  })

  test('ephemeral events are tried again only if the subscription says so', async () => {
    const [from, to] = await pair({ subject: 'again', retries: 2, backoffMs: 1 })
    await host.invoke(to, 'fail', { times: 5 })
    await publish(from, 'again', 'x')
    const tries = (await gotBy(host, to, 3)) as { events: Seen[] }[]
    expect(tries.map(({ events }) => events[0]?.attempts)).toEqual([1, 2, 3])
    await host.invoke(to, 'fail', { times: 0 })
    await publish(from, 'again', 'last')
    const all = (await gotBy(host, to, 4)) as { events: Seen[] }[]
    expect(all.map(({ events }) => events[0]?.data)).toEqual(['x', 'x', 'x', 'last'])
  })

  test('no more events are in work at a time than the subscription says, whatever waits', async () => {
    const [from, to] = await pair({ subject: 'slow', handler: 'onSlow', concurrency: 3 })
    await host.invoke(from, 'many', { subject: 'slow', count: 8 })
    await gotBy(host, to, 2)
    const seen: number[] = []
    while (seen.at(-1) !== 8) {
      const count = (await host.invoke(to, 'count')) as number
      seen.push(count)
      await host.invoke(to, 'release')
    }
    for (const [index, count] of seen.entries()) expect(count - (seen[index - 1] ?? 0)).toBeLessThanOrEqual(3)
  })

  test('a circle that leaves its next step behind, when no turn is in flight, comes to an end too', async () => {
    const [, to] = await pair({ subject: 'circle', handler: 'onLeftCircle' })
    const published: unknown[] = []
    const ear = host.runtime.events.subscribe(tenant, 'circle', ({ data }) => void published.push(data))
    await host.runtime.events.publish(tenant, 'circle', 1)
    // The service itself is left alone meanwhile: other turns of it would be on whose behalf it acts.
    await until(() => published.length >= 9)
    await host.runtime.events.publish(tenant, 'circle', 100)
    await until(async () => ((await host.invoke(to, 'got')) as unknown[]).includes(100))
    await ear.unsubscribe()
    // The first was the host's own and has depth 0.
    expect(published).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 100])
    await host.runtime.deleteService(tenant, to.split('/')[1] as string)
  })

  test('services that answer each other’s events come to an end, whichever env they use', async () => {
    for (const handler of ['onCircle', 'onGlobalCircle']) {
      const [from, to] = await pair({ subject: 'circle', handler })
      await publish(from, 'circle', 1)
      await gotBy(host, to, handler === 'onCircle' ? 9 : 8)
      // One more that is no part of a circle comes behind all that the circle could still have said.
      await publish(from, 'circle', 100)
      await until(async () => ((await host.invoke(to, 'got')) as unknown[]).includes(100))
      const got = (await host.invoke(to, 'got')) as unknown[]
      const end = handler === 'onCircle' ? ['VELA_CAPABILITY_TOO_DEEP'] : []
      expect(got.slice(0, got.indexOf(100))).toEqual([1, 2, 3, 4, 5, 6, 7, 8, ...end])
      await host.runtime.deleteService(tenant, to.split('/')[1] as string)
    }
  })
})
