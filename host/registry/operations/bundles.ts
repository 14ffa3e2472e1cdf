/**
 * The code of versions, compressed, once per tenant and digest. What is read is digested again, so a damaged bundle is
 * reported and never run.
 */
import { zstdCompressSync, zstdDecompressSync } from 'node:zlib'
import { VelaError } from '../../core/errors.ts'
import type { RegistryContext } from '../context.ts'
import { blob, blobOrNull } from '../store/rows.ts'
import type { Bundle } from '../types.ts'
import { digestBundle } from '../version.ts'

type Sql = RegistryContext['sql']

export function keepBundle(sql: Sql, tenant: string, digest: Uint8Array, bundle: Bundle): void {
  if (sql.get('SELECT 1 FROM bundles WHERE tenant = ? AND digest = ?', tenant, digest) !== undefined) return
  sql.run(
    'INSERT INTO bundles (tenant, digest, source, source_map) VALUES (?, ?, ?, ?)',
    tenant,
    digest,
    zstdCompressSync(bundle.source),
    bundle.sourceMap === null ? null : zstdCompressSync(bundle.sourceMap),
  )
}

export function readBundle(sql: Sql, tenant: string, service: string, version: string): Bundle | undefined {
  const row = sql.get(
    `SELECT digest, source, source_map FROM versions JOIN bundles
       ON bundles.tenant = versions.tenant AND bundles.digest = versions.bundle_digest
     WHERE versions.tenant = ? AND service = ? AND version = ?`,
    tenant,
    service,
    version,
  )
  if (row === undefined) return undefined
  const map = blobOrNull(row, 'source_map')
  const bundle = unpack(blob(row, 'source'), map)
  if (bundle !== undefined && Buffer.compare(digestBundle(bundle), blob(row, 'digest')) === 0) return bundle
  throw new VelaError(
    'VELA_STORE_DAMAGED',
    `The code of ${tenant}/${service} ${version} is damaged in the store. Deploy the service again, or restore a backup.`,
    { details: { tenant, service, version } },
  )
}

/** Drops what no version refers to any more. */
export function sweepBundles(sql: Sql, tenant: string): void {
  sql.run(
    `DELETE FROM bundles WHERE tenant = ? AND NOT EXISTS (
       SELECT 1 FROM versions WHERE versions.tenant = bundles.tenant AND bundle_digest = bundles.digest)`,
    tenant,
  )
}

function unpack(source: Uint8Array, map: Uint8Array | null): Bundle | undefined {
  try {
    return {
      source: zstdDecompressSync(source).toString('utf8'),
      sourceMap: map === null ? null : zstdDecompressSync(map).toString('utf8'),
    }
  } catch {
    return undefined
  }
}
