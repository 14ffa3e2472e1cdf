/** Durable events of a host over JetStream, beside its nats-server. */
import { serveDurable } from '../events/durable.ts'
import { startNatsServer } from '../nats/server.ts'

await serveDurable({ data: null, events: { quotaMb: 4096 }, nats: { servers: [await startNatsServer()] } })
