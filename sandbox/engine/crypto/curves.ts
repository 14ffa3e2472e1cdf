/**
 * The NIST curves, and keys of them from a scalar. Points are multiplied by OpenSSL, in constant time; BigInt serves for
 * comparisons and reductions only.
 */
import { createECDH, createPrivateKey, createPublicKey, type KeyObject } from 'node:crypto'
import { fail } from './failure.ts'
import { toBytes, toInteger } from './integers.ts'

export interface Curve {
  readonly name: string
  /** As OpenSSL calls it. */
  readonly openssl: string
  /** Of a coordinate, and of a scalar. */
  readonly bytes: number
  readonly orderBits: number
  readonly order: bigint
}

const CURVES: ReadonlyMap<string, Curve> = new Map([
  [
    'P-256',
    {
      name: 'P-256',
      openssl: 'prime256v1',
      bytes: 32,
      orderBits: 256,
      order: 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n,
    },
  ],
  [
    'P-384',
    {
      name: 'P-384',
      openssl: 'secp384r1',
      bytes: 48,
      orderBits: 384,
      order:
        0xffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc52973n,
    },
  ],
  [
    'P-521',
    {
      name: 'P-521',
      openssl: 'secp521r1',
      bytes: 66,
      orderBits: 521,
      order:
        0x01fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffa51868783bf2f966b7fcc0148f709a5d03bb5c9b8899c47aebb6fb71e91386409n,
    },
  ],
])

/** @throws {CryptoFailure} NotSupportedError: no such curve. */
export function curveNamed(name: string | undefined): Curve {
  return CURVES.get(String(name)) ?? fail('NotSupportedError', 'Unknown curve')
}

/**
 * A scalar from 1 to the order less one: 64 more bits than the order has, reduced, so that no value is more likely
 * than another by more than 2^-64 (FIPS 186-5, A.2.1).
 */
export function randomScalar(curve: Curve, random: (length: number) => Buffer): bigint {
  return (toInteger(random(curve.bytes + 8)) % (curve.order - 1n)) + 1n
}

/** The coordinates of scalar × generator, one after the other. */
export function multiplyGenerator(curve: Curve, scalar: bigint): Buffer {
  const exchange = createECDH(curve.openssl)
  exchange.setPrivateKey(toBytes(scalar, curve.bytes))
  return exchange.getPublicKey().subarray(1)
}

export const publicFromPoint = (curve: Curve, point: Buffer): KeyObject =>
  createPublicKey({ key: { kty: 'EC', crv: curve.name, ...coordinates(curve, point) }, format: 'jwk' })

export function privateFromScalar(curve: Curve, scalar: bigint): KeyObject {
  const d = toBytes(scalar, curve.bytes).toString('base64url')
  const point = multiplyGenerator(curve, scalar)
  return createPrivateKey({
    key: { kty: 'EC', crv: curve.name, ...coordinates(curve, point), d },
    format: 'jwk',
  })
}

function coordinates(curve: Curve, point: Buffer): { x: string; y: string } {
  return {
    x: point.subarray(0, curve.bytes).toString('base64url'),
    y: point.subarray(curve.bytes).toString('base64url'),
  }
}
