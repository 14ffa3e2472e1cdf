/** Two processes and one nats-server: the first asks the second by NATS's own client. Started with an address of NATS it is the second. */
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { connect } from '@nats-io/transport-node'
import { startNatsServer } from '../nats/server.ts'
import { serve, TEXT } from '../nats/serve.ts'

const second = async (url: string): Promise<void> => {
  const connection = await connect({ servers: url.replace('nats://', '') })
  connection.subscribe('echo', { callback: (_error, message) => void message.respond(message.data) })
  await connection.flush()
  process.once('disconnect', () => process.exit())
  process.send?.('ready')
}

const first = async (): Promise<void> => {
  const url = await startNatsServer()
  const child = fork(new URL(import.meta.url).pathname, [url])
  process.once('exit', () => child.kill('SIGKILL'))
  await once(child, 'message')
  const connection = await connect({ servers: url.replace('nats://', '') })
  serve(async () => (await connection.request('echo', TEXT, { timeout: 10_000 })).string() === TEXT)
}

process.once('SIGTERM', () => process.exit())
const [, , url] = process.argv
if (url === undefined) await first()
else await second(url)
