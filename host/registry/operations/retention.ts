/**
 * How long versions are kept: the newest of a service, whatever is active, and what a rollback would make active. It
 * runs inside the transaction of each activation; a rollback prunes nothing, so what it leaves stays until the next one.
 */
import type { RegistryContext } from '../context.ts'
import { sweepBundles } from './bundles.ts'
import { predecessor } from './trail.ts'

export const KEPT_VERSIONS = 20

export function pruneVersions(
  sql: RegistryContext['sql'],
  tenant: string,
  service: string,
  active: string,
): void {
  const pruned = sql.run(
    `DELETE FROM versions WHERE tenant = ?1 AND service = ?2 AND version <> ?3 AND version IS NOT ?4
       AND number NOT IN (SELECT number FROM versions WHERE tenant = ?1 AND service = ?2 ORDER BY number DESC LIMIT ?5)`,
    tenant,
    service,
    active,
    predecessor(sql, tenant, service, active) ?? null,
    KEPT_VERSIONS,
  )
  if (pruned > 0) sweepBundles(sql, tenant)
}
