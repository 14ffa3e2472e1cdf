/**
 * Two hosts of a cluster, a process each, and one nats-server: the first asks an actor that lives on the second. Started with an address
 * of NATS it is the second.
 */
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { Runtime } from '../../host/index.ts'
import { startNatsServer } from '../nats/server.ts'
import { serve, TEXT } from '../nats/serve.ts'

const SOURCE = `
import { Actor } from '@vela/guest-sdk'
export class Echo extends Actor {
  echo(text) { return text }
}
export default {}
`

const startHost = async (url: string, name: string): Promise<Runtime> => {
  const runtime = await Runtime.create({
    data: null,
    gateway: { port: 0 },
    admin: { port: 0 },
    log: { level: 'silent' },
    cells: { spares: 0 },
    nats: { servers: [url] },
    node: { name },
  })
  await runtime.start()
  return runtime
}

const second = async (url: string): Promise<void> => {
  const runtime = await startHost(url, 'there')
  await runtime.registry.createTenant('bench')
  await runtime.deploy({
    tenant: 'bench',
    manifest: {
      name: 'echo',
      engine: 'v8',
      routes: [],
      limits: {},
      vars: {},
      capabilities: { actors: { ECHO: { class: 'Echo' } } },
    },
    bundle: { source: SOURCE, sourceMap: null },
  })
  // Who asks first has it.
  await runtime.actor('bench/echo', 'Echo', 'one').ask('echo', [TEXT])
  process.once('disconnect', () => process.exit())
  process.send?.('ready')
}

const first = async (): Promise<void> => {
  const url = await startNatsServer()
  const child = fork(new URL(import.meta.url).pathname, [url])
  process.once('exit', () => child.kill('SIGKILL'))
  await once(child, 'message')
  const actor = (await startHost(url, 'here')).actor('bench/echo', 'Echo', 'one')
  serve(async () => (await actor.ask('echo', [TEXT])) === TEXT)
}

process.once('SIGTERM', () => process.exit())
const [, , url] = process.argv
if (url === undefined) await first()
else await second(url)
