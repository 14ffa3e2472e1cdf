/**
 * What may be a key, metadata and the other arguments. Keys are any text that UTF-8 can carry: `..`, `__proto__`, `/` and
 * NUL mean nothing here. Lone surrogates are refused: two different keys with them would be the same bytes.
 */
import { VelaError } from '../core/errors.ts'
import type { JsonValue } from '../registry/types.ts'
import { MAX_KEY_BYTES, MAX_KEYS_AT_ONCE, MAX_LIST_LIMIT, MAX_METADATA_BYTES } from './types.ts'
import type { KvPutOptions } from './types.ts'

// The last moment that a Date can tell.
const MAX_TIME_MS = 8.64e15

/** Throws VELA_KV_BAD_REQUEST with what is wrong, in words that may be shown to a guest. */
export function refuse(message: string): never {
  throw new VelaError('VELA_KV_BAD_REQUEST', message)
}

/** The key is not at the version that was expected; 0: there is no such key. */
export function conflict(version: number): never {
  throw new VelaError(
    'VELA_KV_CONFLICT',
    version === 0 ? 'There is no such key.' : `The key is at version ${version}.`,
    { details: { version: version === 0 ? null : version } },
  )
}

export function checkKey(key: unknown): string {
  if (typeof key === 'string' && key !== '' && isText(key)) return key
  return refuse(`A key is a string of 1 to ${MAX_KEY_BYTES} bytes in UTF-8, without lone surrogates.`)
}

export function checkKeys(keys: unknown): string[] {
  if (Array.isArray(keys) && keys.length <= MAX_KEYS_AT_ONCE) return keys.map(checkKey)
  return refuse(`Keys are an array of at most ${MAX_KEYS_AT_ONCE} strings.`)
}

/** A prefix, or a key to go on from: any part of a key, also none. */
export function checkPart(what: string, text: unknown): string {
  if (typeof text === 'string' && isText(text)) return text
  return refuse(`${what} is a string of at most ${MAX_KEY_BYTES} bytes in UTF-8, without lone surrogates.`)
}

/** JSON text, or null for none. */
export function checkMetadata(metadata: JsonValue | undefined): string | null {
  if (metadata === undefined || metadata === null) return null
  const text = toJson(metadata)
  if (text !== undefined && Buffer.byteLength(text) <= MAX_METADATA_BYTES) return text
  return refuse(`Metadata is JSON of at most ${MAX_METADATA_BYTES} bytes.`)
}

export function checkExpiry({ expiresAtMs, ttlMs }: KvPutOptions, nowMs: number): number | null {
  const asked = ttlMs === undefined ? expiresAtMs : nowMs + ttlMs
  if (asked === undefined || asked === null) return null
  const time = Math.ceil(asked)
  if (time > nowMs && time <= MAX_TIME_MS) return time
  return refuse('An expiration is in the future, and before the year 275760.')
}

/** null: any version will do. */
export function checkVersion(version: number | undefined): number | null {
  if (version === undefined) return null
  if (Number.isSafeInteger(version) && version >= 0) return version
  return refuse('A version to compare with is a whole number, or 0 for a key that must not be there.')
}

export function checkLimit(limit: number | undefined): number {
  if (limit === undefined) return MAX_LIST_LIMIT
  if (Number.isSafeInteger(limit) && limit >= 1 && limit <= MAX_LIST_LIMIT) return limit
  return refuse(`A limit is a whole number from 1 to ${MAX_LIST_LIMIT}.`)
}

function isText(text: string): boolean {
  if (text.length > MAX_KEY_BYTES || !text.isWellFormed()) return false
  // No unit of UTF-16 takes more than three bytes.
  return text.length * 3 <= MAX_KEY_BYTES || Buffer.byteLength(text) <= MAX_KEY_BYTES
}

function toJson(value: JsonValue): string | undefined {
  try {
    return JSON.stringify(value)
  } catch {
    // Nested deeper than the stack, for one.
    return undefined
  }
}
