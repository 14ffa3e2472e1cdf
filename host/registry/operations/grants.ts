/** Operators' decisions about capabilities, on the store thread. They belong to a service by name, as secrets do. */
import type { RegistryContext } from '../context.ts'
import { text, type Row } from '../store/rows.ts'
import type { GrantDecision } from '../types.ts'
import { requireTenant } from './tenants.ts'

const SELECT = 'SELECT tenant, service, binding, state, asked FROM grants'

const readGrant = (row: Row): GrantDecision => ({
  tenant: text(row, 'tenant'),
  service: text(row, 'service'),
  binding: text(row, 'binding'),
  state: text(row, 'state') === 'granted' ? 'granted' : 'revoked',
  asked: text(row, 'asked'),
})

export const grantReads = {
  listGrants: ({ sql }: RegistryContext): GrantDecision[] =>
    sql.all(`${SELECT} ORDER BY 1, 2, 3`).map(readGrant),
  listGrantsOf: ({ sql }: RegistryContext, tenant: string, service: string): GrantDecision[] =>
    sql.all(`${SELECT} WHERE tenant = ? AND service = ? ORDER BY 3`, tenant, service).map(readGrant),
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
