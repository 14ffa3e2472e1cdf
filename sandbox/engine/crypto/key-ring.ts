/**
 * Keys that were parsed lately. The guest sends a key's bytes with each call, and parsing them would cost more than many
 * an operation, HMAC's too; the ring forgets the one that was used longest ago, so it stays small whatever a guest does.
 */
import { createPrivateKey, createPublicKey, createSecretKey, type KeyObject } from 'node:crypto'
import { fail } from './failure.ts'
import { toInteger } from './integers.ts'

const CAPACITY = 32
/** Well over what an RSA key of 8,192 bits takes; bounds what the ring holds. */
const MAX_KEY_BYTES = 16 * 1024

export interface ParsedKey {
  readonly object: KeyObject
  /** The secret number of an elliptic curve's private key. */
  scalar(): bigint
}

export interface KeyRing {
  /** Throws when `der` is not PKCS #8. */
  privateKey(der: Buffer): ParsedKey
  /** Throws when `der` is not SPKI. */
  publicKey(der: Buffer): ParsedKey
  secretKey(bytes: Buffer): KeyObject
}

export function createKeyRing(): KeyRing {
  const keys = new Map<string, ParsedKey>()
  const recall = (kind: string, der: Buffer, parse: () => KeyObject): ParsedKey => {
    if (der.length > MAX_KEY_BYTES) fail('DataError', 'The key is too large')
    const name = kind + der.toString('latin1')
    let key = keys.get(name)
    if (key === undefined) {
      key = parsedKey(parse())
      if (keys.size >= CAPACITY) {
        for (const oldest of keys.keys()) {
          keys.delete(oldest)
          break
        }
      }
    } else {
      keys.delete(name)
    }
    keys.set(name, key)
    return key
  }
  return {
    secretKey: (bytes) =>
      bytes.length > MAX_KEY_BYTES
        ? createSecretKey(bytes)
        : recall('secret', bytes, () => createSecretKey(bytes)).object,
    privateKey: (der) =>
      recall('private', der, () => createPrivateKey({ key: der, format: 'der', type: 'pkcs8' })),
    publicKey: (der) =>
      recall('public', der, () => createPublicKey({ key: der, format: 'der', type: 'spki' })),
  }
}

function parsedKey(object: KeyObject): ParsedKey {
  let scalar: bigint | undefined
  return {
    object,
    scalar: () =>
      (scalar ??= toInteger(Buffer.from(object.export({ format: 'jwk' }).d as string, 'base64url'))),
  }
}
