/**
 * Keys and values on the store thread. Invariants: a tenant's `bytes` and `keys` are the sums over its entries, kept in
 * the same transaction; quota and expected version are checked before anything is written. `nowMs` comes with each
 * call, so that the host's two threads never disagree on what has expired.
 */
import { VelaError } from '../../core/errors.ts'
import type { Sql } from '../../registry/store/database.ts'
import { blob, integer, textOrNull } from '../../registry/store/rows.ts'
import type { Row } from '../../registry/store/rows.ts'
import { conflict } from '../check.ts'
import { KEY_OVERHEAD_BYTES, MEBIBYTE } from '../types.ts'
import { sweepTenant } from './sweep.ts'

export interface Found {
  /** null if there was no room for it in the answer. */
  readonly value: Uint8Array | null
  readonly metadata: string | null
  readonly version: number
  readonly expiresAtMs: number | null
}

export interface FoundMany {
  readonly entries: readonly (Found | null)[]
  /** Of all values, also of those left out. */
  readonly totalBytes: number
}

export interface PutCall {
  readonly space: number
  readonly tenant: number
  readonly key: string
  readonly value: Uint8Array
  readonly metadata: string | null
  readonly expiresAtMs: number | null
  readonly ifVersion: number | null
  readonly quotaBytes: number
  readonly nowMs: number
}

export const entryReads = {
  read(sql: Sql, space: number, keys: readonly string[], roomBytes: number, nowMs: number): FoundMany {
    let totalBytes = 0
    const entries = keys.map((key): Found | null => {
      const row = sql.get(
        `SELECT version, expires, metadata, length(value) AS bytes, CASE WHEN length(value) <= ? THEN value END AS value
         FROM entries WHERE space = ? AND key = ?`,
        roomBytes - totalBytes,
        space,
        Buffer.from(key),
      )
      if (row === undefined || hasExpired(row, nowMs)) return null
      totalBytes += integer(row, 'bytes')
      return {
        value: row['value'] === null ? null : blob(row, 'value'),
        metadata: textOrNull(row, 'metadata'),
        version: integer(row, 'version'),
        expiresAtMs: expiryOf(row),
      }
    })
    return { entries, totalBytes }
  },
}

/** Refuse before they change anything that would have to be undone; what a sweep removed may stay removed. */
export const entryWrites = {
  /** The new version. */
  put(sql: Sql, call: PutCall): number {
    const { space, value, metadata, expiresAtMs } = call
    const key = Buffer.from(call.key)
    const size =
      KEY_OVERHEAD_BYTES + key.length + value.length + (metadata === null ? 0 : Buffer.byteLength(metadata))
    const version = charge(sql, call, key, size) ?? chargeAfterSweep(sql, call, key, size)
    sql.run(
      'INSERT OR REPLACE INTO entries (space, key, version, expires, size, metadata, value) VALUES (?, ?, ?, ?, ?, ?, ?)',
      space,
      key,
      version,
      expiresAtMs,
      size,
      metadata,
      value,
    )
    return version
  },

  /** Whether there was such a key. */
  delete(
    sql: Sql,
    space: number,
    tenant: number,
    name: string,
    ifVersion: number | null,
    nowMs: number,
  ): boolean {
    const key = Buffer.from(name)
    const old = find(sql, space, key)
    const isThere = old !== undefined && !hasExpired(old, nowMs)
    expectVersion(isThere ? integer(old, 'version') : 0, ifVersion)
    if (old === undefined) return false
    sql.run('DELETE FROM entries WHERE space = ? AND key = ?', space, key)
    sql.run(
      'UPDATE tenants SET bytes = bytes - ?, keys = keys - 1 WHERE id = ?',
      integer(old, 'size'),
      tenant,
    )
    return isThere
  },
}

/** Counts the entry against the quota and gives it a version; undefined if there is no room for it. */
function charge(sql: Sql, call: PutCall, key: Uint8Array, size: number): number | undefined {
  const old = find(sql, call.space, key)
  expectVersion(
    old === undefined || hasExpired(old, call.nowMs) ? 0 : integer(old, 'version'),
    call.ifVersion,
  )
  const more = old === undefined ? size : size - integer(old, 'size')
  const row = sql.get(
    `UPDATE tenants SET version = version + 1, bytes = bytes + ?, keys = keys + ?
     WHERE id = ? AND (? <= 0 OR bytes + ? <= ?) RETURNING version`,
    more,
    old === undefined ? 1 : 0,
    call.tenant,
    more,
    more,
    call.quotaBytes,
  )
  return row === undefined ? undefined : integer(row, 'version')
}

// What has expired and was not swept yet must not be held against the tenant.
function chargeAfterSweep(sql: Sql, call: PutCall, key: Uint8Array, size: number): number {
  const stored = (): Row | undefined => sql.get('SELECT bytes FROM tenants WHERE id = ?', call.tenant)
  if (stored() === undefined) throw new VelaError('VELA_TENANT_NOT_FOUND', 'The tenant was deleted.')
  sweepTenant(sql, call.tenant, call.nowMs)
  const version = charge(sql, call, key, size)
  if (version !== undefined) return version
  const left = stored()
  return tooMuch(size, left === undefined ? 0 : integer(left, 'bytes'), call.quotaBytes)
}

export function tooMuch(size: number, stored: number, quotaBytes: number): never {
  throw new VelaError(
    'VELA_KV_QUOTA_EXCEEDED',
    `Not stored: it takes ${size} bytes, and the tenant has ${stored} of the ${quotaBytes} bytes (${Math.floor(quotaBytes / MEBIBYTE)} MiB) that it may store.`,
    { details: { quotaBytes } },
  )
}

/** What stands there of the entry, without its value; expired or not. */
export function find(sql: Sql, space: number, key: Uint8Array): Row | undefined {
  return sql.get('SELECT version, expires, size FROM entries WHERE space = ? AND key = ?', space, key)
}

function expectVersion(version: number, expected: number | null): void {
  if (expected !== null && expected !== version) conflict(version)
}

export function expiryOf(row: Row): number | null {
  return row['expires'] === null ? null : integer(row, 'expires')
}

export function hasExpired(row: Row, nowMs: number): boolean {
  const expires = expiryOf(row)
  return expires !== null && expires <= nowMs
}
