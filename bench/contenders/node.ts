/**
 * Bare Node processes under the same Node as Vela, without guests and isolation: what Vela costs is the distance to
 * them. `node` serves HTTP, `undici` sends it, `socket` is two processes with a socket between them, `piscina` a pool of threads;
 * `container` is the host's container by itself, `awilix` what it stands on;
 * `bus` is the host's event bus by itself, `emittery` an emitter without patterns;
 * `durable` is a host whose durable events are on its disk;
 * `durable-nats` is a host whose durable events are in JetStream, `jetstream` NATS's own client on the same server;
 * `hosts` is two hosts of a cluster, `nats` two processes with NATS's own client.
 */
import type { Contender, ContenderName, Running } from '../contract.ts'
import { createFolder } from './folder.ts'
import { startServer } from './process.ts'

export const node: Contender = bareNode('node', './bare-server.ts')
export const undici: Contender = bareNode('undici', './undici-server.ts')
export const socket: Contender = bareNode('socket', './socket-server.ts')
export const piscina: Contender = bareNode('piscina', './piscina-server.ts')
export const container: Contender = bareNode('container', './container-server.ts')
export const awilix: Contender = bareNode('awilix', './awilix-server.ts')
export const bus: Contender = bareNode('bus', './bus-server.ts')
export const emittery: Contender = bareNode('emittery', './emittery-server.ts')
export const durable: Contender = bareNode('durable', './durable-server.ts')
export const durableNats: Contender = bareNode('durable-nats', './durable-nats-server.ts')
export const jetstream: Contender = bareNode('jetstream', './jetstream-server.ts')
export const hosts: Contender = bareNode('hosts', './hosts-server.ts')
export const nats: Contender = bareNode('nats', './nats-server.ts')

function bareNode(name: ContenderName, script: string): Contender {
  return { name, start: () => start(name, new URL(script, import.meta.url).pathname) }
}

async function start(name: ContenderName, script: string): Promise<Running> {
  const folder = await createFolder(name)
  const server = await startServer(
    { command: process.execPath, args: [script], folder: folder.path, stopMs: 500 },
    (line) => {
      const match = /^\{"event":"ready","port":(\d+)\}$/.exec(line)
      return match ? Number(match[1]) : undefined
    },
  )
  return {
    name,
    url: () => `http://127.0.0.1:${server.ready}`,
    pids: () => server.pids(),
    async stop() {
      await server.stop()
      await folder.remove()
    },
  }
}
