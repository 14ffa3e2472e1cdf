/** Operators' decisions about capabilities, on the store thread. They belong to a service by name, as secrets do. */
import type { RegistryContext } from '../context.ts'
import { text } from '../store/rows.ts'
import type { GrantDecision } from '../types.ts'
import { requireTenant } from './tenants.ts'

export const grantReads = {
  listGrants({ sql }: RegistryContext): GrantDecision[] {
    const rows = sql.all('SELECT tenant, service, binding, state, asked FROM grants ORDER BY 1, 2, 3')
    return rows.map((row) => ({
      tenant: text(row, 'tenant'),
      service: text(row, 'service'),
      binding: text(row, 'binding'),
      state: text(row, 'state') === 'granted' ? 'granted' : 'revoked',
      asked: text(row, 'asked'),
    }))
  },
}

export const grantWrites = {
  setGrant(
    { sql, now }: RegistryContext,
    tenant: string,
    service: string,
    binding: string,
    decision: { readonly state: string; readonly asked: string } | null,
  ): void {
    requireTenant(sql, tenant)
    if (decision === null) {
      sql.run('DELETE FROM grants WHERE tenant = ? AND service = ? AND binding = ?', tenant, service, binding)
      return
    }
    sql.run(
      'INSERT OR REPLACE INTO grants (tenant, service, binding, state, asked, updated_at) VALUES (?, ?, ?, ?, ?, ?)',
      tenant,
      service,
      binding,
      decision.state,
      decision.asked,
      now(),
    )
  },
}
