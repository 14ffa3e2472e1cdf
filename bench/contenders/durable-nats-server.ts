/** Durable events of a host over JetStream: published by the host's own code and handled by it, in one process beside its nats-server. */
import { Runtime } from '../../host/index.ts'
import { serve, TEXT } from '../nats/serve.ts'
import { startNatsServer } from '../nats/server.ts'

const url = await startNatsServer()
const runtime = await Runtime.create({
  data: null,
  gateway: { port: 0 },
  admin: { port: 0 },
  log: { level: 'silent' },
  cells: { spares: 0 },
  events: { quotaMb: 4096 },
  nats: { servers: [url] },
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
