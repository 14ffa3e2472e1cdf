/**
 * Services and their versions on the store thread. Invariants: a service has exactly one active version, and that
 * version is stored (a foreign key holds it); versions are immutable.
 */
import { VelaError } from '../../core/errors.ts'
import type { RegistryContext } from '../context.ts'
import { integer, json, number, text } from '../store/rows.ts'
import type { Row } from '../store/rows.ts'
import type { Bundle, Deployment, Manifest, ServiceRecord } from '../types.ts'
import { digestContent } from '../version.ts'
import { keepBundle, readBundle, sweepBundles } from './bundles.ts'
import { pruneVersions } from './retention.ts'
import { requireTenant } from './tenants.ts'
import { cutTrail, predecessor, pushTrail } from './trail.ts'

type Sql = RegistryContext['sql']

/** A deployment whose manifest is canonical JSON already. */
export interface StoredDeployment extends Omit<Deployment, 'manifest'> {
  readonly manifest: string
}

export const serviceReads = {
  listServices({ sql }: RegistryContext, tenant: string | null): ServiceRecord[] {
    const rows =
      tenant === null
        ? sql.all('SELECT * FROM services ORDER BY tenant, service')
        : sql.all('SELECT * FROM services WHERE tenant = ? ORDER BY service', tenant)
    return rows.map(toService)
  },

  listVersions({ sql }: RegistryContext, tenant: string, service: string): Deployment[] {
    requireService(sql, tenant, service)
    const rows = sql.all(
      'SELECT * FROM versions WHERE tenant = ? AND service = ? ORDER BY number DESC',
      tenant,
      service,
    )
    return rows.map(toDeployment)
  },

  getDeployment(
    { sql }: RegistryContext,
    tenant: string,
    service: string,
    version: string,
  ): Deployment | undefined {
    const row = findVersion(sql, tenant, service, version)
    return row === undefined ? undefined : toDeployment(row)
  },

  rollbackTarget(
    { sql }: RegistryContext,
    tenant: string,
    service: string,
    version: string | null,
  ): Deployment {
    const target = findTarget(sql, tenant, service, version)
    return toDeployment(findVersion(sql, tenant, service, target) as Row)
  },

  getBundle({ sql }: RegistryContext, tenant: string, service: string, version: string): Bundle | undefined {
    return readBundle(sql, tenant, service, version)
  },
}

export const serviceWrites = {
  activate({ sql, now }: RegistryContext, deployment: StoredDeployment, bundle: Bundle): ServiceRecord {
    const { tenant, service, version } = deployment
    requireTenant(sql, tenant)
    const active = findService(sql, tenant, service)?.activeVersion
    if (active === undefined) insertService(sql, deployment, now())
    keepVersion(sql, deployment, bundle)
    if (active === version) return requireService(sql, tenant, service)
    pushTrail(sql, tenant, service, version, now())
    setActive(sql, tenant, service, version, now())
    pruneVersions(sql, tenant, service, version)
    return requireService(sql, tenant, service)
  },

  rollback(
    { sql, now }: RegistryContext,
    tenant: string,
    service: string,
    version: string | null,
  ): ServiceRecord {
    const { activeVersion } = requireService(sql, tenant, service)
    const target = findTarget(sql, tenant, service, version)
    if (target === activeVersion) return requireService(sql, tenant, service)
    if (!cutTrail(sql, tenant, service, target)) pushTrail(sql, tenant, service, target, now())
    setActive(sql, tenant, service, target, now())
    return requireService(sql, tenant, service)
  },

  setEngine({ sql }: RegistryContext, tenant: string, service: string, engine: string | null): ServiceRecord {
    sql.run('UPDATE services SET engine = ? WHERE tenant = ? AND service = ?', engine, tenant, service)
    return requireService(sql, tenant, service)
  },

  deleteService({ sql }: RegistryContext, tenant: string, service: string): void {
    requireService(sql, tenant, service)
    sql.run('DELETE FROM services WHERE tenant = ? AND service = ?', tenant, service)
    // A later service of the same name may be somebody else's work; it must not find these.
    sql.run('DELETE FROM secrets WHERE tenant = ? AND service = ?', tenant, service)
    sql.run('DELETE FROM grants WHERE tenant = ? AND service = ?', tenant, service)
    sweepBundles(sql, tenant)
  },
}

