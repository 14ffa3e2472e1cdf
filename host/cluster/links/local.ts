/**
 * Links between hosts of one machine that run as one user: a socket file in a folder that only this user can enter, which the kernel guards,
 * so nothing is encrypted. Who connects says the name and the key of an offer first.
 * Threat: guests' cells, which are other users where the host may make them so, and cannot enter the folder; where they are the same
 * user, they have no way to open a file, and no key. Another user of the temporary directory, who may put there what he likes under any name.
 */
import { timingSafeEqual } from 'node:crypto'
import { rmdirSync } from 'node:fs'
import { lstat, mkdtemp, readdir, rmdir, stat, unlink } from 'node:fs/promises'
import { connect, createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { HANDSHAKE_MS, KEY_BYTES, MOST_CONNECTIONS, type LinkAcceptor } from './acceptor.ts'
import type { LinkOffer } from './types.ts'

export interface LocalEndpoint {
  readonly path: string
  close(): void
}

const ID_BYTES = 36
const WELCOME = Buffer.from('vela link 1\n')
const FOLDER = 'vela-links-'
const FILE = 'link'
/** From a folder to the file in it. */
const OPENING_MS = 60_000

/** Rejects with the system's error where there can be none. */
export async function listenLocally(acceptor: LinkAcceptor): Promise<LocalEndpoint> {
  await sweep()
  const folder = await mkdtemp(join(tmpdir(), `${FOLDER}${process.pid}-`))
  const path = join(folder, FILE)
  const server = createServer((socket) => handshake(socket, acceptor))
  server.maxConnections = MOST_CONNECTIONS
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  server.once('error', reject)
  server.listen(path, resolve)
  try {
    await promise
  } catch (thrown) {
    await rmdir(folder).catch(() => undefined)
    throw thrown
  }
  // One connection could not be taken, as when files run out; the next one may.
  server.on('error', () => undefined)
  server.unref()
  return {
    path,
    close() {
      // Takes the file away.
      server.close()
      try {
        rmdirSync(folder)
      } catch {
        // Somebody else did.
      }
    },
  }
}

/** Folders of hosts that were killed: nobody listens there. Their numbers say nothing, as of hosts in containers that share the directory. */
async function sweep(): Promise<void> {
  const names = await readdir(tmpdir()).catch(() => [])
  for (const name of names) if (name.startsWith(FOLDER)) await sweepOne(join(tmpdir(), name))
}

/** Only what is this user's, so that nobody can put something else in its place; and only what is known to be in it. */
async function sweepOne(folder: string): Promise<void> {
  try {
    const { uid, mtimeMs } = await lstat(folder)
    if (uid !== process.geteuid?.()) return
    const path = join(folder, FILE)
    const problem = await probe(path)
    if (problem === 'ECONNREFUSED') await unlink(path)
    else if (problem !== 'ENOENT' || Date.now() - mtimeMs < OPENING_MS) return
    await rmdir(folder)
  } catch {
    // Stays.
  }
}

/** The code of the error, where nothing answers. */
async function probe(path: string): Promise<string | undefined> {
  const { promise, resolve } = Promise.withResolvers<string | undefined>()
  const socket = connect(path)
  socket.once('connect', () => resolve(undefined))
  socket.on('error', ({ code }: NodeJS.ErrnoException) => resolve(code))
  const problem = await promise
  socket.destroy()
  return problem
}

/** Reads who connects and no more. */
function handshake(socket: Socket, acceptor: LinkAcceptor): void {
  const timer = setTimeout(() => socket.destroy(), HANDSHAKE_MS).unref()
  // Who says nothing keeps no process up.
  socket.unref()
  const read = (): void => {
    const said = socket.read(ID_BYTES + KEY_BYTES) as Buffer | null
    if (said === null) return
    clearTimeout(timer)
    socket.off('readable', read)
    const id = said.toString('latin1', 0, ID_BYTES)
    // Shorter, where the connection ended in the midst.
    const key = said.length === ID_BYTES + KEY_BYTES ? acceptor.keyOf(id) : null
    if (key !== null && timingSafeEqual(key, said.subarray(ID_BYTES))) {
      socket.write(WELCOME)
      acceptor.accepted(id, socket)
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
    if (said.equals(WELCOME)) opened()
    else socket.destroy()
  }
  socket.on('readable', read)
  socket.write(Buffer.concat([Buffer.from(id), Buffer.from(key, 'hex')]))
  return socket
}
