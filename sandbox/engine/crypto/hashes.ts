/** The hash functions of the Web Cryptography API by their names there. */
import { hash as hashOnce } from 'node:crypto'
import { fail } from './failure.ts'

export interface Hash {
  /** As OpenSSL calls it. */
  readonly name: string
  readonly bytes: number
}

const HASHES: ReadonlyMap<string, Hash> = new Map([
  ['SHA-1', { name: 'sha1', bytes: 20 }],
  ['SHA-256', { name: 'sha256', bytes: 32 }],
  ['SHA-384', { name: 'sha384', bytes: 48 }],
  ['SHA-512', { name: 'sha512', bytes: 64 }],
])

/** @throws {CryptoFailure} NotSupportedError: no such hash. */
export function hashNamed(name: string | undefined): Hash {
  return HASHES.get(String(name)) ?? fail('NotSupportedError', 'Unknown hash')
}

export const digest = (hash: Hash, data: Buffer): Buffer => hashOnce(hash.name, data, 'buffer')
