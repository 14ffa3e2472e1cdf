/**
 * The data directory and the private files in it. Threat: another user of the machine reads secrets or tokens, so the
 * directory is 0700 and every file 0600 from the moment it exists, whatever the umask.
 * Invariant: a file that SQLite has open is never opened here. POSIX drops every lock a process holds on a file when
 * the process closes *any* descriptor of it, so a careless readFile would silently give the lock away.
 */
import {
  chmodSync,
  closeSync,
  fsyncSync,
  mkdirSync,
  openSync,
  renameSync,
  statSync,
  writeSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { VelaError } from '../../core/errors.ts'
import { isNoSpace } from './failures.ts'
import type { LogLevel } from './protocol.ts'

export function prepareDirectory(path: string): void {
  try {
    const made = mkdirSync(path, { recursive: true, mode: 0o700 })
    if (made !== undefined) {
      chmodSync(path, 0o700)
      syncDirectory(dirname(made))
    }
  } catch (error) {
    throw cannot('prepare the data directory', path, error)
  }
}

/** Says so if other users of the machine can look into the directory. */
export function warnOfAccess(path: string, log: (level: LogLevel, message: string) => void): void {
  const mode = statSync(path).mode & 0o777
  if ((mode & 0o077) === 0) return
  log(
    'warn',
    `The data directory ${path} is open to other users (mode ${mode.toString(8)}); run: chmod 700 ${path}`,
  )
}

/** Makes `path` an empty private file if it does not exist, and private if it does. */
export function ensurePrivateFile(path: string): void {
  try {
    closeSync(openSync(path, 'wx', 0o600))
  } catch (error) {
    if (!hasCode(error, 'EEXIST')) throw cannot('create', path, error)
  }
  try {
    chmodSync(path, 0o600)
  } catch (error) {
    throw cannot('make private', path, error)
  }
}

/** All of `text` or nothing is at `path`, also after a power failure. */
export function writeFileDurably(path: string, text: string): void {
  const draft = `${path}.new`
  try {
    const file = openSync(draft, 'w', 0o600)
    try {
      writeSync(file, text)
      fsyncSync(file)
    } finally {
      closeSync(file)
    }
    renameSync(draft, path)
    syncDirectory(dirname(path))
  } catch (error) {
    throw cannot('write', path, error)
  }
}

/** Which store of a data directory: the registry's own, the guests' keys and values, their actors, or durable events. */
export type StoreName = 'store' | 'kv' | 'actors' | 'events'

export interface StorePaths {
  readonly database: string
  readonly lock: string
  readonly pid: string
  /** Exists once the store has been in use: one that is empty beside it was lost. */
  readonly mark: string
  readonly secretKey: string
}

export function pathsIn(dataDir: string, store: StoreName = 'store'): StorePaths {
  const secretKey = join(dataDir, 'secret-key')
  return {
    database: join(dataDir, `${store}.sqlite`),
    lock: join(dataDir, `${store}.lock`),
    pid: join(dataDir, store === 'store' ? 'host.pid' : `${store}.pid`),
    mark: store === 'store' ? secretKey : join(dataDir, `${store}.mark`),
    secretKey,
  }
}

export function hasCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code
}

function syncDirectory(path: string): void {
  const directory = openSync(path, 'r')
  try {
    fsyncSync(directory)
  } finally {
    closeSync(directory)
  }
}

function cannot(what: string, path: string, cause: unknown): VelaError {
  const reason = cause instanceof Error ? cause.message : String(cause)
  const code = isNoSpace(cause) ? 'VELA_STORE_FULL' : 'VELA_STORE_FAILED'
  return new VelaError(
    code,
    `Cannot ${what} ${path}: ${reason}. Check the path, its owner and the free space.`,
    {
      cause,
      details: { path },
    },
  )
}
