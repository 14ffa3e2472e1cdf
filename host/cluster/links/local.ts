/**
 * Links between hosts of one machine that run as one user: a socket file in a folder that only this user can enter, which the kernel guards,
 * so nothing is encrypted. Who connects says the name and the key of an offer first.
 * Threat: guests' cells, which are other users where the host may make them so, and cannot enter the folder; where they are the same
 * user, they have no way to open a file, and no key.
 */
import { timingSafeEqual } from 'node:crypto'
import { mkdtemp, readdir, rm, stat } from 'node:fs/promises'
import { connect, createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { INTRODUCTION_MS, KEY_BYTES, MOST_VISITORS, type Visitors } from './doorway.ts'
import type { LinkOffer } from './types.ts'

export interface LocalDoor {
  readonly path: string
  close(): void
}

const ID_BYTES = 36
const WELCOME = Buffer.from('vela link 1\n')
const FOLDER = 'vela-links-'

/** Rejects with the system's error where there can be none. */
export async function openLocalDoor(visitors: Visitors): Promise<LocalDoor> {
  await sweep()
  const folder = await mkdtemp(join(tmpdir(), `${FOLDER}${process.pid}-`))
  const remove = (): void => void rm(folder, { recursive: true, force: true }).catch(() => undefined)
  const path = join(folder, 'link')
  const server = createServer((socket) => introduce(socket, visitors))
  server.maxConnections = MOST_VISITORS
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  server.once('error', reject)
  server.listen(path, resolve)
  try {
    await promise
  } catch (thrown) {
    remove()
    throw thrown
  }
  server.unref()
  return {
    path,
    close() {
      server.close()
      remove()
    },
  }
}

/** Folders of hosts that were killed. */
async function sweep(): Promise<void> {
  const folders = await readdir(tmpdir()).catch(() => [])
  for (const folder of folders) {
    const pid = folder.startsWith(FOLDER) ? Number.parseInt(folder.slice(FOLDER.length), 10) : NaN
    if (!(pid > 0) || isRunning(pid)) continue
    // Another user's stays.
    await rm(join(tmpdir(), folder), { recursive: true, force: true }).catch(() => undefined)
  }
}

function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch (thrown) {
    return (thrown as NodeJS.ErrnoException).code !== 'ESRCH'
  }
}

/** Reads who connects and no more. */
function introduce(socket: Socket, visitors: Visitors): void {
  const timer = setTimeout(() => socket.destroy(), INTRODUCTION_MS)
  const read = (): void => {
    const said = socket.read(ID_BYTES + KEY_BYTES) as Buffer | null
    if (said === null) return
    clearTimeout(timer)
    socket.off('readable', read)
    const id = said.toString('latin1', 0, ID_BYTES)
    const key = visitors.keyOf(id)
    if (key !== null && timingSafeEqual(key, said.subarray(ID_BYTES))) {
      socket.write(WELCOME)
      visitors.arrived(id, socket)
    } else socket.destroy()
  }
  socket.on('readable', read)
  socket.on('error', () => socket.destroy())
  socket.once('close', () => clearTimeout(timer))
}

/** Whether the offer is of this machine and this user. */
export async function isLocal(path: string): Promise<boolean> {
  const own = process.geteuid?.()
  try {
    const { uid, mode } = await stat(dirname(path))
    return uid === own && (mode & 0o077) === 0
  } catch {
    return false
  }
}

export function dialLocal({ id, key }: LinkOffer, path: string, opened: () => void): Socket {
  const socket = connect(path)
  const read = (): void => {
    const said = socket.read(WELCOME.length) as Buffer | null
    if (said === null) return
    socket.off('readable', read)
    opened()
  }
  socket.on('readable', read)
  socket.write(Buffer.concat([Buffer.from(id), Buffer.from(key, 'hex')]))
  return socket
}
