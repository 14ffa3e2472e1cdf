/**
 * RSA signatures and encryption. Where the scheme is random (PSS, OAEP) the encoding is made here, with the guest's random
 * stream, and only the bare power is OpenSSL's; checking and decrypting draw nothing and are OpenSSL's entirely.
 */
import { constants, privateDecrypt, privateEncrypt, publicEncrypt, sign, verify } from 'node:crypto'
import { fail } from './failure.ts'
import { digest, type Hash } from './hashes.ts'
import type { ParsedKey } from './key-ring.ts'

type RandomBytes = (length: number) => Buffer

const { RSA_NO_PADDING, RSA_PKCS1_OAEP_PADDING, RSA_PKCS1_PADDING, RSA_PKCS1_PSS_PADDING } = constants

export function signPkcs1(hash: Hash, key: ParsedKey, data: Buffer): Buffer {
  modulusBits(key)
  return sign(hash.name, data, { key: key.object, padding: RSA_PKCS1_PADDING })
}

export function verifyPkcs1(hash: Hash, key: ParsedKey, data: Buffer, signature: Buffer): boolean {
  if (signature.length !== Math.ceil(modulusBits(key) / 8)) return false
  return verify(hash.name, data, { key: key.object, padding: RSA_PKCS1_PADDING }, signature)
}

/** EMSA-PSS (RFC 8017, 9.1.1). */
export function signPss(
  hash: Hash,
  saltLength: number,
  key: ParsedKey,
  data: Buffer,
  random: RandomBytes,
): Buffer {
  const bits = modulusBits(key)
  const encodedBits = bits - 1
  const length = Math.ceil(encodedBits / 8)
  if (!fits(hash, saltLength, length)) fail('OperationError', 'The key is too short for this hash and salt')
  const salt = random(saltLength)
  const hashed = digest(hash, Buffer.concat([Buffer.alloc(8), digest(hash, data), salt]))
  const block = Buffer.alloc(length - hash.bytes - 1)
  block[block.length - saltLength - 1] = 1
  salt.copy(block, block.length - saltLength)
  mask(hash, hashed, block)
  block[0] = (block[0] as number) & (0xff >> (8 * length - encodedBits))
  const encoded = Buffer.concat([block, hashed, Buffer.of(0xbc)])
  return privateEncrypt({ key: key.object, padding: RSA_NO_PADDING }, padLeft(encoded, Math.ceil(bits / 8)))
}

export function verifyPss(
  hash: Hash,
  saltLength: number,
  key: ParsedKey,
  data: Buffer,
  signature: Buffer,
): boolean {
  const bits = modulusBits(key)
  // OpenSSL takes a signature without its leading zeros for the same number.
  if (signature.length !== Math.ceil(bits / 8)) return false
  if (!fits(hash, saltLength, Math.ceil((bits - 1) / 8))) return false
  return verify(hash.name, data, { key: key.object, padding: RSA_PKCS1_PSS_PADDING, saltLength }, signature)
}

/** EME-OAEP (RFC 8017, 7.1.1). */
export function encryptOaep(
  hash: Hash,
  key: ParsedKey,
  data: Buffer,
  label: Buffer,
  random: RandomBytes,
): Buffer {
  const length = Math.ceil(modulusBits(key) / 8)
  const room = length - 2 * hash.bytes - 2
  if (data.length > room) {
    fail('OperationError', `RSA-OAEP: at most ${Math.max(0, room)} bytes with this key and hash`)
  }
  const block = Buffer.alloc(length - hash.bytes - 1)
  digest(hash, label).copy(block)
  block[block.length - data.length - 1] = 1
  data.copy(block, block.length - data.length)
  const seed = random(hash.bytes)
  mask(hash, seed, block)
  mask(hash, block, seed)
  return publicEncrypt(
    { key: key.object, padding: RSA_NO_PADDING },
    Buffer.concat([Buffer.of(0), seed, block]),
  )
}

export function decryptOaep(hash: Hash, key: ParsedKey, data: Buffer, label: Buffer): Buffer {
  modulusBits(key)
  return privateDecrypt(
    { key: key.object, padding: RSA_PKCS1_OAEP_PADDING, oaepHash: hash.name, oaepLabel: label },
    data,
  )
}

function modulusBits({ object }: ParsedKey): number {
  if (object.asymmetricKeyType !== 'rsa') fail('InvalidAccessError', 'Not a key of RSA')
  return object.asymmetricKeyDetails?.modulusLength as number
}

const fits = (hash: Hash, saltLength: number, encodedBytes: number): boolean =>
  Number.isInteger(saltLength) && saltLength >= 0 && hash.bytes + saltLength + 2 <= encodedBytes

/** Adds MGF1(seed) to `target`, in place. */
function mask(hash: Hash, seed: Buffer, target: Buffer): void {
  const input = Buffer.concat([seed, Buffer.alloc(4)])
  for (let start = 0, counter = 0; start < target.length; start += hash.bytes, counter++) {
    input.writeUInt32BE(counter, seed.length)
    const block = digest(hash, input)
    for (let index = 0; index < block.length && start + index < target.length; index++) {
      target[start + index] = (target[start + index] as number) ^ (block[index] as number)
    }
  }
}

const padLeft = (bytes: Buffer, length: number): Buffer =>
  Buffer.concat([Buffer.alloc(length - bytes.length), bytes])