export function keepVersion(sql: Sql, deployment: StoredDeployment, bundle: Bundle): void {
  const { tenant, service, version, manifest, sizeBytes, startupMs, createdAt } = deployment
  const startsAtOnce = deployment.startsAtOnce === true ? 1 : 0
  const digest = digestContent(bundle, manifest)
  if (digest.version !== version) {
    throw new VelaError(
      'VELA_DEPLOY_INVALID_MANIFEST',
      `The content of ${tenant}/${service} is version ${digest.version}, not ${version}. Name it with versionOf().`,
    )
  }
  const known = sql.get(
    'SELECT 1 FROM versions WHERE tenant = ? AND service = ? AND version = ? AND content_digest = ?',
    tenant,
    service,
    version,
    digest.content,
  )
  if (known !== undefined) return
  if (findVersion(sql, tenant, service, version) !== undefined) {
    throw new VelaError(
      'VELA_DEPLOY_INVALID_MANIFEST',
      `${tenant}/${service} has another version named ${version}. Change the source, a comment will do, and deploy again.`,
    )
  }
  keepBundle(sql, tenant, digest.bundle, bundle)
  sql.run(
    `INSERT INTO versions (tenant, service, version, content_digest, bundle_digest, manifest, size_bytes, startup_ms, starts_at_once, created_at)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    tenant,
    service,
    version,
    digest.content,
    digest.bundle,
    manifest,
    sizeBytes,
    startupMs,
    startsAtOnce,
    createdAt,
  )
}

/** The version to go back to; it is stored. */
function findTarget(sql: Sql, tenant: string, service: string, version: string | null): string {
  const { activeVersion } = requireService(sql, tenant, service)
  const target = version ?? predecessor(sql, tenant, service, activeVersion)
  if (target === undefined) throw noVersion(`${tenant}/${service} has no earlier version to go back to.`)
  if (findVersion(sql, tenant, service, target) !== undefined) return target
  throw noVersion(
    `${tenant}/${service} has no version ${target}. "vela versions ${tenant}/${service}" lists them.`,
  )
}

function insertService(sql: Sql, deployment: StoredDeployment, now: number): void {
  const { tenant, service, version } = deployment
  sql.run(
    'INSERT INTO services (tenant, service, active_version, updated_at) VALUES (?, ?, ?, ?)',
    tenant,
    service,
    version,
    now,
  )
}

function setActive(sql: Sql, tenant: string, service: string, version: string, now: number): void {
  sql.run(
    'UPDATE services SET active_version = ?, updated_at = ? WHERE tenant = ? AND service = ?',
    version,
    now,
    tenant,
    service,
  )
}

function findVersion(sql: Sql, tenant: string, service: string, version: string): Row | undefined {
  return sql.get(
    'SELECT * FROM versions WHERE tenant = ? AND service = ? AND version = ?',
    tenant,
    service,
    version,
  )
}

function findService(sql: Sql, tenant: string, service: string): ServiceRecord | undefined {
  const row = sql.get('SELECT * FROM services WHERE tenant = ? AND service = ?', tenant, service)
  return row === undefined ? undefined : toService(row)
}

function requireService(sql: Sql, tenant: string, service: string): ServiceRecord {
  const found = findService(sql, tenant, service)
  if (found !== undefined) return found
  requireTenant(sql, tenant)
  throw new VelaError('VELA_SERVICE_NOT_FOUND', `The tenant ${tenant} has no service ${service}.`, {
    details: { tenant, service },
  })
}

function noVersion(message: string): VelaError {
  return new VelaError('VELA_VERSION_NOT_FOUND', message)
}

function toService(row: Row): ServiceRecord {
  const engine = row['engine']
  return {
    tenant: text(row, 'tenant'),
    service: text(row, 'service'),
    activeVersion: text(row, 'active_version'),
    updatedAt: integer(row, 'updated_at'),
    ...(engine === 'v8' || engine === 'quickjs' ? { engineOverride: engine } : {}),
  }
}

function toDeployment(row: Row): Deployment {
  return {
    tenant: text(row, 'tenant'),
    service: text(row, 'service'),
    version: text(row, 'version'),
    manifest: json<Manifest>(row, 'manifest'),
    sizeBytes: integer(row, 'size_bytes'),
    startupMs: number(row, 'startup_ms'),
    ...(integer(row, 'starts_at_once') === 1 ? { startsAtOnce: true } : {}),
    createdAt: integer(row, 'created_at'),
  }
}
