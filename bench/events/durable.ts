/** Durable events of a host, published by the host's own code and handled by it, in one process: the same on either log. */
import { type ConfigInput, Runtime } from '../../host/index.ts'
import { serve, TEXT } from '../nats/serve.ts'

/** `config`: where the log is. */
export async function serveDurable(config: Pick<ConfigInput, 'data' | 'events' | 'nats'>): Promise<void> {
  const runtime = await Runtime.create({
    gateway: { port: 0 },
    admin: { port: 0 },
    log: { level: 'silent' },
    cells: { spares: 0 },
    ...config,
  })
  await runtime.start()
  await runtime.registry.createTenant('bench')

  const waiting = new Map<number, (isRight: boolean) => void>()
  let ids = 0
  const subscription = runtime.events.subscribe(
    'bench',
    'bench.*',
    ({ data }) => {
      const { id, text } = data as { id: number; text: string }
      waiting.get(id)?.(text === TEXT)
      waiting.delete(id)
    },
    { kind: 'durable', name: 'bench', from: 'all' },
  )
  await subscription.ready
  serve(async () => {
    const id = ids++
    const handled = new Promise<boolean>((resolve) => waiting.set(id, resolve))
    await runtime.events.publish('bench', 'bench.event', { id, text: TEXT }, { kind: 'durable' })
    return await handled
  })
}
