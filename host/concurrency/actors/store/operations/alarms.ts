/**
 * Alarms on the store thread. An alarm that is due is claimed (put far off, so that the next look finds others) and stays
 * until it went well: a host that ends in between finds it again. `changes` tells whether the actor has set its alarm
 * anew since, which then stands.
 */
import type { Sql } from '../../../../registry/store/database.ts'
import { blob, integer, text } from '../../../../registry/store/rows.ts'
import type { ActorAddress } from '../../types.ts'
import { textOf } from './state.ts'

export interface DueAlarm {
  readonly row: number
  /** Of its service: what a count of alarms under way is kept by. */
  readonly service: number
  readonly address: ActorAddress
  /** As the actor has set it (epoch milliseconds). */
  readonly dueMs: number
  readonly changes: number
  /** How often it was tried before. */
  readonly retries: number
}

export interface Claimed {
  readonly alarms: readonly DueAlarm[]
  /** When the next one is due, as far as it may be claimed; null: there is none. */
  readonly nextMs: number | null
}

/** Longer than any alarm can be under way. */
const CLAIM_MS = 3_600_000

export const alarmWrites = {
  /** Services in `busy` have as many under way as they may. */
  claimAlarms(sql: Sql, nowMs: number, most: number, busy: readonly number[]): Claimed {
    const except = JSON.stringify(busy)
    const rows = sql.all(
      `SELECT a.id, a.service, a.class, a.name, a.due, a.changes, a.retries, s.tenant, s.name AS owner
       FROM actors a JOIN services s ON s.id = a.service
       WHERE a.try <= ? AND a.service NOT IN (SELECT value FROM json_each(?)) ORDER BY a.try LIMIT ?`,
      nowMs,
      except,
      most,
    )
    const alarms = rows.map((row): DueAlarm => ({
      row: integer(row, 'id'),
      service: integer(row, 'service'),
      address: {
        tenant: text(row, 'tenant'),
        service: text(row, 'owner'),
        class: text(row, 'class'),
        name: textOf(blob(row, 'name')),
      },
      dueMs: integer(row, 'due'),
      changes: integer(row, 'changes'),
      retries: integer(row, 'retries'),
    }))
    for (const { row } of alarms)
      sql.run('UPDATE actors SET try = ?, claimed = 1 WHERE id = ?', nowMs + CLAIM_MS, row)
    const next = sql.get(
      `SELECT a.try FROM actors a JOIN services s ON s.id = a.service
       WHERE a.try IS NOT NULL AND a.service NOT IN (SELECT value FROM json_each(?)) ORDER BY a.try LIMIT 1`,
      except,
    )
    return { alarms, nextMs: next === undefined ? null : integer(next, 'try') }
  },

  /** It went well, or is given up. False: the actor has set it anew, or is gone. */
  endAlarm(sql: Sql, row: number, changes: number): boolean {
    const ended = sql.run(
      'UPDATE actors SET due = NULL, try = NULL, retries = 0, claimed = 0 WHERE id = ? AND changes = ?',
      row,
      changes,
    )
    removeIfEmpty(sql, row)
    return ended > 0
  },

  /** It is tried again at `atMs`. */
  retryAlarm(sql: Sql, row: number, changes: number, atMs: number, retries: number): void {
    sql.run(
      'UPDATE actors SET try = ?, retries = ?, claimed = 0 WHERE id = ? AND changes = ?',
      atMs,
      retries,
      row,
      changes,
    )
  },
}

function removeIfEmpty(sql: Sql, row: number): void {
  const gone = sql.get(
    `DELETE FROM actors WHERE id = ?1 AND due IS NULL AND NOT EXISTS (SELECT 1 FROM state WHERE actor = ?1)
     RETURNING service, bytes`,
    row,
  )
  if (gone === undefined) return
  sql.run(
    'UPDATE services SET bytes = bytes - ?, actors = actors - 1 WHERE id = ?',
    integer(gone, 'bytes'),
    integer(gone, 'service'),
  )
}
