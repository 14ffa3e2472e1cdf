/**
 * Reclaims the room of what expired and of namespaces whose tenant is gone, in steps small enough that nobody waits long
 * behind one. Only room: what has expired is not returned any more, swept or not.
 */
import type { Sql } from '../../registry/store/database.ts'
import { blob, integer } from '../../registry/store/rows.ts'
import type { Row } from '../../registry/store/rows.ts'
import { MEBIBYTE } from '../types.ts'

const MAX_KEYS = 256
const MAX_BYTES = 8 * MEBIBYTE
const MAX_SPACES = 64

export interface SweepStep {
  /** What to go on from; null when the round is complete. */
  readonly next: number | null
}

export const sweepWrites = {
  /** `from`: null begins a round. */
  sweep(sql: Sql, from: number | null, nowMs: number): SweepStep {
    if (sweepDropped(sql)) return { next: from ?? 0 }
    // In a copy of a journal what has expired goes when the journal says so, or the journal would keep it for ever.
    if (sql.get('SELECT 1 FROM journal') !== undefined) return { next: null }
    const spaces = sql.all(
      'SELECT id, tenant FROM spaces WHERE id > ? ORDER BY id LIMIT ?',
      from ?? 0,
      MAX_SPACES,
    )
    for (const row of spaces) {
      const id = integer(row, 'id')
      if (sweepSpace(sql, id, integer(row, 'tenant'), nowMs)) return { next: id - 1 }
    }
    const last = spaces.at(-1)
    return { next: last === undefined || spaces.length < MAX_SPACES ? null : integer(last, 'id') }
  },
}

/** Up to a step's worth of keys, in whichever namespaces of a tenant they are. */
export function sweepTenant(sql: Sql, tenant: number, nowMs: number): void {
  for (const row of sql.all('SELECT id FROM spaces WHERE tenant = ?', tenant))
    if (sweepSpace(sql, integer(row, 'id'), tenant, nowMs)) return
}

/** True if there may be more. */
function sweepSpace(sql: Sql, space: number, tenant: number, nowMs: number): boolean {
  const rows = sql.all(
    'SELECT key, size FROM entries WHERE space = ? AND expires <= ? LIMIT ?',
    space,
    nowMs,
    MAX_KEYS,
  )
  const { keys, bytes } = remove(sql, space, rows)
  if (keys > 0)
    sql.run('UPDATE tenants SET bytes = bytes - ?, keys = keys - ? WHERE id = ?', bytes, keys, tenant)
  return keys < rows.length || rows.length === MAX_KEYS
}

/** True if there was, and may be more, to do. */
function sweepDropped(sql: Sql): boolean {
  const dropped = sql.get('SELECT space FROM dropped LIMIT 1')
  if (dropped === undefined) return false
  const space = integer(dropped, 'space')
  const rows = sql.all('SELECT key, size FROM entries WHERE space = ? LIMIT ?', space, MAX_KEYS)
  if (rows.length === 0) sql.run('DELETE FROM dropped WHERE space = ?', space)
  remove(sql, space, rows)
  return true
}

function remove(
  sql: Sql,
  space: number,
  rows: readonly Row[],
): { readonly keys: number; readonly bytes: number } {
  let keys = 0
  let bytes = 0
  for (const row of rows) {
    if (bytes >= MAX_BYTES) break
    sql.run('DELETE FROM entries WHERE space = ? AND key = ?', space, blob(row, 'key'))
    bytes += integer(row, 'size')
    keys += 1
  }
  return { keys, bytes }
}
