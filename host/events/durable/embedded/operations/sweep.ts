/**
 * Reclaims the room of deleted tenants, of ids beyond their window and of events beyond their age, on the store thread, in steps small
 * enough that nobody waits long behind one. `from` null: the start of a round; `next` null: its end.
 */
import type { Sql } from '../../../../registry/store/database.ts'
import { integer, text } from '../../../../registry/store/rows.ts'
import { generationOf, idBytes, removeBelow } from './events.ts'

export interface SweepTimes {
  readonly nowMs: number
  readonly retentionMs: number
}

/** Behind everything that is not of a tenant in the order of a round. */
const TENANTS = 0
const ROWS = 512
const OF_TENANT = ['events', 'dead', 'cursors'] as const

export const sweepWrites = {
  sweep(sql: Sql, from: number | null, { nowMs, retentionMs }: SweepTimes): { readonly next: number | null } {
    if (from === null || from < TENANTS) {
      const isBusy = sweepDropped(sql) || sweepIds(sql, generationOf(nowMs) - 1)
      return { next: isBusy ? TENANTS - 1 : TENANTS }
    }
    const row = sql.get('SELECT id FROM tenants WHERE id > ? ORDER BY id LIMIT 1', from)
    if (row === undefined) return { next: null }
    const tenant = integer(row, 'id')
    return { next: sweepOld(sql, tenant, nowMs - retentionMs) ? tenant - 1 : tenant }
  },
}

/** True if there was something to do. */
function sweepDropped(sql: Sql): boolean {
  const row = sql.get('SELECT tenant FROM dropped LIMIT 1')
  if (row === undefined) return false
  const tenant = integer(row, 'tenant')
  for (const table of OF_TENANT) {
    const key = { events: 'seq', dead: 'consumer, seq', cursors: 'consumer' }[table]
    const gone = sql.run(
      `DELETE FROM ${table} WHERE tenant = ?1 AND (${key}) IN (SELECT ${key} FROM ${table} WHERE tenant = ?1 LIMIT ?2)`,
      tenant,
      ROWS,
    )
    if (gone === ROWS) return true
  }
  // Its ids go with their generation.
  sql.run('DELETE FROM dropped WHERE tenant = ?', tenant)
  return true
}

/** True if there was something to do. */
function sweepIds(sql: Sql, generation: number): boolean {
  const rows = sql.all(
    'SELECT generation, tenant, id FROM ids WHERE generation < ? ORDER BY generation, tenant, id LIMIT ?',
    generation,
    ROWS,
  )
  const bytes = new Map<number, number>()
  for (const row of rows) {
    const [tenant, id] = [integer(row, 'tenant'), text(row, 'id')]
    bytes.set(tenant, (bytes.get(tenant) ?? 0) + idBytes(id))
    sql.run(
      'DELETE FROM ids WHERE generation = ? AND tenant = ? AND id = ?',
      integer(row, 'generation'),
      tenant,
      id,
    )
  }
  for (const [tenant, gone] of bytes)
    sql.run('UPDATE tenants SET bytes = bytes - ? WHERE id = ?', gone, tenant)
  return rows.length > 0
}

/** True if there may be more to do. */
function sweepOld(sql: Sql, tenant: number, before: number): boolean {
  const rows = sql.all('SELECT seq, stored FROM events WHERE tenant = ? ORDER BY seq LIMIT ?', tenant, ROWS)
  let below = 0
  for (const row of rows) {
    if (integer(row, 'stored') >= before) break
    below = integer(row, 'seq') + 1
  }
  return below > 0 && removeBelow(sql, tenant, below)
}
