/** Cursors on the store thread. The epoch is the fence: opening counts it up, and saving needs the one of the opening. */
import { VelaError } from '../../../../core/errors.ts'
import type { Sql } from '../../../../registry/store/database.ts'
import { integer, json, text } from '../../../../registry/store/rows.ts'
import type { Row } from '../../../../registry/store/rows.ts'
import type { ConsumerCursor, CursorState, OpenEvent } from '../../log.ts'
import { dropDeadOf } from './dead.ts'
import { findTenant, tenantFor } from './tenants.ts'

export interface OpenedCursor {
  readonly epoch: number
  readonly state: CursorState
}

export interface SaveCall {
  readonly tenant: string
  readonly consumer: string
  readonly epoch: number
  readonly state: CursorState
}

const MAX_CURSORS = 1_000

export const cursorReads = {
  cursors(sql: Sql, name: string): ConsumerCursor[] {
    const tenant = findTenant(sql, name)
    if (tenant === undefined) return []
    return sql
      .all('SELECT consumer, position, open FROM cursors WHERE tenant = ? ORDER BY consumer', tenant.id)
      .map((row) => ({ consumer: text(row, 'consumer'), state: stateOf(row) }))
  },
}

export const cursorWrites = {
  openCursor(sql: Sql, name: string, consumer: string, from: 'new' | 'all'): OpenedCursor {
    const tenant = tenantFor(sql, name)
    const found = sql.get(
      'UPDATE cursors SET epoch = epoch + 1 WHERE tenant = ? AND consumer = ? RETURNING epoch, position, open',
      tenant.id,
      consumer,
    )
    if (found !== undefined) return { epoch: integer(found, 'epoch'), state: stateOf(found) }
    const count = sql.get('SELECT count(*) AS cursors FROM cursors WHERE tenant = ?', tenant.id)
    if (count !== undefined && integer(count, 'cursors') >= MAX_CURSORS)
      throw new VelaError(
        'VELA_TENANT_QUOTA_EXCEEDED',
        `The tenant has ${MAX_CURSORS} durable consumers, which is as many as may be. Remove those that are no longer needed.`,
      )
    const position = from === 'all' ? 0 : tenant.last
    sql.run(
      `INSERT INTO cursors (tenant, consumer, epoch, position, open) VALUES (?, ?, 1, ?, '[]')`,
      tenant.id,
      consumer,
      position,
    )
    return { epoch: 1, state: { position, open: [] } }
  },

  dropCursor(sql: Sql, name: string, consumer: string): void {
    const tenant = findTenant(sql, name)
    if (tenant === undefined) return
    sql.run('DELETE FROM cursors WHERE tenant = ? AND consumer = ?', tenant.id, consumer)
    dropDeadOf(sql, tenant.id, consumer)
  },
}

export const cursorSaves = {
  saveCursor(sql: Sql, { tenant: name, consumer, epoch, state }: SaveCall): void {
    const changed = sql.run(
      `UPDATE cursors SET position = ?, open = ?
       WHERE tenant = (SELECT id FROM tenants WHERE name = ?) AND consumer = ? AND epoch = ?`,
      state.position,
      JSON.stringify(state.open.map(({ sequence, attempts, dueMs }) => [sequence, attempts, dueMs])),
      name,
      consumer,
      epoch,
    )
    if (changed === 0)
      throw new VelaError('VELA_EVENTS_FENCED', 'The consumer was taken over or removed; nothing was saved.')
  },
}

function stateOf(row: Row): CursorState {
  const open = json<[number, number, number][]>(row, 'open')
  return {
    position: integer(row, 'position'),
    open: open.map(([sequence, attempts, dueMs]): OpenEvent => ({ sequence, attempts, dueMs })),
  }
}
