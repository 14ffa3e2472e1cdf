/**
 * Secrets on the store thread. They belong to a tenant and the name of a service, so they can be put before the first
 * deploy, which may need them to start; deleting the service deletes them.
 */
import { VelaError } from '../../core/errors.ts'
import type { RegistryContext } from '../context.ts'
import { blob, integer, text } from '../store/rows.ts'
import { requireTenant } from './tenants.ts'

// All of them travel with every load of the service.
export const MAX_SECRETS = 128

export const secretReads = {
  listSecrets({ sql }: RegistryContext, tenant: string, service: string): string[] {
    requireTenant(sql, tenant)
    const rows = sql.all(
      'SELECT key FROM secrets WHERE tenant = ? AND service = ? ORDER BY key',
      tenant,
      service,
    )
    return rows.map((row) => text(row, 'key'))
  },

  readSecrets({ sql, secrets }: RegistryContext, tenant: string, service: string): Record<string, string> {
    requireTenant(sql, tenant)
    const rows = sql.all(
      'SELECT key, sealed FROM secrets WHERE tenant = ? AND service = ? ORDER BY key',
      tenant,
      service,
    )
    return Object.fromEntries(
      rows.map((row) => {
        const key = text(row, 'key')
        return [key, secrets.open({ tenant, service, key }, blob(row, 'sealed'))]
      }),
    )
  },
}

export const secretWrites = {
  putSecret(
    { sql, secrets, now }: RegistryContext,
    tenant: string,
    service: string,
    key: string,
    value: string,
  ): void {
    requireTenant(sql, tenant)
    const others = sql.get(
      'SELECT count(*) AS count FROM secrets WHERE tenant = ? AND service = ? AND key <> ?',
      tenant,
      service,
      key,
    )
    if (others !== undefined && integer(others, 'count') >= MAX_SECRETS) {
      throw new VelaError(
        'VELA_TENANT_QUOTA_EXCEEDED',
        `${tenant}/${service} has ${MAX_SECRETS} secrets, which is as many as it may have. Delete one first.`,
      )
    }
    sql.run(
      'INSERT OR REPLACE INTO secrets (tenant, service, key, sealed, updated_at) VALUES (?, ?, ?, ?, ?)',
      tenant,
      service,
      key,
      secrets.seal({ tenant, service, key }, value),
      now(),
    )
  },

  deleteSecret({ sql }: RegistryContext, tenant: string, service: string, key: string): void {
    requireTenant(sql, tenant)
    const deleted = sql.run(
      'DELETE FROM secrets WHERE tenant = ? AND service = ? AND key = ?',
      tenant,
      service,
      key,
    )
    if (deleted > 0) return
    throw new VelaError('VELA_SECRET_NOT_FOUND', `${tenant}/${service} has no secret ${key}.`, {
      details: { tenant, service, key },
    })
  },
}
