/** Middleware around publishing and handling in a service, and around a guest's events in the host; and services that sleep. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startHost, type Host } from '../capabilities/support.ts'
import { describeEngines } from '../engines.ts'
import { gotBy, until } from './guest.ts'

let host: Host
beforeAll(async () => {
  host = await startHost({ cells: { spares: 0 } })
})
afterAll(() => host.runtime.stop())

const SOURCE = `
import { WorkerEntrypoint, eventMiddleware } from '@vela/guest-sdk'
const got = []
const order = []
const schema = { '~standard': { version: 1, vendor: 'test', validate: (value) =>
  typeof value?.sku === 'string' ? { value: { ...value, checked: true } } : { issues: [{ message: 'is no text', path: ['sku'] }] } } }
const step = (name) => async (event, next) => { order.push(name); try { return await next() } finally { order.push(name + '.') } }
const orders = eventMiddleware({
  publish: [step('a'), step('b'), eventMiddleware.filter(({ data }) => data !== 'skip'), eventMiddleware.on('orders.*', eventMiddleware.validate(schema)),
    eventMiddleware.enrich(() => ({ headers: { zone: 'eu' } })), eventMiddleware.trace()],
  handle: [step('h'), eventMiddleware.retry({ times: 3, backoffMs: 1 }), eventMiddleware.enrich(({ data }) => ({ data: { ...data, handled: true } }))],
})
let fails = 0
export default class extends WorkerEntrypoint {
  async publish({ subject, data, options }) {
    return await orders.binding(this.env.E).publish(subject, data, options).then((value) => ({ value }), ({ code, message }) => ({ code, message }))
  }
  fail({ times }) { fails = times }
  got() { return got }
  order() { return order.splice(0) }
}
export const onOrder = orders.handler(async (event, env, ctx) => {
  if (fails-- > 0) throw new Error('not yet')
  got.push({ data: event.data, zone: event.headers.zone, traced: /^00-[0-9a-f]{32}-/.test(event.headers.traceparent), key: event.key, hasEnv: typeof env.E, attempts: event.attempts })
})
export function onBad({ data }) { got.push(data); throw Object.assign(new Error('never valid'), { code: 'VELA_EVENT_INVALID' }) }
`

describeEngines('middleware in services', (engine) => {
  const tenant = `m-${engine}`
  const at = `${tenant}/shop`
  const publish = (subject: string, data: unknown, options: object = {}): Promise<unknown> =>
    host.invoke(at, 'publish', { subject, data, options } as never)
  beforeAll(async () => {
    await host.deploy(at, SOURCE, {
      engine,
      limits: { cpuMs: 5_000, replicas: 1 },
      capabilities: {
        events: {
          E: { publish: ['>'], subscribe: [{ subject: 'orders.*', handler: 'onOrder' }] },
          D: { kind: 'durable', subscribe: [{ subject: 'bad', handler: 'onBad', retries: 50 }] },
        },
      },
    })
  })

  test('runs in order around publishing and handling, checks, adds and tries again', async () => {
    await host.invoke(at, 'fail', { times: 2 })
    expect(await publish('orders.placed', { sku: 'tea' }, { key: 'ada' })).toEqual({
      value: { id: expect.any(String) },
    })
    expect(await gotBy(host, at, 1)).toEqual([
      {
        data: { sku: 'tea', checked: true, handled: true },
        zone: 'eu',
        traced: true,
        key: 'ada',
        hasEnv: 'object',
        attempts: 1,
      },
    ])
    // Each retry is inside of the first step, and the handling is outside of the publish.
    const steps = (await host.invoke(at, 'order')) as string[]
    expect(steps.filter((step) => !step.startsWith('h'))).toEqual(['a', 'b', 'b.', 'a.'])
    expect(steps.filter((step) => step.startsWith('h'))).toEqual(['h', 'h.'])
    expect(await publish('orders.placed', { sku: 7 })).toEqual({
      code: 'VELA_EVENT_INVALID',
      message: expect.stringContaining('sku: is no text'),
    })
    expect(await publish('orders.placed', 'skip')).toEqual({ value: { id: '', skipped: true } })
    expect(((await host.invoke(at, 'order')) as string[]).slice(0, 4)).toEqual(['a', 'b', 'b.', 'a.'])
    expect(await host.invoke(at, 'got')).toHaveLength(1)
  })

  test('the host’s own middleware sees what guests publish, and may refuse or skip it', async () => {
    const remove = host.runtime.events.use({
      publish(event, next) {
        if (event.tenant !== tenant || event.subject !== 'orders.refused') return next()
        if ((event.data as { skip?: true }).skip === true) return undefined
        throw new Error('a secret of the host')
      },
    })
    expect(await publish('orders.refused', { sku: 'x' })).toEqual({
      code: 'VELA_EVENT_INVALID',
      message: expect.not.stringContaining('secret'),
    })
    expect(await publish('orders.refused', { sku: 'x', skip: true })).toEqual({
      value: { id: expect.any(String), skipped: true },
    })
    remove()
  })

  test('what a schema refuses is a dead letter at once', async () => {
    await host.runtime.events.publish(tenant, 'bad', 'x', { kind: 'durable' })
    await until(async () => (await host.runtime.eventsControl.deadEvents(tenant)).length === 1)
    expect(await host.runtime.eventsControl.deadEvents(tenant)).toMatchObject([
      { attempts: 1, subject: 'bad' },
    ])
  })
})

test('an event wakes a service that sleeps', async () => {
  const sleepy = await startHost({ cells: { spares: 0, isolateIdleMs: 50 } })
  try {
    await sleepy.deploy(
      'night/shop',
      `export const onEvent = ({ data }, env) => void env.E.publish('awake', data)`,
      {
        capabilities: {
          events: { E: { publish: ['awake'], subscribe: [{ subject: 'call', handler: 'onEvent' }] } },
        },
      },
    )
    const awake: unknown[] = []
    sleepy.runtime.events.subscribe('night', 'awake', ({ data }) => void awake.push(data))
    for (const n of [1, 2]) {
      await until(async () => (await sleepy.runtime.services('night'))[0]?.replicas === 0)
      await sleepy.runtime.events.publish('night', 'call', n)
      await until(() => awake.length === n)
    }
    expect(awake).toEqual([1, 2])
  } finally {
    await sleepy.runtime.stop()
  }
})
