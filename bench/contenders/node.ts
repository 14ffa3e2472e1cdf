/** A bare node:http server under the same Node as Vela: what isolation costs is the distance to it. */
import type { Contender, Running } from '../contract.ts'
import { createFolder } from './folder.ts'
import { startServer } from './process.ts'

export const node: Contender = { name: 'node', start }

const SCRIPT = new URL('./bare-server.ts', import.meta.url).pathname

async function start(): Promise<Running> {
  const folder = await createFolder('node')
  const server = await startServer(
    { command: process.execPath, args: [SCRIPT], folder: folder.path, stopMs: 500 },
    (line) => {
      const match = /^\{"event":"ready","port":(\d+)\}$/.exec(line)
      return match ? Number(match[1]) : undefined
    },
  )
  return {
    name: 'node',
    url: () => `http://127.0.0.1:${server.ready}`,
    pids: () => server.pids(),
    async stop() {
      await server.stop()
      await folder.remove()
    },
  }
}
