/** Events on the store thread: appended many at a time, read in pages, trimmed in steps that nobody waits long behind. */
import type { Sql } from '../../../../registry/store/database.ts'
import { integer, text } from '../../../../registry/store/rows.ts'
import type { Row } from '../../../../registry/store/rows.ts'
import { DEDUPE_WINDOW_MS } from '../../log.ts'
import { createMatch } from '../../pattern.ts'
import { findTenant, tenantFor } from './tenants.ts'

export interface EventRow {
  readonly id: string
  readonly subject: string
  readonly timeMs: number
  /** Source, key, headers and depth as JSON. */
  readonly meta: string
  readonly data: string
}

export interface NewRow extends EventRow {
  /** Counted against the quota. */
  readonly bytes: number
  readonly dedupe: boolean
}

export interface AppendCall {
  readonly tenant: string
  readonly quotaBytes: number
  readonly nowMs: number
  readonly rows: readonly NewRow[]
}

export interface SequencedRow extends EventRow {
  readonly sequence: number
}

export interface RowPage {
  readonly rows: readonly SequencedRow[]
  readonly last: number
  readonly atEnd: boolean
}

/** What an id takes of the quota beside its characters, as long as it is remembered. */
const ID_BYTES = 32

const SCAN_ROWS = 256
const MAX_SCANNED = 4_096
const TRIM_ROWS = 512
const COLUMNS = 'seq, subject, id, time, meta, data'

export const generationOf = (nowMs: number): number => Math.floor(nowMs / DEDUPE_WINDOW_MS)

export const eventAppends = {
  /** For each row its sequence; negative: it was stored before, under that sequence; 0: it is over the quota, and was not stored. */
  append(sql: Sql, { tenant: name, quotaBytes, nowMs, rows }: AppendCall): number[] {
    const tenant = tenantFor(sql, name)
    let { last, events, bytes } = tenant
    const answers: number[] = []
    for (const row of rows) {
      const known = row.dedupe ? findId(sql, tenant.id, row.id, nowMs) : 0
      const more = row.bytes + (row.dedupe ? idBytes(row.id) : 0)
      if (known > 0 || bytes + more > quotaBytes) {
        answers.push(-known)
        continue
      }
      last += 1
      events += 1
      bytes += more
      answers.push(last)
      const { id, subject, timeMs, meta, data } = row
      sql.run(
        'INSERT INTO events (tenant, seq, stored, bytes, subject, id, time, meta, data) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)',
        tenant.id,
        last,
        nowMs,
        row.bytes,
        subject,
        id,
        timeMs,
        meta,
        data,
      )
      if (row.dedupe)
        sql.run(
          'INSERT OR REPLACE INTO ids (generation, tenant, id, seq, stored) VALUES (?, ?, ?, ?, ?)',
          generationOf(nowMs),
          tenant.id,
          id,
          last,
          nowMs,
        )
    }
    if (last > tenant.last)
      sql.run(
        'UPDATE tenants SET last = ?, events = ?, bytes = ? WHERE id = ?',
        last,
        events,
        bytes,
        tenant.id,
      )
    return answers
  },
}

export const idBytes = (id: string): number => id.length + ID_BYTES

/** 0: not within the window. */
function findId(sql: Sql, tenant: number, id: string, nowMs: number): number {
  const generation = generationOf(nowMs)
  for (const each of [generation, generation - 1]) {
    const row = sql.get(
      'SELECT seq, stored FROM ids WHERE generation = ? AND tenant = ? AND id = ?',
      each,
      tenant,
      id,
    )
    if (row !== undefined && integer(row, 'stored') > nowMs - DEDUPE_WINDOW_MS) return integer(row, 'seq')
  }
  return 0
}

export const eventReads = {
  read(sql: Sql, name: string, pattern: string, after: number, limit: number, bytes: number): RowPage {
    const tenant = findTenant(sql, name)
    if (tenant === undefined) return { rows: [], last: after, atEnd: true }
    const isMatch = createMatch(pattern)
    const rows: SequencedRow[] = []
    let [last, left] = [after, bytes]
    for (let scanned = 0; scanned < MAX_SCANNED; scanned += SCAN_ROWS) {
      const found = sql.all(
        'SELECT seq, subject FROM events WHERE tenant = ? AND seq > ? ORDER BY seq LIMIT ?',
        tenant.id,
        last,
        SCAN_ROWS,
      )
      for (const each of found) {
        const sequence = integer(each, 'seq')
        if (isMatch(text(each, 'subject'))) {
          const row = rowAt(sql, tenant.id, sequence)
          if (row !== undefined) {
            if (rows.length > 0 && row.data.length > left) return { rows, last, atEnd: false }
            left -= row.data.length
            rows.push(row)
          }
        }
        last = sequence
        if (rows.length >= limit) return { rows, last, atEnd: last >= tenant.last }
      }
      // Events that were trimmed or refused leave no gap that a reader has to wait at.
      if (found.length < SCAN_ROWS) return { rows, last: Math.max(last, tenant.last), atEnd: true }
    }
    return { rows, last, atEnd: false }
  },

  readAt(sql: Sql, name: string, sequences: readonly number[], bytes: number): SequencedRow[] {
    const tenant = findTenant(sql, name)
    const rows: SequencedRow[] = []
    let left = bytes
    for (const sequence of tenant === undefined ? [] : sequences) {
      const row = rowAt(sql, tenant?.id ?? 0, sequence)
      if (row === undefined) continue
      if (rows.length > 0 && row.data.length > left) break
      left -= row.data.length
      rows.push(row)
    }
    return rows
  },
}

function rowAt(sql: Sql, tenant: number, sequence: number): SequencedRow | undefined {
  const row = sql.get(`SELECT ${COLUMNS} FROM events WHERE tenant = ? AND seq = ?`, tenant, sequence)
  return row === undefined ? undefined : sequencedOf(row)
}

export const sequencedOf = (row: Row): SequencedRow => ({
  sequence: integer(row, 'seq'),
  subject: text(row, 'subject'),
  id: text(row, 'id'),
  timeMs: integer(row, 'time'),
  meta: text(row, 'meta'),
  data: text(row, 'data'),
})

export const eventTrims = {
  /** A step: true if there is more to remove. */
  trim(sql: Sql, name: string, below: number): boolean {
    const tenant = findTenant(sql, name)
    return tenant !== undefined && removeBelow(sql, tenant.id, below)
  },
}

/** A step: true if there is more to remove. */
export function removeBelow(sql: Sql, tenant: number, below: number): boolean {
  const found = sql.all(
    'SELECT seq, bytes FROM events WHERE tenant = ? AND seq < ? ORDER BY seq LIMIT ?',
    tenant,
    below,
    TRIM_ROWS,
  )
  const end = found.at(-1)
  if (end === undefined) return false
  let bytes = 0
  for (const row of found) bytes += integer(row, 'bytes')
  sql.run('DELETE FROM events WHERE tenant = ? AND seq <= ?', tenant, integer(end, 'seq'))
  sql.run(
    'UPDATE tenants SET events = events - ?, bytes = bytes - ? WHERE id = ?',
    found.length,
    bytes,
    tenant,
  )
  return found.length === TRIM_ROWS
}
