/** HMAC; verification compares in constant time. */
import { createHmac, timingSafeEqual, type KeyObject } from 'node:crypto'
import type { Hash } from './hashes.ts'

export const signHmac = (hash: Hash, key: Buffer | KeyObject, data: Buffer): Buffer =>
  createHmac(hash.name, key).update(data).digest()

export function verifyHmac(hash: Hash, key: KeyObject, data: Buffer, signature: Buffer): boolean {
  return signature.length === hash.bytes && timingSafeEqual(signHmac(hash, key, data), signature)
}
