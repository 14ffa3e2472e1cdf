/**
 * What SQLite and the file system throw, as rows of Vela's error table. Invariant: the text made here names no path
 * and no value, since VELA_STORE_FULL and VELA_STORE_DAMAGED may be shown to a client; only the errors of opening,
 * which the operator alone sees, say where the file is.
 */
import { VelaError } from '../../core/errors.ts'

/** Primary result codes of SQLite that mean something different to whoever reads the error. */
export const SQLITE = {
  busy: 5,
  locked: 6,
  readOnly: 8,
  io: 10,
  corrupt: 11,
  full: 13,
  cannotOpen: 14,
  notDatabase: 26,
} as const

// SQLITE_IOERR_FSYNC and SQLITE_IOERR_DIR_FSYNC: the kernel may have dropped the pages it could not write.
const FAILED_SYNCS: ReadonlySet<number> = new Set([1034, 1290])

const NO_SPACE: ReadonlySet<unknown> = new Set(['ENOSPC', 'EDQUOT'])

/** The extended result code, or undefined when `thrown` is not SQLite's. */
export function sqliteCode(thrown: unknown): number | undefined {
  if (!(thrown instanceof Error) || !('errcode' in thrown)) return undefined
  return typeof thrown.errcode === 'number' ? thrown.errcode : undefined
}

/** The primary result code, that is the kind of failure. */
export function sqliteKind(thrown: unknown): number | undefined {
  const code = sqliteCode(thrown)
  return code === undefined ? undefined : code & 0xff
}

/** After a failed fsync nobody knows what the disk holds, so nothing more may be acknowledged. */
export function isFailedSync(thrown: unknown): boolean {
  const code = sqliteCode(thrown)
  return code !== undefined && FAILED_SYNCS.has(code)
}

export function isNoSpace(thrown: unknown): boolean {
  return (
    sqliteKind(thrown) === SQLITE.full ||
    (thrown instanceof Error && 'code' in thrown && NO_SPACE.has(thrown.code))
  )
}

export function toStoreError(thrown: unknown): VelaError {
  if (thrown instanceof VelaError) return thrown
  if (isNoSpace(thrown)) {
    return new VelaError(
      'VELA_STORE_FULL',
      'Nothing was stored: the disk is full. Free some space and try again.',
      {
        cause: thrown,
      },
    )
  }
  const kind = sqliteKind(thrown)
  if (kind === SQLITE.corrupt || kind === SQLITE.notDatabase) {
    return new VelaError(
      'VELA_STORE_DAMAGED',
      'The store is damaged. Stop the host and restore the data directory from a backup.',
      {
        cause: thrown,
      },
    )
  }
  const reason = thrown instanceof Error ? thrown.message : String(thrown)
  const code = sqliteCode(thrown)
  const where = code === undefined ? '' : ` (SQLite ${code})`
  return new VelaError('VELA_STORE_FAILED', `The store could not read or write: ${reason}${where}.`, {
    cause: thrown,
  })
}
