/**
 * Services and tenants that have actors, on the store thread, and the sweep of what deleted ones leave: in steps small enough
 * that nobody waits long behind one.
 */
import type { Sql } from '../../../../registry/store/database.ts'
import { blob, integer, text } from '../../../../registry/store/rows.ts'
import type { ActorAddress } from '../../types.ts'
import { textOf } from './state.ts'

export interface ActorUsage {
  readonly bytes: number
  readonly actors: number
}

export interface StoredService {
  readonly tenant: string
  readonly service: string
}

const MAX_ROWS = 256
const MAX_ACTORS = 256

/** Where it stands, and what of it is not an entry. */
export interface StoredActor {
  readonly row: number
  readonly address: ActorAddress
  readonly version: number | null
  readonly alarmMs: number | null
}

const ACTORS_AT_ONCE = 256

export const serviceReads = {
  /** Of a tenant, or of one of its services. */
  usage(sql: Sql, tenant: string, service: string | null): ActorUsage {
    const row = sql.get(
      'SELECT sum(bytes) AS bytes, sum(actors) AS actors FROM services WHERE tenant = ?1 AND (?2 IS NULL OR name = ?2)',
      tenant,
      service,
    )
    if (row === undefined || row['bytes'] === null) return { bytes: 0, actors: 0 }
    return { bytes: integer(row, 'bytes'), actors: integer(row, 'actors') }
  },

  storedServices(sql: Sql): StoredService[] {
    return sql
      .all('SELECT tenant, name FROM services ORDER BY tenant, name')
      .map((row) => ({ tenant: text(row, 'tenant'), service: text(row, 'name') }))
  },

  storedActors(sql: Sql, tenant: string, service: string, after: number): StoredActor[] {
    return sql
      .all(
        `SELECT a.id, a.class, a.name, a.version, a.due FROM services s JOIN actors a ON a.service = s.id
         WHERE s.tenant = ? AND s.name = ? AND a.id > ? ORDER BY a.id LIMIT ?`,
        tenant,
        service,
        after,
        ACTORS_AT_ONCE,
      )
      .map((row) => ({
        row: integer(row, 'id'),
        address: { tenant, service, class: text(row, 'class'), name: textOf(blob(row, 'name')) },
        version: row['version'] === null ? null : integer(row, 'version'),
        alarmMs: row['due'] === null ? null : integer(row, 'due'),
      }))
  },
}

export const serviceWrites = {
  /** A service, or all of the tenant. */
  drop(sql: Sql, tenant: string, service: string | null): void {
    const which = 'FROM services WHERE tenant = ?1 AND (?2 IS NULL OR name = ?2)'
    sql.run(`INSERT INTO dropped (service) SELECT id ${which}`, tenant, service)
    sql.run(`DELETE ${which}`, tenant, service)
  },

  /** `next` null: there is nothing more. */
  sweep(sql: Sql): { readonly next: number | null } {
    const row = sql.get('SELECT service FROM dropped LIMIT 1')
    if (row === undefined) return { next: null }
    const service = integer(row, 'service')
    if (!sweepActors(sql, service)) {
      sql.run('DELETE FROM dead WHERE service = ?', service)
      sql.run('DELETE FROM dropped WHERE service = ?', service)
    }
    return { next: service }
  },
}

/** True if there was something to do. */
function sweepActors(sql: Sql, service: number): boolean {
  const actors = sql.all('SELECT id FROM actors WHERE service = ? LIMIT ?', service, MAX_ACTORS)
  let left = MAX_ROWS
  for (const actor of actors) {
    const id = integer(actor, 'id')
    left -= sql.run(
      'DELETE FROM state WHERE actor = ?1 AND key IN (SELECT key FROM state WHERE actor = ?1 LIMIT ?2)',
      id,
      left,
    )
    if (left <= 0) return true
    sql.run('DELETE FROM actors WHERE id = ?', id)
  }
  return actors.length > 0
}
