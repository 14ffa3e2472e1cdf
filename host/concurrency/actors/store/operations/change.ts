/**
 * One atomic change of an actor's state on the store thread. Invariants: `bytes` of an actor and `bytes`, `actors` of its service
 * are the sums over what they have, kept in the same transaction; the quota is checked before anything is written; an
 * actor that keeps nothing has no row.
 */
import { VelaError } from '../../../../core/errors.ts'
import type { Sql } from '../../../../registry/store/database.ts'
import { integer } from '../../../../registry/store/rows.ts'
import type { Row } from '../../../../registry/store/rows.ts'
import { ACTOR_OVERHEAD_BYTES, ENTRY_OVERHEAD_BYTES, MEBIBYTE } from '../../types.ts'
import type { ActorAddress, StateChange } from '../../types.ts'

export interface ChangeCall extends StateChange {
  readonly address: ActorAddress
  /** Where the actor stands, if that is known. */
  readonly row: number | null
  readonly quotaBytes: number
}

/** Where the actor stands now (null: it keeps nothing) and what it takes of the quota. */
export interface Changed {
  readonly row: number | null
  readonly bytes: number
}

export const changeWrites = {
  change(sql: Sql, call: ChangeCall): Changed {
    const known = find(sql, call)
    const due = call.alarmMs === undefined ? (known?.['due'] ?? null) : call.alarmMs
    const before = known === undefined ? 0 : integer(known, 'bytes')
    const base = ACTOR_OVERHEAD_BYTES + Buffer.byteLength(call.address.name)
    const bytes = sizeAfter(sql, call, known, base)
    if (bytes === base && due === null) {
      if (known !== undefined) remove(sql, known, before)
      return { row: null, bytes: 0 }
    }
    const service = known === undefined ? serviceFor(sql, call.address) : integer(known, 'service')
    charge(sql, call, service, bytes - before, known === undefined ? 1 : 0)
    const row = known === undefined ? insert(sql, service, call.address) : integer(known, 'id')
    if (call.deleteAll) sql.run('DELETE FROM state WHERE actor = ?', row)
    for (const key of call.deletes)
      sql.run('DELETE FROM state WHERE actor = ? AND key = ?', row, Buffer.from(key))
    for (const [key, value] of call.puts)
      sql.run(
        'INSERT OR REPLACE INTO state (actor, key, value) VALUES (?, ?, ?)',
        row,
        Buffer.from(key),
        value,
      )
    if (bytes !== before || known?.['version'] !== call.version)
      sql.run('UPDATE actors SET bytes = ?, version = ? WHERE id = ?', bytes, call.version, row)
    if (call.alarmMs !== undefined)
      sql.run(
        'UPDATE actors SET due = ?1, try = ?1, changes = changes + 1, retries = 0, claimed = 0 WHERE id = ?2',
        call.alarmMs,
        row,
      )
    return { row, bytes }
  },
}

const FOUND = 'SELECT id, service, version, bytes, due FROM actors'

/** By number, and by name if the number says nothing any more: an actor that was empty for a while has another. */
function find(sql: Sql, { row, address }: ChangeCall): Row | undefined {
  const known = row === null ? undefined : sql.get(`${FOUND} WHERE id = ?`, row)
  return (
    known ??
    sql.get(
      `${FOUND} WHERE service = (SELECT id FROM services WHERE tenant = ? AND name = ?) AND class = ? AND name = ?`,
      address.tenant,
      address.service,
      address.class,
      Buffer.from(address.name),
    )
  )
}

function sizeAfter(sql: Sql, call: ChangeCall, known: Row | undefined, base: number): number {
  const isFresh = known === undefined || call.deleteAll
  const sizeOf = (key: string): number => (isFresh ? 0 : sizeOfEntry(sql, integer(known, 'id'), key))
  let bytes = isFresh ? base : integer(known, 'bytes')
  for (const [key, value] of call.puts)
    bytes += ENTRY_OVERHEAD_BYTES + Buffer.byteLength(key) + Buffer.byteLength(value) - sizeOf(key)
  for (const key of call.deletes) bytes -= sizeOf(key)
  return bytes
}

function sizeOfEntry(sql: Sql, row: number, name: string): number {
  const key = Buffer.from(name)
  const found = sql.get(
    'SELECT octet_length(value) AS bytes FROM state WHERE actor = ? AND key = ?',
    row,
    key,
  )
  return found === undefined ? 0 : ENTRY_OVERHEAD_BYTES + key.length + integer(found, 'bytes')
}

/** Counts the bytes against the quota of the tenant: over all its services. */
function charge(sql: Sql, call: ChangeCall, service: number, more: number, actors: number): void {
  if (more === 0 && actors === 0) return
  if (more > 0) {
    const sum = sql.get('SELECT sum(bytes) AS bytes FROM services WHERE tenant = ?', call.address.tenant)
    const stored = sum === undefined || sum['bytes'] === null ? 0 : integer(sum, 'bytes')
    if (stored + more > call.quotaBytes) {
      throw new VelaError(
        'VELA_ACTOR_QUOTA_EXCEEDED',
        `Not stored: it takes ${more} bytes more, and the tenant's actors have ${stored} of the ${call.quotaBytes} bytes (${Math.floor(call.quotaBytes / MEBIBYTE)} MiB) that they may store.`,
        { details: { quotaBytes: call.quotaBytes } },
      )
    }
  }
  const changed = sql.run(
    'UPDATE services SET bytes = bytes + ?, actors = actors + ? WHERE id = ?',
    more,
    actors,
    service,
  )
  if (changed === 0) throw new VelaError('VELA_SERVICE_NOT_FOUND', 'The service of this actor was deleted.')
}

/** Makes a row for the service at its first actor; one without actors counts for nothing, so a refusal may leave it. */
export function serviceFor(sql: Sql, { tenant, service }: Pick<ActorAddress, 'tenant' | 'service'>): number {
  const find = (): Row | undefined =>
    sql.get('SELECT id FROM services WHERE tenant = ? AND name = ?', tenant, service)
  const known = find()
  if (known !== undefined) return integer(known, 'id')
  sql.run('INSERT INTO services (tenant, name, bytes, actors) VALUES (?, ?, 0, 0)', tenant, service)
  return integer(find() ?? never(), 'id')
}

function insert(sql: Sql, service: number, { class: className, name }: ActorAddress): number {
  const row = sql.get(
    `INSERT INTO actors (service, class, name, bytes, changes, retries, claimed) VALUES (?, ?, ?, 0, 0, 0, 0) RETURNING id`,
    service,
    className,
    Buffer.from(name),
  )
  return integer(row ?? never(), 'id')
}

function remove(sql: Sql, known: Row, bytes: number): void {
  const row = integer(known, 'id')
  sql.run('DELETE FROM state WHERE actor = ?', row)
  sql.run('DELETE FROM actors WHERE id = ?', row)
  sql.run(
    'UPDATE services SET bytes = bytes - ?, actors = actors - 1 WHERE id = ?',
    bytes,
    integer(known, 'service'),
  )
}

function never(): never {
  throw new Error('a row that was just written is not there')
}
