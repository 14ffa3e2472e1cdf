/**
 * Brings a database to the schema of this build, forwards only, each step in a transaction of its own that also sets
 * user_version: an interrupted migration starts again where it stood. A database that is not Vela's, or that a newer
 * Vela wrote, is refused before anything in it is changed.
 */
import { VelaError } from '../../core/errors.ts'
import type { Database } from './database.ts'
import { integer } from './rows.ts'

// "Vela" in ASCII, at offset 68 of the file: tells Vela's store from some other program's database.
const APPLICATION_ID = 0x56656c61

/** SQL of each step; its index + 1 is the schema version it leads to. Append only. */
export type Migrations = readonly string[]

export interface SchemaExpectation {
  /** Where the database is, for the operator. */
  readonly path: string
  /** True when other files show that this directory has been in use: an empty store is then a lost one. */
  readonly inUse: boolean
}

export function checkSchema(database: Database, migrations: Migrations, expected: SchemaExpectation): void {
  const found = schemaVersion(database)
  const owner = pragma(database, 'application_id')
  if (owner !== APPLICATION_ID && (owner !== 0 || found !== 0 || countTables(database) > 0)) {
    throw damaged(
      expected.path,
      'it is a database of another program. Start Vela with another data directory.',
    )
  }
  if (found > migrations.length) {
    throw damaged(
      expected.path,
      `its schema is version ${found} and this Vela knows ${migrations.length}. Start it with the newer Vela that wrote it.`,
    )
  }
  if (found === 0 && expected.inUse) {
    throw damaged(
      expected.path,
      'it is missing or empty although this directory has been in use. Restore it from a backup; to start with nothing, remove the whole data directory.',
    )
  }
}

/** Only after checkSchema. */
export function migrate(database: Database, migrations: Migrations): void {
  const found = schemaVersion(database)
  for (const [index, step] of migrations.entries()) {
    if (index < found) continue
    database.exec('BEGIN IMMEDIATE')
    try {
      database.exec(step)
      database.exec(`PRAGMA application_id = ${APPLICATION_ID}`)
      database.exec(`PRAGMA user_version = ${index + 1}`)
      database.exec('COMMIT')
    } catch (error) {
      if (database.inTransaction) database.exec('ROLLBACK')
      throw error
    }
  }
}

function schemaVersion(database: Database): number {
  return pragma(database, 'user_version')
}

function pragma(database: Database, name: 'application_id' | 'user_version'): number {
  const row = database.get(`PRAGMA ${name}`)
  return row === undefined ? 0 : integer(row, name)
}

function countTables(database: Database): number {
  const row = database.get('SELECT count(*) AS tables FROM sqlite_schema')
  return row === undefined ? 0 : integer(row, 'tables')
}

function damaged(path: string, why: string): VelaError {
  return new VelaError('VELA_STORE_DAMAGED', `The store ${path} cannot be used: ${why}`, {
    details: { path },
  })
}
