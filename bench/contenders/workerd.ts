/** workerd from npm, as its documentation says to run it. It has no limits to switch on. */
import { createRequire } from 'node:module'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { BenchError, type Contender, type Guest, type Running } from '../contract.ts'
import { field } from '../unknown.ts'
import { createFolder } from './folder.ts'
import { startServer } from './process.ts'
import { workerdFiles } from './workerd-config.ts'

export const workerd: Contender = { name: 'workerd', start }

// It has no drain to wait for, and an endless guest never lets it see SIGTERM.
const STOP_MS = 500

/** `unloaded` needs nothing: a dynamic worker is loaded by its first request. */
async function start(guests: readonly Guest[]): Promise<Running> {
  const { binary, compatibilityDate } = locate()
  const folder = await createFolder('workerd')
  try {
    const { files, storage } = workerdFiles(guests, compatibilityDate)
    for (const [name, text] of Object.entries(files)) await writeFile(join(folder.path, name), text)
    if (storage !== undefined) await mkdir(join(folder.path, storage))
    const server = await startServer(
      {
        command: binary,
        args: ['serve', '--experimental', '--control-fd=3', 'config.capnp'],
        folder: folder.path,
        stopMs: STOP_MS,
      },
      listeningPort,
    )
    // A single guest, or the first of those that have actors, is a worker of its own; others have a dispatcher before them.
    const direct = guests.length === 1 || storage !== undefined
    const origin = `http://127.0.0.1:${server.ready}`
    return {
      name: 'workerd',
      url: (tenant, service) => (direct ? origin : `${origin}/${tenant}/${service}`),
      pids: () => server.pids(),
      async stop() {
        await server.stop()
        await folder.remove()
      },
    }
  } catch (error) {
    await folder.remove()
    throw error
  }
}

function listeningPort(line: string): number | undefined {
  const match = /^\{"event":"listen","socket":"http","port":(\d+)\}$/.exec(line)
  return match ? Number(match[1]) : undefined
}

function locate(): { binary: string; compatibilityDate: string } {
  try {
    const found: unknown = createRequire(import.meta.url)('workerd')
    return {
      binary: String(field(found, 'default')),
      compatibilityDate: String(field(found, 'compatibilityDate')),
    }
  } catch (error) {
    throw new BenchError('The peer `workerd` is not installed. Run `npm ci`, which brings it.', {
      cause: error,
    })
  }
}
