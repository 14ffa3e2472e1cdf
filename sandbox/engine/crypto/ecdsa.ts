/**
 * ECDSA with a nonce of our own, since OpenSSL would draw one that no replay draws again. The nonce is RFC 6979's,
 * hedged with the guest's random stream (its section 3.6): a stream that repeats does not repeat a nonce for another
 * message, and a stream that does not gives a different signature each time.
 * Threat: time that depends on the nonce gives the key away. The multiplication is OpenSSL's, in constant time; the
 * inversion, in BigInt, is blinded by a random factor.
 */
import { createHmac, verify } from 'node:crypto'
import { curveNamed, multiplyGenerator, randomScalar, type Curve } from './curves.ts'
import { fail } from './failure.ts'
import { digest, type Hash } from './hashes.ts'
import { inverse, toBytes, toInteger } from './integers.ts'
import type { ParsedKey } from './key-ring.ts'

/** r and s, each as long as the order. */
export function signEcdsa(
  curveName: string | undefined,
  hash: Hash,
  key: ParsedKey,
  data: Buffer,
  random: (length: number) => Buffer,
): Buffer {
  const curve = curveNamed(curveName)
  checkCurve(curve, key)
  return signDigest(curve, hash, key.scalar(), digest(hash, data), random(32), randomScalar(curve, random))
}

export function verifyEcdsa(
  curveName: string | undefined,
  hash: Hash,
  key: ParsedKey,
  data: Buffer,
  signature: Buffer,
): boolean {
  const curve = curveNamed(curveName)
  checkCurve(curve, key)
  if (signature.length !== curve.bytes * 2) return false
  return verify(hash.name, data, { key: key.object, dsaEncoding: 'ieee-p1363' }, signature)
}

/** `extra` hedges the nonce; empty, the signature is the one of RFC 6979. */
export function signDigest(
  curve: Curve,
  hash: Hash,
  scalar: bigint,
  hashed: Buffer,
  extra: Buffer,
  blind: bigint,
): Buffer {
  const { order, bytes } = curve
  const message = leftmost(curve, hashed) % order
  const nextNonce = nonces(curve, hash, scalar, message, extra)
  for (;;) {
    const nonce = nextNonce()
    const r = toInteger(multiplyGenerator(curve, nonce).subarray(0, bytes)) % order
    const unblinded = inverse((nonce * blind) % order, order) ?? 0n
    const s = (unblinded * ((blind * ((message + r * scalar) % order)) % order)) % order
    if (r !== 0n && s !== 0n) return Buffer.concat([toBytes(r, bytes), toBytes(s, bytes)])
  }
}

function checkCurve(curve: Curve, { object }: ParsedKey): void {
  if (object.asymmetricKeyDetails?.namedCurve !== curve.openssl)
    fail('InvalidAccessError', 'Not a key of this curve')
}

/** As many of the leftmost bits as the order has. */
function leftmost(curve: Curve, bytes: Buffer): bigint {
  const surplus = bytes.length * 8 - curve.orderBits
  return surplus > 0 ? toInteger(bytes) >> BigInt(surplus) : toInteger(bytes)
}

/** RFC 6979, section 3.2: each call gives the next candidate that is in range. */
function nonces(curve: Curve, hash: Hash, scalar: bigint, message: bigint, extra: Buffer): () => bigint {
  const mac = (key: Buffer, ...parts: Buffer[]): Buffer => {
    const hmac = createHmac(hash.name, key)
    for (const part of parts) hmac.update(part)
    return hmac.digest()
  }
  const seed = Buffer.concat([toBytes(scalar, curve.bytes), toBytes(message, curve.bytes), extra])
  let value: Buffer = Buffer.alloc(hash.bytes, 1)
  let key: Buffer = Buffer.alloc(hash.bytes)
  for (const step of [0, 1]) {
    key = mac(key, value, Buffer.of(step), seed)
    value = mac(key, value)
  }
  return () => {
    for (;;) {
      const blocks: Buffer[] = []
      for (let length = 0; length * 8 < curve.orderBits; length += hash.bytes) {
        value = mac(key, value)
        blocks.push(value)
      }
      const candidate = leftmost(curve, Buffer.concat(blocks))
      key = mac(key, value, Buffer.of(0))
      value = mac(key, value)
      if (candidate > 0n && candidate < curve.order) return candidate
    }
  }
}
