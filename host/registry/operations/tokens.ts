/**
 * Tokens on the store thread: only their SHA-256 comes here. They are found by the first four bytes of the digest and
 * then compared whole, in constant time, so the time of the look-up tells at most those four bytes of a digest, and
 * never anything of a token.
 */
import { timingSafeEqual } from 'node:crypto'
import { VelaError } from '../../core/errors.ts'
import type { RegistryContext } from '../context.ts'
import { blob, integer, json, text, textOrNull } from '../store/rows.ts'
import type { Row } from '../store/rows.ts'
import type { Scope, TokenRecord } from '../types.ts'
import { requireTenant } from './tenants.ts'

export const tokenReads = {
  findToken({ sql }: RegistryContext, digest: Uint8Array): TokenRecord | undefined {
    const row = findByDigest(sql, digest)
    return row === undefined ? undefined : toToken(row)
  },

  listTokens({ sql }: RegistryContext, tenant: string | null): TokenRecord[] {
    const rows =
      tenant === null
        ? sql.all('SELECT * FROM tokens ORDER BY created_at, id')
        : sql.all('SELECT * FROM tokens WHERE tenant = ? ORDER BY created_at, id', tenant)
    return rows.map(toToken)
  },
}

export const tokenWrites = {
  createToken(
    { sql, now }: RegistryContext,
    id: string,
    tenant: string | null,
    scopes: readonly Scope[],
    digest: Uint8Array,
  ): TokenRecord {
    if (tenant !== null) requireTenant(sql, tenant)
    const known = findByDigest(sql, digest)
    if (known !== undefined) return sameReach(toToken(known), tenant, scopes)
    sql.run(
      'INSERT INTO tokens (id, tenant, scopes, hint, digest, created_at) VALUES (?, ?, ?, ?, ?, ?)',
      id,
      tenant,
      JSON.stringify(scopes),
      hintOf(digest),
      digest,
      now(),
    )
    return toToken(sql.get('SELECT * FROM tokens WHERE id = ?', id) ?? {})
  },

  deleteToken({ sql }: RegistryContext, id: string): void {
    sql.run('DELETE FROM tokens WHERE id = ?', id)
  },
}

// A host that is started again with the same fixed token means the same token, not a second one.
function sameReach(known: TokenRecord, tenant: string | null, scopes: readonly Scope[]): TokenRecord {
  if (known.tenant === tenant && known.scopes.join() === scopes.join()) return known
  throw new VelaError(
    'VELA_ADMIN_BAD_REQUEST',
    `This token exists already, as ${known.id}, with another tenant or other scopes. Delete that one or choose another text.`,
  )
}

function findByDigest(sql: RegistryContext['sql'], digest: Uint8Array): Row | undefined {
  const rows = sql.all('SELECT * FROM tokens WHERE hint = ?', hintOf(digest))
  return rows.find((row) => timingSafeEqual(blob(row, 'digest'), digest))
}

function hintOf(digest: Uint8Array): number {
  return Buffer.from(digest).readUInt32BE(0)
}

function toToken(row: Row): TokenRecord {
  return {
    id: text(row, 'id'),
    tenant: textOrNull(row, 'tenant'),
    scopes: json<Scope[]>(row, 'scopes'),
    createdAt: integer(row, 'created_at'),
  }
}
