/**
 * Bare Node processes under the same Node as Vela, without guests and isolation: what Vela costs is the distance to
 * them. `node` serves HTTP, `undici` sends it, `socket` is two processes with a socket between them, `piscina` a pool of threads.
 */
import type { Contender, ContenderName, Running } from '../contract.ts'
import { createFolder } from './folder.ts'
import { startServer } from './process.ts'

export const node: Contender = bareNode('node', './bare-server.ts')
export const undici: Contender = bareNode('undici', './undici-server.ts')
export const socket: Contender = bareNode('socket', './socket-server.ts')
export const piscina: Contender = bareNode('piscina', './piscina-server.ts')

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
