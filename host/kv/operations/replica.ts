/**
 * The store as a copy of a journal, on the store thread. Invariants: a batch and the place it leads to are one transaction, so
 * that each change is carried out once whatever happens in between; versions are places in the journal, so every copy
 * gives the same ones.
 */
import { VelaError } from '../../core/errors.ts'
import type { Sql } from '../../registry/store/database.ts'
import { blob, integer, text, textOrNull } from '../../registry/store/rows.ts'
import { KEY_OVERHEAD_BYTES, MEBIBYTE } from '../types.ts'
import type { KvChange, KvExpired, KvIntent, KvPlace, KvStanding } from '../types.ts'
import { expiryOf, find, hasExpired, tooMuch } from './entries.ts'
import { checkNamespaces, spaceWrites } from './spaces.ts'

export interface Position {
  readonly journal: string
  readonly sequence: number
}

export interface ReplicaPage {
  readonly changes: readonly Extract<KvChange, { key: string }>[]
  readonly next: KvPlace | null
}

const PAGE_KEYS = 256
const PAGE_BYTES = 8 * MEBIBYTE

export const replicaReads = {
  position(sql: Sql): Position | null {
    const row = sql.get('SELECT name, applied FROM journal')
    return row === undefined ? null : { journal: text(row, 'name'), sequence: integer(row, 'applied') }
  },

  admit(sql: Sql, { tenant, namespace, key, bytes, quotaBytes, nowMs }: KvIntent): KvStanding {
    const name = Buffer.from(key)
    const owner = sql.get('SELECT id, bytes FROM tenants WHERE name = ?', tenant)
    const space =
      owner && sql.get('SELECT id FROM spaces WHERE tenant = ? AND name = ?', integer(owner, 'id'), namespace)
    if (owner !== undefined && space === undefined && bytes !== null)
      checkNamespaces(sql, integer(owner, 'id'))
    const old = space && find(sql, integer(space, 'id'), name)
    if (bytes !== null) {
      const stored = owner === undefined ? 0 : integer(owner, 'bytes')
      const size = KEY_OVERHEAD_BYTES + name.length + bytes
      const more = size - (old === undefined ? 0 : integer(old, 'size'))
      if (more > 0 && stored + more > quotaBytes) tooMuch(size, stored, quotaBytes)
    }
    if (old === undefined) return { version: 0, stored: 0 }
    const version = integer(old, 'version')
    return { version: hasExpired(old, nowMs) ? 0 : version, stored: version }
  },

  page(sql: Sql, after: KvPlace | null): ReplicaPage {
    const rows = sql.all(
      `SELECT entries.space, entries.key, entries.version, expires, metadata, length(value) AS bytes,
              tenants.name AS tenant, spaces.name AS namespace
       FROM entries JOIN spaces ON spaces.id = entries.space JOIN tenants ON tenants.id = spaces.tenant
       WHERE (entries.space, entries.key) > (?, ?) ORDER BY entries.space, entries.key LIMIT ?`,
      after?.space ?? 0,
      after?.key ?? Buffer.alloc(0),
      PAGE_KEYS,
    )
    const changes: Extract<KvChange, { key: string }>[] = []
    let bytes = 0
    let last: KvPlace | null = null
    for (const row of rows) {
      if (changes.length > 0 && bytes + integer(row, 'bytes') > PAGE_BYTES) break
      bytes += integer(row, 'bytes')
      last = { space: integer(row, 'space'), key: blob(row, 'key') }
      const found = sql.get('SELECT value FROM entries WHERE space = ? AND key = ?', last.space, last.key)
      changes.push({
        tenant: text(row, 'tenant'),
        namespace: text(row, 'namespace'),
        key: Buffer.from(last.key).toString('utf8'),
        put: {
          value: found === undefined ? new Uint8Array(0) : blob(found, 'value'),
          metadata: textOrNull(row, 'metadata'),
          expiresAtMs: expiryOf(row),
        },
        sequence: integer(row, 'version'),
      })
    }
    return { changes, next: changes.length < rows.length || rows.length === PAGE_KEYS ? last : null }
  },

  expired(sql: Sql, nowMs: number, most: number): KvExpired[] {
    return sql
      .all(
        `SELECT entries.key, entries.version, tenants.name AS tenant, spaces.name AS namespace
         FROM entries JOIN spaces ON spaces.id = entries.space JOIN tenants ON tenants.id = spaces.tenant
         WHERE expires <= ? LIMIT ?`,
        nowMs,
        most,
      )
      .map((row) => ({
        tenant: text(row, 'tenant'),
        namespace: text(row, 'namespace'),
        key: Buffer.from(blob(row, 'key')).toString('utf8'),
        version: integer(row, 'version'),
      }))
  },
}

export const replicaWrites = {
  begin(sql: Sql, journal: string): void {
    for (const row of sql.all('SELECT name FROM tenants')) spaceWrites.dropTenant(sql, text(row, 'name'))
    sql.run('DELETE FROM journal')
    sql.run('INSERT INTO journal (name, applied) VALUES (?, 0)', journal)
  },

  apply(sql: Sql, changes: readonly KvChange[]): void {
    const position = replicaReads.position(sql)
    if (position === null) throw new VelaError('VELA_STORE_FAILED', 'The store is no copy of a journal.')
    let { sequence } = position
    for (const change of changes) {
      if (change.sequence <= sequence) continue
      sequence = change.sequence
      if (change.key === null) spaceWrites.dropTenant(sql, change.tenant)
      else applyOne(sql, change)
    }
    sql.run('UPDATE journal SET applied = ?', sequence)
  },
}

function applyOne(sql: Sql, change: Extract<KvChange, { key: string }>): void {
  const { tenant, namespace, put, sequence } = change
  const key = Buffer.from(change.key)
  // Whoever sent it was admitted where it was sent: here nothing is refused, or copies would differ.
  const space = spaceWrites.openSpace(sql, tenant, namespace, Infinity)
  const old = find(sql, space.id, key)
  const before = old === undefined ? 0 : integer(old, 'size')
  if (put === null) {
    if (old !== undefined) sql.run('DELETE FROM entries WHERE space = ? AND key = ?', space.id, key)
    return count(sql, space.tenant, -before, old === undefined ? 0 : -1)
  }
  const { value, metadata, expiresAtMs } = put
  const size =
    KEY_OVERHEAD_BYTES + key.length + value.length + (metadata === null ? 0 : Buffer.byteLength(metadata))
  sql.run(
    'INSERT OR REPLACE INTO entries (space, key, version, expires, size, metadata, value) VALUES (?, ?, ?, ?, ?, ?, ?)',
    space.id,
    key,
    sequence,
    expiresAtMs,
    size,
    metadata,
    value,
  )
  count(sql, space.tenant, size - before, old === undefined ? 1 : 0)
}

function count(sql: Sql, tenant: number, bytes: number, keys: number): void {
  if (bytes !== 0 || keys !== 0)
    sql.run('UPDATE tenants SET bytes = bytes + ?, keys = keys + ? WHERE id = ?', bytes, keys, tenant)
}
