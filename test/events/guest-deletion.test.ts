/** A service or tenant is deleted while the store of events cannot do its part: the deletion says so, and nothing goes on running. */
import { expect, onTestFinished, test } from 'vitest'
import { provide } from '../../host/di/provider.ts'
import { PART } from '../../host/core/parts.ts'
import { Runtime } from '../../host/core/runtime.ts'
import { hostOf } from '../capabilities/support.ts'

test('a deletion whose events cannot be forgotten fails, and stops all it was to delete all the same', async () => {
  const runtime = await Runtime.create(
    { data: null, gateway: { port: 0 }, admin: { port: 0 }, log: { level: 'silent' }, cells: { spares: 0 } },
    {
      overrides: [
        provide(PART.eventSubscriptions, {
          useValue: {
            start: () => undefined,
            sync: () => undefined,
            forget: () => Promise.reject(new Error('the store is away')),
            recheck: () => undefined,
            stop: () => undefined,
          },
        }),
      ],
    },
  )
  onTestFinished(() => runtime.stop())
  await runtime.start()
  const host = hostOf(runtime)
  const source = `
    import { env, WorkerEntrypoint } from '@vela/guest-sdk'
    export default { start() {}, async stop(reason) { await env.E.publish('stopped', [env.NAME, reason]) } }`
  for (const NAME of ['one', 'two', 'three'])
    await host.deploy(`acme/${NAME}`, source, {
      vars: { NAME },
      capabilities: { events: { E: { publish: ['stopped'] } } },
    })
  const stopped: unknown[] = []
  runtime.events.subscribe('acme', 'stopped', ({ data }) => void stopped.push(data))

  await expect(runtime.deleteService('acme', 'one')).rejects.toThrow('the store is away')
  await expect.poll(() => stopped).toEqual([['one', 'deleted']])
  await expect(runtime.deleteTenant('acme', true)).rejects.toThrow('the store is away')
  await expect.poll(() => stopped.length).toBe(3)
  await expect(runtime.deleteService('acme', 'two')).rejects.toMatchObject({ code: 'VELA_SERVICE_NOT_FOUND' })
})
