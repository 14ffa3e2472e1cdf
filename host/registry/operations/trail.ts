/**
 * Which version is active, and where a rollback leads. Each service has a trail of activations; its end is the active
 * version. The rule:
 *  - activating a version puts it at the end, unless it is there already (deploying the same again is no step);
 *  - rolling back to a version that is in the trail cuts the trail behind its last place in it: what was rolled back from
 *    is left behind, and only its name, or a new deploy, brings it back;
 *  - rolling back to a stored version that is not in the trail puts it at the end, like an activation;
 *  - rolling back without a version means the nearest earlier one in the trail that differs from the active one, so
 *    doing it twice goes two versions back.
 * Invariants: after each operation the end of the trail is services.active_version; all in the caller's transaction.
 */
import type { RegistryContext } from '../context.ts'
import { integer, text } from '../store/rows.ts'

type Sql = RegistryContext['sql']

// Bounded, because deploying two versions in turn would let it grow for ever.
export const TRAIL_LENGTH = 50

export function pushTrail(sql: Sql, tenant: string, service: string, version: string, now: number): void {
  sql.run(
    'INSERT INTO trail (tenant, service, version, activated_at) VALUES (?, ?, ?, ?)',
    tenant,
    service,
    version,
    now,
  )
  sql.run(
    `DELETE FROM trail WHERE tenant = ?1 AND service = ?2 AND number <= (
       SELECT number FROM trail WHERE tenant = ?1 AND service = ?2 ORDER BY number DESC LIMIT 1 OFFSET ?3)`,
    tenant,
    service,
    TRAIL_LENGTH,
  )
}

/** Makes the last place of `version` the end of the trail; false when it has none. */
export function cutTrail(sql: Sql, tenant: string, service: string, version: string): boolean {
  const last = sql.get(
    'SELECT max(number) AS number FROM trail WHERE tenant = ? AND service = ? AND version = ?',
    tenant,
    service,
    version,
  )
  if (last === undefined || last['number'] === null) return false
  sql.run(
    'DELETE FROM trail WHERE tenant = ? AND service = ? AND number > ?',
    tenant,
    service,
    integer(last, 'number'),
  )
  return true
}

/** Where a rollback without a version leads. */
export function predecessor(sql: Sql, tenant: string, service: string, active: string): string | undefined {
  const row = sql.get(
    'SELECT version FROM trail WHERE tenant = ? AND service = ? AND version <> ? ORDER BY number DESC LIMIT 1',
    tenant,
    service,
    active,
  )
  return row === undefined ? undefined : text(row, 'version')
}
