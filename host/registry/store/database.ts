/**
 * Opens the database of the store thread so that a commit that returned is on the disk (WAL, synchronous=FULL), and
 * gives the narrow face of it that operations use. Exclusive locking keeps the WAL index in this process's memory: no
 * shared-memory file (which can kill a process with SIGBUS when the disk fills), and no foreign reader that could hold
 * back checkpoints until the WAL fills the disk.
 */
import { statSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'
import type { StatementSync } from 'node:sqlite'
import { VelaError } from '../../core/errors.ts'
import { ensurePrivateFile } from './directory.ts'
import { SQLITE, sqliteKind, toStoreError } from './failures.ts'
import type { LogLevel } from './protocol.ts'
import { integer } from './rows.ts'
import type { Row, Value } from './rows.ts'
import { checkSchema, migrate } from './schema.ts'
import type { Migrations } from './schema.ts'

// Reading every page is what finds a damaged one before it is served; above this it would delay the start by seconds.
const CHECKED_BYTES = 512 * 1024 * 1024
const WAL_KEPT_BYTES = 16 * 1024 * 1024

export interface Sql {
  get(text: string, ...values: Value[]): Row | undefined
  all(text: string, ...values: Value[]): Row[]
  /** How many rows changed. */
  run(text: string, ...values: Value[]): number
}

export interface Database extends Sql {
  exec(text: string): void
  readonly inTransaction: boolean
  close(): void
}

export interface DatabaseOptions {
  /** null: in memory. */
  readonly path: string | null
  readonly maxStoreBytes: number | null
  readonly migrations: Migrations
  /** See SchemaExpectation. */
  readonly inUse: boolean
  readonly log: (level: LogLevel, message: string) => void
}

export function openDatabase(options: DatabaseOptions): Database {
  const { path } = options
  if (path !== null) ensurePrivateFile(path)
  const connection = new DatabaseSync(path ?? ':memory:', {
    enableForeignKeyConstraints: true,
    enableDoubleQuotedStringLiterals: false,
  })
  const database = face(connection)
  try {
    database.exec('PRAGMA locking_mode = EXCLUSIVE')
    if (path !== null) checkPages(database, path, options.log)
    checkSchema(database, options.migrations, { path: path ?? 'in memory', inUse: options.inUse })
    configure(database, options.maxStoreBytes)
    migrate(database, options.migrations)
    return database
  } catch (error) {
    database.close()
    throw path === null ? toStoreError(error) : openingError(error, path)
  }
}

function configure(database: Database, maxStoreBytes: number | null): void {
  database.exec('PRAGMA journal_mode = WAL')
  database.exec('PRAGMA synchronous = FULL')
  database.exec('PRAGMA trusted_schema = OFF')
  database.exec('PRAGMA temp_store = MEMORY')
  database.exec(`PRAGMA journal_size_limit = ${WAL_KEPT_BYTES}`)
  if (maxStoreBytes === null) return
  const pages = Math.floor(maxStoreBytes / pragma(database, 'page_size'))
  database.exec(`PRAGMA max_page_count = ${Math.max(1, pages)}`)
}

function checkPages(database: Database, path: string, log: DatabaseOptions['log']): void {
  // Counting the pages recovers what a crash left behind; only then does the size mean anything.
  const expectedBytes = pragma(database, 'page_count') * pragma(database, 'page_size')
  const sizeBytes = statSync(path).size
  if (sizeBytes < expectedBytes && isEmptyFile(`${path}-wal`)) {
    throw damaged(path, `it has ${sizeBytes} of ${expectedBytes} bytes`)
  }
  if (sizeBytes > CHECKED_BYTES) {
    log('info', `The store ${path} is too large to be checked at every start.`)
    return
  }
  const verdict = String(database.get('PRAGMA quick_check(1)')?.['quick_check'])
  if (verdict !== 'ok') throw damaged(path, verdict.replaceAll(/\s+/g, ' ').trim())
}

function isEmptyFile(path: string): boolean {
  return (statSync(path, { throwIfNoEntry: false })?.size ?? 0) === 0
}

function pragma(database: Database, name: 'page_count' | 'page_size'): number {
  const row = database.get(`PRAGMA ${name}`)
  return row === undefined ? 0 : integer(row, name)
}

function openingError(error: unknown, path: string): VelaError {
  if (error instanceof VelaError) return error
  const kind = sqliteKind(error)
  const reason = error instanceof Error ? error.message : String(error)
  if (kind === SQLITE.notDatabase || kind === SQLITE.corrupt) return damaged(path, reason, error)
  if (kind === SQLITE.busy) {
    return new VelaError(
      'VELA_STORE_LOCKED',
      `Another program has the store ${path} open. Close it and start again.`,
      {
        cause: error,
        details: { path },
      },
    )
  }
  const plain = toStoreError(error)
  return new VelaError(plain.code, `Cannot open the store ${path}: ${plain.message}`, {
    cause: error,
    details: { path },
  })
}

function damaged(path: string, reason: string, cause?: unknown): VelaError {
  return new VelaError(
    'VELA_STORE_DAMAGED',
    `The store ${path} is damaged (${reason}). Nothing was changed. Restore the data directory from a backup, or set this file aside to salvage with "sqlite3 ${path} .recover".`,
    { cause, details: { path } },
  )
}

function face(connection: DatabaseSync): Database {
  // Operations use a fixed set of texts, so this stays small; preparing costs more than most of the statements.
  const prepared = new Map<string, StatementSync>()
  const prepare = (text: string): StatementSync => {
    const known = prepared.get(text)
    if (known !== undefined) return known
    const statement = connection.prepare(text)
    prepared.set(text, statement)
    return statement
  }
  return {
    get: (text, ...values) => prepare(text).get(...values),
    all: (text, ...values) => prepare(text).all(...values),
    run: (text, ...values) => Number(prepare(text).run(...values).changes),
    exec: (text) => connection.exec(text),
    get inTransaction() {
      return connection.isTransaction
    },
    close: () => connection.close(),
  }
}
