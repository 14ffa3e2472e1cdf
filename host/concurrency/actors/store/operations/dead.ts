/** Dead letters on the store thread: the last thousand of each service, so that nothing a guest does makes them grow. */
import type { Sql } from '../../../../registry/store/database.ts'
import { blob, integer, text, textOrNull } from '../../../../registry/store/rows.ts'
import { MAX_DEAD_LETTERS } from '../../types.ts'
import type { DeadLetter } from '../../types.ts'
import { serviceFor } from './change.ts'
import { textOf } from './state.ts'

export interface DeadLetterCall extends DeadLetter {
  readonly tenant: string
  readonly service: string
}

export const deadReads = {
  /** The latest first. */
  deadLetters(sql: Sql, tenant: string, service: string, limit: number): DeadLetter[] {
    return sql
      .all(
        `SELECT d.class, d.name, d.method, d.reason, d.at, d.args FROM dead d JOIN services s ON s.id = d.service
         WHERE s.tenant = ? AND s.name = ? ORDER BY d.id DESC LIMIT ?`,
        tenant,
        service,
        limit,
      )
      .map((row) => ({
        class: text(row, 'class'),
        name: textOf(blob(row, 'name')),
        method: text(row, 'method'),
        reason: text(row, 'reason'),
        at: integer(row, 'at'),
        args: textOrNull(row, 'args'),
      }))
  },

  countDead(sql: Sql, tenant: string, service: string): number {
    const row = sql.get(
      'SELECT count(*) AS count FROM dead WHERE service = (SELECT id FROM services WHERE tenant = ? AND name = ?)',
      tenant,
      service,
    )
    return row === undefined ? 0 : integer(row, 'count')
  },
}

export const deadWrites = {
  addDead(sql: Sql, letter: DeadLetterCall): void {
    const service = serviceFor(sql, letter)
    sql.run(
      'INSERT INTO dead (service, class, name, method, reason, at, args) VALUES (?, ?, ?, ?, ?, ?, ?)',
      service,
      letter.class,
      Buffer.from(letter.name),
      letter.method,
      letter.reason,
      letter.at,
      letter.args,
    )
    sql.run(
      'DELETE FROM dead WHERE service = ?1 AND id <= (SELECT id FROM dead WHERE service = ?1 ORDER BY id DESC LIMIT 1 OFFSET ?2)',
      service,
      MAX_DEAD_LETTERS,
    )
  },
}
