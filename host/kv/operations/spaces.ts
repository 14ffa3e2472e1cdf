/** Tenants and their namespaces on the store thread. */
import { VelaError } from '../../core/errors.ts'
import type { Sql } from '../../registry/store/database.ts'
import { integer, text } from '../../registry/store/rows.ts'
import { MAX_NAMESPACES } from '../types.ts'
import type { KvUsage } from '../types.ts'

/** The numbers under which a namespace is found. */
export interface Space {
  readonly id: number
  readonly tenant: number
}

export const spaceReads = {
  usage(sql: Sql, tenant: string): KvUsage {
    const row = sql.get('SELECT bytes, keys FROM tenants WHERE name = ?', tenant)
    return row === undefined
      ? { bytes: 0, keys: 0 }
      : { bytes: integer(row, 'bytes'), keys: integer(row, 'keys') }
  },

  tenants(sql: Sql): string[] {
    return sql.all('SELECT name FROM tenants ORDER BY name').map((row) => text(row, 'name'))
  },
}

export const spaceWrites = {
  openSpace(sql: Sql, tenantName: string, name: string, most: number = MAX_NAMESPACES): Space {
    const tenant = idOf(sql, TENANT, tenantName) ?? makeTenant(sql, tenantName)
    const known = idOf(sql, SPACE, tenant, name)
    if (known !== undefined) return { id: known, tenant }
    checkNamespaces(sql, tenant, most)
    sql.run('INSERT INTO spaces (tenant, name) VALUES (?, ?)', tenant, name)
    return { id: idOf(sql, SPACE, tenant, name) ?? never(), tenant }
  },

  dropTenant(sql: Sql, name: string): void {
    const tenant = idOf(sql, TENANT, name)
    if (tenant === undefined) return
    sql.run('INSERT INTO dropped (space) SELECT id FROM spaces WHERE tenant = ?', tenant)
    sql.run('DELETE FROM spaces WHERE tenant = ?', tenant)
    sql.run('DELETE FROM tenants WHERE id = ?', tenant)
  },
}

const TENANT = 'SELECT id FROM tenants WHERE name = ?'
const SPACE = 'SELECT id FROM spaces WHERE tenant = ? AND name = ?'

/** Throws VELA_KV_QUOTA_EXCEEDED if the tenant has `most` of them. */
export function checkNamespaces(sql: Sql, tenant: number, most: number = MAX_NAMESPACES): void {
  const others = sql.get('SELECT count(*) AS count FROM spaces WHERE tenant = ?', tenant)
  if (others === undefined || integer(others, 'count') < most) return
  throw new VelaError(
    'VELA_KV_QUOTA_EXCEEDED',
    `The tenant has ${most} namespaces, which is as many as it may have.`,
  )
}

function makeTenant(sql: Sql, name: string): number {
  sql.run('INSERT INTO tenants (name, version, bytes, keys) VALUES (?, 0, 0, 0)', name)
  return idOf(sql, TENANT, name) ?? never()
}

function never(): never {
  throw new Error('a row that was just written is not there')
}

function idOf(sql: Sql, query: string, ...values: (string | number)[]): number | undefined {
  const row = sql.get(query, ...values)
  return row === undefined ? undefined : integer(row, 'id')
}
