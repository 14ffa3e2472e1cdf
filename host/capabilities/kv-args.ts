/** Reads the arguments of a guest's kv calls, as JSON that may be anything. What is wrong is VELA_KV_BAD_REQUEST. */
import { checkKeys, refuse } from '../kv/check.ts'
import type { KvDeleteOptions, KvPutOptions } from '../kv/types.ts'
import type { JsonValue } from '../registry/types.ts'

export type Hostile = JsonValue | undefined

export interface ListArgs {
  readonly prefix: string
  readonly cursor: string | undefined
  readonly limit: number | undefined
  readonly reverse: boolean
}

export function readKeys(value: Hostile): string[] {
  return checkKeys(value)
}

/**
 * `{expiration?, expirationTtl?, metadata?, ifVersion?}`: seconds since the epoch, or from now on, which comes first;
 * `ifVersion` null or 0 for a key that must not be there.
 */
export function readPut(value: Hostile): KvPutOptions {
  const options = readOptions(value)
  const { metadata } = options
  return {
    ...(metadata === undefined ? {} : { metadata }),
    ...readExpiry(options),
    ...readDelete(value),
  }
}

export function readDelete(value: Hostile): KvDeleteOptions {
  const { ifVersion } = readOptions(value)
  if (ifVersion === undefined) return {}
  if (ifVersion === null) return { ifVersion: 0 }
  return { ifVersion: readNumber('ifVersion', ifVersion) }
}

export function readList(value: Hostile): ListArgs {
  const { prefix, cursor, limit, reverse } = readOptions(value)
  return {
    prefix: readText('prefix', prefix) ?? '',
    cursor: readText('cursor', cursor) ?? undefined,
    limit: limit === undefined || limit === null ? undefined : readNumber('limit', limit),
    reverse: reverse === true,
  }
}

/** The place to go on from, as letters that mean nothing to whoever carries them. */
export function writeCursor(after: string): string {
  return Buffer.from(after).toString('base64url')
}

export function readCursor(cursor: string): string {
  const after = Buffer.from(cursor, 'base64url').toString('utf8')
  return writeCursor(after) === cursor ? after : refuse('This cursor is none that a list returned.')
}

function readExpiry({ expiration, expirationTtl }: Options): Pick<KvPutOptions, 'expiresAtMs' | 'ttlMs'> {
  if (expirationTtl !== undefined && expirationTtl !== null) {
    const seconds = readNumber('expirationTtl', expirationTtl)
    return seconds >= 1 ? { ttlMs: seconds * 1000 } : refuse('expirationTtl is at least 1 second.')
  }
  if (expiration === undefined || expiration === null) return {}
  return { expiresAtMs: readNumber('expiration', expiration) * 1000 }
}

type Options = Readonly<Record<string, Hostile>>

function readOptions(value: Hostile): Options {
  if (value === undefined || value === null) return {}
  if (typeof value === 'object' && !Array.isArray(value)) return value
  return refuse('Options are an object.')
}

function readNumber(name: string, value: Hostile): number {
  return typeof value === 'number' ? value : refuse(`${name} is a number.`)
}

/** undefined for an empty one, too. */
function readText(name: string, value: Hostile): string | undefined {
  if (value === undefined || value === null || value === '') return undefined
  if (typeof value === 'string' && value.isWellFormed()) return value
  return refuse(`${name} is a string without lone surrogates.`)
}
