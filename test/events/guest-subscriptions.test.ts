/** Which subscriptions of services are open: those of the version that serves, as far as grants go, and no more than a tenant may have. */
import { expect, test } from 'vitest'
import { createEventsKind, type EventAsk, type EventsOptions } from '../../host/capabilities/events.ts'
import type { EventHandlerBatch, Subscription } from '../../host/events/types.ts'
import type { JsonValue } from '../../host/registry/types.ts'
import {
  createEventSubscriptions,
  type EventSubscriptionsDeps,
} from '../../host/services/event-subscriptions.ts'
import type { Service } from '../../host/services/service.ts'

interface World {
  readonly open: Map<string, EventHandlerBatch>
  readonly notes: string[]
  readonly forgotten: string[]
  readonly subscriptions: ReturnType<typeof createEventSubscriptions>
  /** A service of the tenant that asks for these; a new one in the place of the last. */
  service(name: string, subscribe: readonly EventAsk[]): Service
  epoch: number
  granted: boolean
}

function world(): World {
  const services = new Map<string, Service>()
  const open = new Map<string, EventHandlerBatch>()
  const notes: string[] = []
  const forgotten: string[] = []
  const asked = new Map<unknown, EventsOptions>()
  const deps: EventSubscriptionsDeps = {
    bus: {
      subscribeBatch(tenant, pattern, handler, { name = '' } = {}) {
        open.set(`${name} ${pattern}`, handler)
        const unsubscribe = (): void => void open.delete(`${name} ${pattern}`)
        return { tenant, pattern, unsubscribe } as unknown as Subscription
      },
    },
    broker: {
      granted: (deployment) => (made.granted ? [{ name: 'E', options: asked.get(deployment) }] : []),
    },
    catalog: {
      get: (tenant, name) => services.get(`${tenant}/${name}`),
      values: () => services.values(),
    },
    epoch: () => made.epoch,
    async forgetConsumers(tenant, prefix) {
      forgotten.push(`${tenant} ${prefix}`)
    },
  }
  const made: World = {
    open,
    notes,
    forgotten,
    subscriptions: createEventSubscriptions(deps),
    service(name, subscribe) {
      const deployment = { manifest: { capabilities: { events: {} } } }
      asked.set(deployment, { kind: 'ephemeral', publish: [], subscribe, rate: null })
      const active = {
        deployment,
        limits: { wallMs: 1_000 },
        note: (_: string, text: string) => notes.push(text),
      }
      const service = { tenant: 'acme', service: name, active } as unknown as Service
      services.set(`acme/${name}`, service)
      return service
    },
    epoch: 0,
    granted: true,
  }
  return made
}

test('a deploy opens what is new, ends what is gone, and leaves alone what stays', () => {
  const { subscriptions, service, open } = world()
  subscriptions.start()
  subscriptions.sync(service('shop', [{ subject: 'a' }, { subject: 'b', handler: 'onB' }]))
  const kept = open.get('acme/shop/E/0 a')
  expect([...open.keys()]).toEqual(['acme/shop/E/0 a', 'acme/shop/E/1 b'])
  subscriptions.sync(
    service('shop', [{ subject: 'a' }, { subject: 'b', handler: 'onOther' }, { subject: 'c' }]),
  )
  expect([...open.keys()]).toEqual(['acme/shop/E/0 a', 'acme/shop/E/1 b', 'acme/shop/E/2 c'])
  expect(open.get('acme/shop/E/0 a')).toBe(kept)
  subscriptions.sync(service('shop', []))
  expect(open.size).toBe(0)
  subscriptions.stop()
})

test('nothing is open before the host is ready, nor after it stops; a deleted service is forgotten', async () => {
  const { subscriptions, service, open, forgotten } = world()
  const shop = service('shop', [{ subject: 'a' }])
  subscriptions.sync(shop)
  expect(open.size).toBe(0)
  subscriptions.start()
  expect(open.size).toBe(1)
  // Another host deleted it, and has forgotten its places.
  await subscriptions.forget(shop, false)
  expect([open.size, forgotten]).toEqual([0, []])
  subscriptions.sync(shop)
  await subscriptions.forget(shop, true)
  expect([open.size, forgotten]).toEqual([0, ['acme acme/shop/']])
  subscriptions.sync(shop)
  subscriptions.stop()
  expect(open.size).toBe(0)
})

test('a grant that was taken back without anybody telling is noticed before the next delivery', async () => {
  const made = world()
  made.subscriptions.start()
  made.subscriptions.sync(made.service('shop', [{ subject: 'a', handler: 'onA' }]))
  const handler = made.open.get('acme/shop/E/0 a') as EventHandlerBatch
  made.granted = false
  made.epoch++
  await expect(handler.handle([], new AbortController().signal)).rejects.toMatchObject({
    code: 'VELA_CAPABILITY_REVOKED',
  })
  expect(made.open.size).toBe(0)
  made.granted = true
  made.epoch++
  made.subscriptions.recheck()
  expect(made.open.size).toBe(1)
  made.subscriptions.stop()
})

test('a tenant has so many subscriptions and no more; what there is no room for is said in the log', () => {
  const { subscriptions, service, open, notes } = world()
  subscriptions.start()
  const many = Array.from({ length: 64 }, (_, index) => ({ subject: `s${index}` }))
  for (let index = 0; index < 16; index++) subscriptions.sync(service(`shop-${index}`, many))
  expect(open.size).toBe(1_000)
  expect(notes).toHaveLength(24)
  expect(notes[0]).toMatch(/1000 subscriptions/)
  // Room that one gives back is another's.
  subscriptions.sync(service('shop-0', []))
  subscriptions.sync(service('shop-15', many))
  expect(open.size).toBe(960)
  subscriptions.stop()
})

test('a manifest with too many, or with what is none, is refused with its place', () => {
  const kind = createEventsKind({ bus: { publishAll: () => [], reach: () => 0 }, onFailure: () => undefined })
  const refusal = (asked: JsonValue): unknown => {
    try {
      return kind.parse(asked)
    } catch (thrown) {
      const { path, message } = thrown as { path: unknown[]; message: string }
      return [path.join('.'), message]
    }
  }
  const asks = Array.from({ length: 22 }, (_, index) => ({ subject: `s${index}` }))
  expect(refusal({ A: { subscribe: asks }, B: { subscribe: asks }, C: { subscribe: asks } })).toEqual([
    '',
    'has 66 subscriptions; a service may have 64',
  ])
  expect(refusal({ A: { subscribe: [{ subject: 'a', from: 'all' }] } })).toEqual([
    'A.subscribe.0.from',
    expect.stringContaining('durable'),
  ])
  expect(refusal({ A: { subscribe: [{ subject: 'a', handler: '__proto__' }] } })).toEqual([
    'A.subscribe.0.handler',
    'must be the name of an exported function',
  ])
  expect(refusal({ A: { subscribe: [{ subject: 'a', retries: 1e9 }] } })).toEqual([
    'A.subscribe.0.retries',
    expect.stringContaining('from 0 to 100'),
  ])
  expect(refusal({ A: { publish: ['a.>.b'] } })).toEqual(['A.publish.0', expect.stringContaining('">"')])
  expect(refusal({ ['x'.repeat(67)]: { subscribe: [{ subject: 'a' }] } })).toEqual([
    'x'.repeat(67),
    expect.stringContaining('at most 66'),
  ])
  expect(refusal([])).toEqual(['', expect.stringContaining('object of bindings')])
})
