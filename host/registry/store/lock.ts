/**
 * One host per data directory. The lock is SQLite's own: BEGIN EXCLUSIVE on an empty side file, held open for the life
 * of the store. It is a POSIX record lock, so the kernel drops it the moment the owner dies, kill -9 included: no stale
 * lock, no guess about reused process ids. Unlike flock() it is not inherited by children, so a cell that outlives its
 * host does not hold it; and SQLite keeps it between two stores of one process, which bare record locks would not.
 * It is a file apart from the store so that a refused host never opens, recovers or creates a journal of the store.
 * Nothing is ever written to it, so it works on a full disk. `host.pid` only names the owner in the error; it decides nothing.
 */
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'
import { VelaError } from '../../core/errors.ts'
import { ensurePrivateFile, hasCode } from './directory.ts'
import { SQLITE, sqliteKind, toStoreError } from './failures.ts'
import type { LogLevel } from './protocol.ts'

// Two hosts that start in the same instant can each see the other's first step; one of them wins within this time.
const WAIT_MS = 250

export interface DirectoryLock {
  release(): void
}

export function takeLock(
  dataDir: string,
  paths: { readonly lock: string; readonly pid: string },
  log: (level: LogLevel, message: string) => void,
): DirectoryLock {
  ensurePrivateFile(paths.lock)
  const holder = new DatabaseSync(paths.lock, { timeout: WAIT_MS })
  try {
    holder.exec('BEGIN EXCLUSIVE')
  } catch (error) {
    holder.close()
    throw refusal(error, dataDir, paths)
  }
  try {
    writeFileSync(paths.pid, `${process.pid}\n`, { mode: 0o600 })
  } catch {
    log('warn', `Could not write ${paths.pid}; a second host will be refused without naming this one.`)
  }
  return {
    release() {
      rmSync(paths.pid, { force: true })
      holder.close()
    },
  }
}

function refusal(
  error: unknown,
  dataDir: string,
  paths: { readonly lock: string; readonly pid: string },
): VelaError {
  const kind = sqliteKind(error)
  if (kind === SQLITE.notDatabase || kind === SQLITE.corrupt) {
    return new VelaError(
      'VELA_STORE_DAMAGED',
      `${paths.lock} is not a lock file of Vela. It holds no data: delete it and start again.`,
      {
        cause: error,
      },
    )
  }
  if (kind !== SQLITE.busy && kind !== SQLITE.locked) return toStoreError(error)
  const pid = ownerOf(paths.pid)
  const owner =
    pid === undefined
      ? 'another process'
      : pid === process.pid
        ? `this process (pid ${pid})`
        : `the process with pid ${pid}`
  return new VelaError(
    'VELA_STORE_LOCKED',
    `The data directory ${dataDir} is in use by ${owner}. Stop that host, or start this one with another data directory.`,
    { details: { dataDir, ...(pid === undefined ? {} : { pid }) } },
  )
}

/** The process that wrote the file, if it is alive: an owner that has just died leaves its number behind. */
function ownerOf(path: string): number | undefined {
  try {
    const pid = Number(readFileSync(path, 'utf8'))
    return Number.isSafeInteger(pid) && pid > 0 && isAlive(pid) ? pid : undefined
  } catch {
    return undefined
  }
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch (error) {
    return hasCode(error, 'EPERM')
  }
}
