/** JetStream by NATS's own client: published, stored, consumed and acknowledged, in one process beside its nats-server. */
import { AckPolicy, jetstream, jetstreamManager } from '@nats-io/jetstream'
import { connect } from '@nats-io/transport-node'
import { serve, TEXT } from '../nats/serve.ts'
import { startNatsServer } from '../nats/server.ts'

const url = await startNatsServer()
const connection = await connect({ servers: url.replace('nats://', '') })
const manager = await jetstreamManager(connection)
await manager.streams.add({ name: 'bench', subjects: ['bench.>'] })
await manager.consumers.add('bench', { durable_name: 'bench', ack_policy: AckPolicy.Explicit })
const client = jetstream(connection)

const waiting = new Map<number, (isRight: boolean) => void>()
let ids = 0
const consumer = await client.consumers.get('bench', 'bench')
await consumer.consume({
  max_messages: 1000,
  callback: (message) => {
    const { id, text } = message.json<{ id: number; text: string }>()
    message.ack()
    waiting.get(id)?.(text === TEXT)
    waiting.delete(id)
  },
})
serve(async () => {
  const id = ids++
  const handled = new Promise<boolean>((resolve) => waiting.set(id, resolve))
  await client.publish('bench.event', JSON.stringify({ id, text: TEXT }))
  return await handled
})
