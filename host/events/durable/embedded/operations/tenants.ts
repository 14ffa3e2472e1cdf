/** Tenants on the store thread: what they have, and the end of them. */
import { VelaError } from '../../../../core/errors.ts'
import type { Sql } from '../../../../registry/store/database.ts'
import { integer, text } from '../../../../registry/store/rows.ts'
import type { Row } from '../../../../registry/store/rows.ts'
import type { LogUsage } from '../../log.ts'

export interface TenantRow {
  readonly id: number
  readonly last: number
  readonly events: number
  readonly bytes: number
  readonly dead: number
}

export function findTenant(sql: Sql, name: string): TenantRow | undefined {
  const row = sql.get('SELECT id, last, events, bytes, dead FROM tenants WHERE name = ?', name)
  return row === undefined ? undefined : tenantOf(row)
}

/** Makes a row at the first use. */
export function tenantFor(sql: Sql, name: string): TenantRow {
  const known = findTenant(sql, name)
  if (known !== undefined) return known
  sql.run('INSERT INTO tenants (name, last, events, bytes, dead) VALUES (?, 0, 0, 0, 0)', name)
  const made = findTenant(sql, name)
  if (made === undefined)
    throw new VelaError('VELA_STORE_FAILED', 'A tenant that was just written is not there.')
  return made
}

const tenantOf = (row: Row): TenantRow => ({
  id: integer(row, 'id'),
  last: integer(row, 'last'),
  events: integer(row, 'events'),
  bytes: integer(row, 'bytes'),
  dead: integer(row, 'dead'),
})

export const tenantReads = {
  usage(sql: Sql, name: string): Omit<LogUsage, 'quotaBytes'> {
    const tenant = findTenant(sql, name)
    if (tenant === undefined) return { events: 0, bytes: 0, first: 1, last: 0 }
    const { events, bytes, last } = tenant
    const row = sql.get('SELECT seq FROM events WHERE tenant = ? ORDER BY seq LIMIT 1', tenant.id)
    return { events, bytes, first: row === undefined ? last + 1 : integer(row, 'seq'), last }
  },

  storedTenants(sql: Sql): string[] {
    return sql.all('SELECT name FROM tenants ORDER BY name').map((row) => text(row, 'name'))
  },
}

export const tenantWrites = {
  /** Unlinks all that the tenant stored; its room is swept later. */
  dropTenant(sql: Sql, name: string): void {
    sql.run('INSERT INTO dropped (tenant) SELECT id FROM tenants WHERE name = ?', name)
    sql.run('DELETE FROM tenants WHERE name = ?', name)
  },
}
