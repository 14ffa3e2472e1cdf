/** A tenant is deleted on a host alone, and what it stored is not erased at once, or not at all: its name waits for that. */
import { expect, onTestFinished, test } from 'vitest'
import { PART } from '../../host/core/parts.ts'
import { Runtime } from '../../host/core/runtime.ts'
import { provide } from '../../host/di/provider.ts'
import { hostOf } from '../capabilities/support.ts'

/** A host with a tenant that has a service and a durable event; the service's part of a deletion takes as long as `forget` does. */
async function start(forget: () => Promise<void>): Promise<Runtime> {
  const runtime = await Runtime.create(
    { data: null, gateway: { port: 0 }, admin: { port: 0 }, log: { level: 'silent' }, cells: { spares: 0 } },
    {
      overrides: [
        provide(PART.eventSubscriptions, {
          useValue: {
            start: () => undefined,
            sync: () => undefined,
            forget,
            recheck: () => undefined,
            stop: () => undefined,
          },
        }),
      ],
    },
  )
  onTestFinished(() => runtime.stop())
  await runtime.start()
  await hostOf(runtime).deploy('acme/shop', 'export default { fetch: () => new Response() }')
  await runtime.events.publish('acme', 'a', 1, { kind: 'durable' })
  return runtime
}

const isBeingErased = { code: 'VELA_CLUSTER_CONFLICT' }

test('a tenant cannot be made again while what the former stored is being erased, and meets nothing of it', async () => {
  const begun = Promise.withResolvers<void>()
  const held = Promise.withResolvers<void>()
  const runtime = await start(async () => {
    begun.resolve()
    await held.promise
  })
  // Refused, and no hindrance later.
  await expect(runtime.deleteTenant('acme')).rejects.toMatchObject({ code: 'VELA_TENANT_NOT_EMPTY' })
  const deleted = runtime.deleteTenant('acme', true)
  await begun.promise
  expect(await runtime.registry.getTenant('acme')).toBeUndefined()
  await expect(runtime.registry.createTenant('acme')).rejects.toMatchObject(isBeingErased)
  held.resolve()
  await deleted
  await runtime.registry.createTenant('acme')
  expect(await runtime.eventsControl.status('acme')).toMatchObject({ events: 0 })
})

test('the name of a tenant that could not be erased stays taken; a deletion that was refused takes no name', async () => {
  const runtime = await start(() => Promise.reject(new Error('the store is away')))
  await expect(runtime.deleteTenant('acme')).rejects.toMatchObject({ code: 'VELA_TENANT_NOT_EMPTY' })
  await expect(runtime.registry.createTenant('acme')).rejects.toMatchObject({ code: 'VELA_TENANT_EXISTS' })
  await expect(runtime.deleteTenant('nobody')).rejects.toMatchObject({ code: 'VELA_TENANT_NOT_FOUND' })
  await runtime.registry.createTenant('nobody')
  await expect(runtime.deleteTenant('acme', true)).rejects.toThrow('the store is away')
  await expect(runtime.registry.createTenant('acme')).rejects.toMatchObject(isBeingErased)
})
