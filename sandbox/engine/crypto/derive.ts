/** Secrets from secrets: key agreement, HKDF and PBKDF2. */
import { diffieHellman, pbkdf2Sync } from 'node:crypto'
import { MAX_INPUT_BYTES, MAX_PBKDF2_ROUNDS } from './caps.ts'
import { fail } from './failure.ts'
import type { Hash } from './hashes.ts'
import { signHmac } from './hmac.ts'
import type { ParsedKey } from './key-ring.ts'

/** ECDH or X25519. An all-zero secret (a public key of small order) is refused by OpenSSL. */
export const agree = (privateKey: ParsedKey, publicKey: ParsedKey): Buffer =>
  diffieHellman({ privateKey: privateKey.object, publicKey: publicKey.object })

/** RFC 5869, by hand: node:crypto's takes at most 1,024 bytes of `info`. */
export function hkdf(hash: Hash, key: Buffer, salt: Buffer, info: Buffer, length: number): Buffer {
  if (!Number.isInteger(length) || length < 0 || length > 255 * hash.bytes) {
    fail('OperationError', `HKDF: at most ${255 * hash.bytes} bytes with this hash`)
  }
  if (Math.ceil(length / hash.bytes) * info.length > MAX_INPUT_BYTES)
    fail('OperationError', `HKDF: info times blocks of output is at most ${MAX_INPUT_BYTES} bytes`)
  const pseudoRandomKey = signHmac(hash, salt, key)
  const blocks: Buffer[] = []
  let last: Buffer = Buffer.alloc(0)
  for (let index = 1; blocks.length * hash.bytes < length; index++) {
    last = signHmac(hash, pseudoRandomKey, Buffer.concat([last, info, Buffer.of(index)]))
    blocks.push(last)
  }
  return Buffer.concat(blocks).subarray(0, length)
}

export function pbkdf2(
  hash: Hash,
  password: Buffer,
  salt: Buffer,
  iterations: number,
  length: number,
): Buffer {
  if (!Number.isInteger(iterations) || iterations < 1)
    fail('OperationError', 'PBKDF2: iterations must be 1 or more')
  const rounds = iterations * Math.ceil(length / hash.bytes)
  if (!Number.isInteger(length) || length < 0 || rounds > MAX_PBKDF2_ROUNDS) {
    fail(
      'NotSupportedError',
      `PBKDF2: at most ${MAX_PBKDF2_ROUNDS} iterations times blocks of ${hash.bytes} bytes of output, asked for ${rounds}`,
    )
  }
  return length === 0 ? Buffer.alloc(0) : pbkdf2Sync(password, salt, iterations, length, hash.name)
}
