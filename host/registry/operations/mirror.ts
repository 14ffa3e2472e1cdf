/**
 * The store as one host's copy of a cluster's registry: what the cluster says is written as it is, without the rules that made
 * it so (those ran where the change was made). Each operation sets a whole state, so doing it twice does nothing more, and a
 * service with its active version is one transaction: no half of a deploy is ever stored.
 */
import type { RegistryContext } from '../context.ts'
import { blob, integer, json, text, textOrNull } from '../store/rows.ts'
import type { Bundle, Scope } from '../types.ts'
import { sweepBundles } from './bundles.ts'
import { keepVersion, type StoredDeployment } from './services.ts'

/** A token with the digest of its text. */
export interface MirroredToken {
  readonly id: string
  readonly tenant: string | null
  readonly scopes: readonly Scope[]
  readonly createdAt: number
  readonly digest: Uint8Array
}

export interface MirroredService {
  readonly tenant: string
  readonly service: string
  readonly activeVersion: string
  readonly updatedAt: number
  readonly engine: string | null
  /** Every version there is, oldest first; those that are not stored here are left out of the copy. */
  readonly versions: readonly string[]
  /** Activations, the active version last. */
  readonly trail: readonly string[]
}

export const mirrorReads = {
  /** The cluster that this store is a copy of. */
  mirroredCluster({ sql }: RegistryContext): string | undefined {
    const row = sql.get(`SELECT value FROM meta WHERE key = 'cluster'`)
    return row === undefined ? undefined : Buffer.from(blob(row, 'value')).toString('utf8')
  },

  mirroredTokens({ sql }: RegistryContext): MirroredToken[] {
    return sql.all('SELECT * FROM tokens ORDER BY created_at, id').map((row) => ({
      id: text(row, 'id'),
      tenant: textOrNull(row, 'tenant'),
      scopes: json<Scope[]>(row, 'scopes'),
      createdAt: integer(row, 'created_at'),
      digest: blob(row, 'digest'),
    }))
  },

  /** Names of services that have secrets, also those that were never deployed. */
  placesWithSecrets({ sql }: RegistryContext): { tenant: string; service: string }[] {
    const rows = sql.all('SELECT DISTINCT tenant, service FROM secrets ORDER BY 1, 2')
    return rows.map((row) => ({ tenant: text(row, 'tenant'), service: text(row, 'service') }))
  },

  /** Activations of a service, the active version last. */
  trailOf({ sql }: RegistryContext, tenant: string, service: string): string[] {
    const rows = sql.all(
      'SELECT version FROM trail WHERE tenant = ? AND service = ? ORDER BY number',
      tenant,
      service,
    )
    return rows.map((row) => text(row, 'version'))
  },
}

export const mirrorWrites = {
  setMirroredCluster({ sql }: RegistryContext, id: string): void {
    sql.run(`INSERT OR REPLACE INTO meta (key, value) VALUES ('cluster', ?)`, Buffer.from(id))
  },

  mirrorTenant({ sql }: RegistryContext, tenant: string, limits: string, createdAt: number): void {
    sql.run(
      `INSERT INTO tenants (tenant, limits, created_at) VALUES (?1, ?2, ?3)
         ON CONFLICT (tenant) DO UPDATE SET limits = ?2, created_at = ?3`,
      tenant,
      limits,
      createdAt,
    )
  },

  /** `added`: versions that may not be stored here yet; the active one must be, or be among them. */
  mirrorService(
    { sql }: RegistryContext,
    mirrored: MirroredService,
    added: readonly { readonly deployment: StoredDeployment; readonly bundle: Bundle }[],
  ): void {
    const { tenant, service, activeVersion, updatedAt, engine, versions, trail } = mirrored
    sql.run(
      `INSERT INTO services (tenant, service, active_version, updated_at, engine) VALUES (?1, ?2, ?3, ?4, ?5)
         ON CONFLICT (tenant, service) DO UPDATE SET active_version = ?3, updated_at = ?4, engine = ?5`,
      tenant,
      service,
      activeVersion,
      updatedAt,
      engine,
    )
    for (const { deployment, bundle } of added) keepVersion(sql, deployment, bundle)
    const stored = sql.all('SELECT version FROM versions WHERE tenant = ? AND service = ?', tenant, service)
    const here = new Set(stored.map((row) => text(row, 'version')))
    for (const version of here)
      if (!versions.includes(version))
        sql.run(
          'DELETE FROM versions WHERE tenant = ? AND service = ? AND version = ?',
          tenant,
          service,
          version,
        )
    sweepBundles(sql, tenant)
    sql.run('DELETE FROM trail WHERE tenant = ? AND service = ?', tenant, service)
    for (const version of trail)
      if (here.has(version) && versions.includes(version))
        sql.run(
          'INSERT INTO trail (tenant, service, version, activated_at) VALUES (?, ?, ?, ?)',
          tenant,
          service,
          version,
          updatedAt,
        )
  },

  mirrorToken({ sql }: RegistryContext, token: MirroredToken): void {
    const { id, tenant, scopes, createdAt, digest } = token
    sql.run('DELETE FROM tokens WHERE digest = ? OR id = ?', digest, id)
    sql.run(
      'INSERT INTO tokens (id, tenant, scopes, hint, digest, created_at) VALUES (?, ?, ?, ?, ?, ?)',
      id,
      tenant,
      JSON.stringify(scopes),
      Buffer.from(digest).readUInt32BE(0),
      digest,
      createdAt,
    )
  },
}
