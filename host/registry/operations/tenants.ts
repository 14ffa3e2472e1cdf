/** Tenants on the store thread. Everything a tenant owns goes with it, tokens too: a later tenant of the same name starts with nothing. */
import { VelaError } from '../../core/errors.ts'
import type { RegistryContext } from '../context.ts'
import { integer, json, text } from '../store/rows.ts'
import type { Row } from '../store/rows.ts'
import type { Tenant } from '../types.ts'

export const tenantReads = {
  getTenant({ sql }: RegistryContext, tenant: string): Tenant | undefined {
    const row = sql.get('SELECT * FROM tenants WHERE tenant = ?', tenant)
    return row === undefined ? undefined : toTenant(row)
  },

  listTenants({ sql }: RegistryContext): Tenant[] {
    return sql.all('SELECT * FROM tenants ORDER BY tenant').map(toTenant)
  },
}

export const tenantWrites = {
  createTenant({ sql, now }: RegistryContext, tenant: string, limits: string): Tenant {
    const made = sql.run(
      'INSERT INTO tenants (tenant, limits, created_at) VALUES (?, ?, ?) ON CONFLICT DO NOTHING',
      tenant,
      limits,
      now(),
    )
    if (made === 0) throw new VelaError('VELA_TENANT_EXISTS', `The tenant ${tenant} exists already.`)
    return toTenant(requireTenant(sql, tenant))
  },

  deleteTenant({ sql }: RegistryContext, tenant: string, force: boolean): void {
    requireTenant(sql, tenant)
    const services = sql.all('SELECT service FROM services WHERE tenant = ? ORDER BY service LIMIT 5', tenant)
    if (services.length > 0 && !force) {
      const names = services.map((row) => text(row, 'service')).join(', ')
      throw new VelaError(
        'VELA_TENANT_NOT_EMPTY',
        `The tenant ${tenant} still has services (${names}). Delete them first, or delete with force.`,
      )
    }
    sql.run('DELETE FROM services WHERE tenant = ?', tenant)
    sql.run('DELETE FROM tenants WHERE tenant = ?', tenant)
  },
}

export function requireTenant(sql: RegistryContext['sql'], tenant: string): Row {
  const row = sql.get('SELECT * FROM tenants WHERE tenant = ?', tenant)
  if (row !== undefined) return row
  throw new VelaError('VELA_TENANT_NOT_FOUND', `There is no tenant ${tenant}. Create it first.`, {
    details: { tenant },
  })
}

function toTenant(row: Row): Tenant {
  return {
    name: text(row, 'tenant'),
    limits: json<Tenant['limits']>(row, 'limits'),
    createdAt: integer(row, 'created_at'),
  }
}
