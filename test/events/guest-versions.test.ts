/** Durable subscriptions of a service over its versions: nothing is lost, repeated or another's, whatever is deployed, rolled back or deleted. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startHost, type Host } from '../capabilities/support.ts'
import { GUEST, GUEST_LIMITS as limits, durableGuests, gotBy, until, type Seen } from './guest.ts'

let host: Host
beforeAll(async () => {
  host = await startHost({ cells: { spares: 0 } })
})
afterAll(() => host.runtime.stop())

const { both, deploy, publish } = durableGuests(() => host)

describe('durable events and versions', () => {
  const tenant = 'versions'

  test('a deploy neither loses nor repeats: events wait for whom they are meant for, and go to the version that serves', async () => {
    const at = await both(tenant, 'v8', { subject: 'deploys', handler: 'onEvent' })
    const seen: unknown[] = []
    for (let version = 0; version < 4; version++) {
      const all = Promise.all([0, 1, 2].map((n) => publish(at, 'deploys', version * 3 + n)))
      await all
      await gotBy(host, at, 3)
      seen.push(...((await host.invoke(at, 'got')) as unknown as Seen[]).map(({ data }) => data))
      await deploy(at, 'v8', { subject: 'deploys', handler: 'onEvent' }, `${GUEST}\n// ${version}`)
    }
    expect(seen.sort((a, b) => Number(a) - Number(b))).toEqual(Array.from({ length: 12 }, (_, n) => n))
  })

  test('a subscription keeps its place when others come before it, behind it or go: nothing is lost, repeated or another’s', async () => {
    const at = `${tenant}/moves`
    const version = async (...subjects: string[]): Promise<void> => {
      await host.deploy(at, `${GUEST}\n// ${subjects.join()}`, {
        limits,
        capabilities: {
          events: {
            IN: {
              kind: 'durable',
              subscribe: subjects.map((subject) => ({ subject, handler: 'onEvent', backoffMs: 1 })),
            },
          },
        },
      })
    }
    const say = (subject: string, data: string): Promise<unknown> =>
      host.runtime.events.publish(tenant, subject, data, { kind: 'durable' })
    const heard = async (count: number): Promise<unknown> =>
      ((await gotBy(host, at, count)) as Seen[])
        .map(({ subject, data }) => `${subject} ${data as string}`)
        .sort()
    await version('moves.a', 'moves.b')
    await say('moves.a', '1')
    await say('moves.b', '1')
    expect(await heard(2)).toEqual(['moves.a 1', 'moves.b 1'])
    await host.deploy(at, `${GUEST}\n// deaf`, { limits, capabilities: {} })
    await say('moves.a', '2')
    await say('moves.b', '2')
    await version('moves.new', 'moves.b', 'moves.a')
    await say('moves.new', '1')
    expect(await heard(3)).toEqual(['moves.a 2', 'moves.b 2', 'moves.new 1'])
    await version('moves.a')
    await say('moves.b', '3')
    await say('moves.a', '3')
    expect(await heard(1)).toEqual(['moves.a 3'])
    await version('moves.b', 'moves.b', 'moves.a')
    await say('moves.a', '4')
    // The second of a subject is new, and has a place of its own.
    expect(await heard(2)).toEqual(['moves.a 4', 'moves.b 3'])
  })

  test('a version without the subscription gets nothing; after a rollback what waited is handled', async () => {
    const at = await both(tenant, 'v8', { subject: 'back', handler: 'onEvent' })
    await publish(at, 'back', 'before')
    await gotBy(host, at, 1)
    const other = await both(tenant, 'v8', { subject: 'unused', handler: 'onEvent' })
    await host.deploy(at, `${GUEST}\n// without`, { limits, capabilities: {} })
    await publish(other, 'back', 'meanwhile')
    expect(await host.invoke(at, 'got')).toEqual([])
    await host.runtime.rollback(tenant, at.split('/')[1] as string)
    expect(((await gotBy(host, at, 1)) as Seen[]).map(({ data }) => data)).toEqual(['meanwhile'])
  })

  test('a handler that the module does not export is refused at deploy, and so is a subject that is none', async () => {
    const refused = (subscribe: object, source = GUEST): Promise<unknown> =>
      deploy(`${tenant}/refused`, 'v8', subscribe, source).then(
        () => 'deployed',
        (error: { code: string; message: string }) => error,
      )
    expect(await refused({ subject: 'a', handler: 'onNothing' })).toMatchObject({
      code: 'VELA_DEPLOY_MISSING_EXPORT',
      message: expect.stringContaining('onNothing'),
    })
    expect(await refused({ subject: 'a' }, 'export default { fetch() {} }')).toMatchObject({
      code: 'VELA_DEPLOY_MISSING_EXPORT',
      message: expect.stringContaining('queue(batch'),
    })
    expect(await refused({ subject: 'a..b', handler: 'onEvent' })).toMatchObject({
      code: 'VELA_DEPLOY_INVALID_MANIFEST',
      message: expect.stringContaining('capabilities.events.IN.subscribe[0].subject'),
    })
  })

  test('an event whose cell was killed in mid-handling comes again', async () => {
    const source = `${GUEST}\nexport async function onKilled({ data, attempts }) { if (attempts === 1) for (;;); got.push([data, attempts]) }`
    const at = `${tenant}/killed`
    await host.deploy(at, source, {
      limits: { cpuMs: 50, replicas: 1 },
      capabilities: {
        events: {
          E: { kind: 'durable', publish: ['killed'] },
          IN: { kind: 'durable', subscribe: [{ subject: 'killed', handler: 'onKilled', backoffMs: 1 }] },
        },
      },
    })
    await host.runtime.events.publish(tenant, 'killed', 'x', { kind: 'durable' })
    expect(await gotBy(host, at, 1)).toEqual([['x', 2]])
  })

  test('a deleted service leaves no consumer behind: one of its name begins anew', async () => {
    const at = await both(tenant, 'v8', { subject: 'gone', handler: 'onEvent', from: 'all' })
    await publish(at, 'gone', 1)
    await gotBy(host, at, 1)
    await host.runtime.deleteService(tenant, at.split('/')[1] as string)
    await deploy(at, 'v8', { subject: 'gone', handler: 'onEvent', from: 'all' })
    expect(((await gotBy(host, at, 1)) as Seen[]).map(({ data }) => data)).toEqual([1])
  })

  test('the host’s own handlers and guests share the bus', async () => {
    const at = await both(tenant, 'v8', { subject: 'shared.*', handler: 'onEvent' })
    const heard: unknown[] = []
    const subscription = host.runtime.events.subscribe(
      tenant,
      'shared.*',
      (event) => void heard.push([event.source, event.data]),
      { kind: 'durable', name: 'test' },
    )
    await subscription.ready
    await publish(at, 'shared.guest', 'from a guest')
    await host.runtime.events.publish(tenant, 'shared.host', 'from the host', { kind: 'durable' })
    const events = (await gotBy(host, at, 2)) as Seen[]
    expect(events.map(({ source, data }) => [source, data])).toEqual([
      [at, 'from a guest'],
      ['host', 'from the host'],
    ])
    await until(() => heard.length === 2)
    expect(heard).toEqual([
      [at, 'from a guest'],
      ['host', 'from the host'],
    ])
    await subscription.unsubscribe()
  })
})
