/**
 * Dead letters on the store thread. They carry their event, since the log forgets it. Bounded twice, by consumer and by the tenant's
 * quota (which they do not share with events): beyond that the oldest goes.
 */
import type { Sql } from '../../../../registry/store/database.ts'
import { integer, text } from '../../../../registry/store/rows.ts'
import type { Row } from '../../../../registry/store/rows.ts'
import { MAX_DEAD_EVENTS, MAX_LISTED_CHARACTERS } from '../../log.ts'
import { sequencedOf } from './events.ts'
import type { SequencedRow } from './events.ts'
import { findTenant, tenantFor } from './tenants.ts'

export interface DeadRow extends SequencedRow {
  readonly consumer: string
  readonly attempts: number
  readonly reason: string
  readonly atMs: number
  readonly replaying: boolean
}

export interface DeadCall extends DeadRow {
  readonly tenant: string
  readonly bytes: number
  readonly quotaBytes: number
}

const COLUMNS = 'consumer, seq, at, attempts, replaying, reason, subject, id, time, meta, data'

export const deadReads = {
  listDead(sql: Sql, name: string, consumer: string | null, limit: number): DeadRow[] {
    const tenant = findTenant(sql, name)
    if (tenant === undefined) return []
    const keys = sql.all(
      `SELECT consumer, seq FROM dead WHERE tenant = ?1 AND (?2 IS NULL OR consumer = ?2)
       ORDER BY at DESC, seq DESC LIMIT ?3`,
      tenant.id,
      consumer,
      limit,
    )
    const letters: DeadRow[] = []
    let left = MAX_LISTED_CHARACTERS
    for (const key of keys) {
      const row = sql.get(
        `SELECT ${COLUMNS} FROM dead WHERE tenant = ? AND consumer = ? AND seq = ?`,
        tenant.id,
        text(key, 'consumer'),
        integer(key, 'seq'),
      )
      if (row === undefined) continue
      const letter = deadOf(row)
      left -= letter.data.length
      if (left < 0 && letters.length > 0) break
      letters.push(letter)
    }
    return letters
  },

  countDead(sql: Sql, name: string): [consumer: string, letters: number][] {
    const tenant = findTenant(sql, name)
    if (tenant === undefined) return []
    return sql
      .all('SELECT consumer, count(*) AS letters FROM dead WHERE tenant = ? GROUP BY consumer', tenant.id)
      .map((row) => [text(row, 'consumer'), integer(row, 'letters')])
  },

  listReplay(sql: Sql, name: string, consumer: string, limit: number): DeadRow[] {
    const tenant = findTenant(sql, name)
    if (tenant === undefined) return []
    return sql
      .all(
        `SELECT ${COLUMNS} FROM dead WHERE tenant = ? AND consumer = ? AND replaying = 1 ORDER BY seq LIMIT ?`,
        tenant.id,
        consumer,
        limit,
      )
      .map(deadOf)
  },
}

export const deadWrites = {
  addDead(sql: Sql, letter: DeadCall): void {
    const tenant = tenantFor(sql, letter.tenant)
    remove(sql, tenant.id, letter.consumer, letter.sequence)
    sql.run(
      `INSERT INTO dead (tenant, bytes, ${COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
      tenant.id,
      letter.bytes,
      letter.consumer,
      letter.sequence,
      letter.atMs,
      letter.attempts,
      letter.replaying ? 1 : 0,
      letter.reason,
      letter.subject,
      letter.id,
      letter.timeMs,
      letter.meta,
      letter.data,
    )
    sql.run('UPDATE tenants SET dead = dead + ? WHERE id = ?', letter.bytes, tenant.id)
    makeRoom(sql, tenant.id, letter)
  },

  /** How many there were. */
  markReplay(sql: Sql, name: string, consumer: string, sequences: readonly number[] | null): number {
    const tenant = findTenant(sql, name)
    if (tenant === undefined) return 0
    const all = 'UPDATE dead SET replaying = 1 WHERE tenant = ? AND consumer = ?'
    if (sequences === null) return sql.run(all, tenant.id, consumer)
    let count = 0
    for (const sequence of new Set(sequences))
      count += sql.run(`${all} AND seq = ?`, tenant.id, consumer, sequence)
    return count
  },

  dropDead(sql: Sql, name: string, consumer: string, sequences: readonly number[] | null): number {
    const tenant = findTenant(sql, name)
    if (tenant === undefined) return 0
    if (sequences === null) return dropDeadOf(sql, tenant.id, consumer)
    let count = 0
    for (const sequence of sequences) if (remove(sql, tenant.id, consumer, sequence)) count += 1
    return count
  },
}

/** How many there were. */
export function dropDeadOf(sql: Sql, tenant: number, consumer: string): number {
  const row = sql.get(
    'SELECT coalesce(sum(bytes), 0) AS bytes FROM dead WHERE tenant = ? AND consumer = ?',
    tenant,
    consumer,
  )
  const count = sql.run('DELETE FROM dead WHERE tenant = ? AND consumer = ?', tenant, consumer)
  if (row !== undefined)
    sql.run('UPDATE tenants SET dead = dead - ? WHERE id = ?', integer(row, 'bytes'), tenant)
  return count
}

function remove(sql: Sql, tenant: number, consumer: string, sequence: number): boolean {
  const row = sql.get(
    'DELETE FROM dead WHERE tenant = ? AND consumer = ? AND seq = ? RETURNING bytes',
    tenant,
    consumer,
    sequence,
  )
  if (row !== undefined)
    sql.run('UPDATE tenants SET dead = dead - ? WHERE id = ?', integer(row, 'bytes'), tenant)
  return row !== undefined
}

function makeRoom(sql: Sql, tenant: number, { consumer, quotaBytes }: DeadCall): void {
  const count = sql.get(
    'SELECT count(*) AS letters FROM dead WHERE tenant = ? AND consumer = ?',
    tenant,
    consumer,
  )
  if (count !== undefined && integer(count, 'letters') > MAX_DEAD_EVENTS)
    removeOldest(
      sql,
      tenant,
      sql.get(
        'SELECT consumer, seq FROM dead WHERE tenant = ? AND consumer = ? ORDER BY at, seq LIMIT 1',
        tenant,
        consumer,
      ),
    )
  for (;;) {
    const held = sql.get('SELECT dead FROM tenants WHERE id = ?', tenant)
    if (held === undefined || integer(held, 'dead') <= quotaBytes) return
    const oldest = sql.get('SELECT consumer, seq FROM dead WHERE tenant = ? ORDER BY at, seq LIMIT 1', tenant)
    if (oldest === undefined) return
    removeOldest(sql, tenant, oldest)
  }
}

function removeOldest(sql: Sql, tenant: number, row: Row | undefined): void {
  if (row !== undefined) remove(sql, tenant, text(row, 'consumer'), integer(row, 'seq'))
}

const deadOf = (row: Row): DeadRow => ({
  ...sequencedOf(row),
  consumer: text(row, 'consumer'),
  attempts: integer(row, 'attempts'),
  reason: text(row, 'reason'),
  atMs: integer(row, 'at'),
  replaying: integer(row, 'replaying') === 1,
})
