/**
 * Keys in any format into the one that the guest keeps: secret bytes, SPKI or PKCS #8 that OpenSSL wrote anew.
 * Invariant: what is accepted is consistent. OpenSSL takes private keys whose public half belongs to another key.
 */
import { createPrivateKey, createPublicKey, ECDH, type KeyObject } from 'node:crypto'
import { MAX_RSA_BITS } from './caps.ts'
import { curveNamed, privateFromScalar, publicFromPoint, type Curve } from './curves.ts'
import { fail } from './failure.ts'
import { bitLength, modulo, toInteger, toShortestBytes } from './integers.ts'
import { isOkp, okpPrivate, okpPublic } from './okp.ts'

type Format = 'spki' | 'pkcs8' | 'raw' | 'jwk'
type Fields = ReadonlyMap<string, Buffer>

const BASE64URL = /^[A-Za-z0-9_-]*$/

/** @throws {CryptoFailure} DataError: malformed or inconsistent; NotSupportedError: beyond a bound. */
export function importKey(words: readonly string[], data: Buffer): Buffer {
  const [format, family, curve] = words as readonly [Format, string, string | undefined]
  if (family === 'oct') return fromBase64url(data.toString('latin1'))
  if (format === 'spki' || format === 'pkcs8') checkWhole(data)
  if (family === 'RSA') return importRsa(format, data)
  if (family === 'EC') return toDer(importEc(format, curveNamed(curve), data))
  if (isOkp(family)) return toDer(importOkp(format, family, data))
  return fail('NotSupportedError', 'Unknown algorithm')
}

const toDer = (key: KeyObject): Buffer =>
  key.type === 'private'
    ? key.export({ format: 'der', type: 'pkcs8' })
    : key.export({ format: 'der', type: 'spki' })

function fromBase64url(text: string): Buffer {
  if (!BASE64URL.test(text) || text.length % 4 === 1) fail('DataError', 'Invalid base64url')
  return Buffer.from(text, 'base64url')
}

/** Alternating names and values. */
function fieldsOf(data: Buffer): Fields {
  const words = data.toString('latin1').split(' ')
  const fields = new Map<string, Buffer>()
  for (let index = 0; index + 1 < words.length; index += 2) {
    fields.set(words[index] as string, fromBase64url(words[index + 1] as string))
  }
  return fields
}

function fieldOf(fields: Fields, name: string, bytes?: number): Buffer {
  const value = fields.get(name) ?? fail('DataError', `The JWK has no ${name}`)
  if (bytes !== undefined && value.length !== bytes)
    fail('DataError', `The JWK's ${name} must be ${bytes} bytes`)
  return value
}

/** OpenSSL reads one structure and leaves what follows; the specification does not. */
function checkWhole(der: Buffer): void {
  const short = der[1] ?? 0
  const lengthBytes = short < 0x80 ? 0 : short & 0x7f
  if (lengthBytes > 4) fail('DataError', 'The key is malformed')
  const length = lengthBytes === 0 ? short : Number(toInteger(der.subarray(2, 2 + lengthBytes)))
  if (der[0] !== 0x30 || der.length !== 2 + lengthBytes + length) fail('DataError', 'The key is malformed')
}

const parsePublic = (der: Buffer): KeyObject => createPublicKey({ key: der, format: 'der', type: 'spki' })
const parsePrivate = (der: Buffer): KeyObject => createPrivateKey({ key: der, format: 'der', type: 'pkcs8' })

function parseDer(format: Format, der: Buffer, type: string): KeyObject {
  if (format !== 'spki' && format !== 'pkcs8') fail('NotSupportedError', 'Unknown format')
  const key = format === 'spki' ? parsePublic(der) : parsePrivate(der)
  if (key.asymmetricKeyType !== type) fail('DataError', 'The key is of another algorithm')
  return key
}

function importRsa(format: Format, data: Buffer): Buffer {
  const fields = format === 'jwk' ? fieldsOf(data) : fieldsOfKey(parseDer(format, data, 'rsa'))
  const [n, e] = [toInteger(fieldOf(fields, 'n')), toInteger(fieldOf(fields, 'e'))]
  for (const value of fields.values()) {
    if (value.length > MAX_RSA_BITS / 8) fail('NotSupportedError', `RSA: at most ${MAX_RSA_BITS} bits`)
  }
  if (n % 2n === 0n || e % 2n === 0n || e < 3n || e >= n)
    fail('DataError', 'RSA: invalid modulus or exponent')
  const isPrivate = fields.has('d')
  if (isPrivate) checkRsaPrivate(fields, n, e)
  const text = (name: string): string =>
    toShortestBytes(toInteger(fieldOf(fields, name))).toString('base64url')
  const publicHalf = { kty: 'RSA', n: text('n'), e: text('e') }
  const key = isPrivate
    ? createPrivateKey({
        key: {
          ...publicHalf,
          d: text('d'),
          p: text('p'),
          q: text('q'),
          dp: text('dp'),
          dq: text('dq'),
          qi: text('qi'),
        },
        format: 'jwk',
      })
    : createPublicKey({ key: publicHalf, format: 'jwk' })
  const head = `${bitLength(n)} ${toShortestBytes(e).toString('hex')}\n`
  return Buffer.concat([Buffer.from(head), toDer(key)])
}

function fieldsOfKey(key: KeyObject): Fields {
  const fields = new Map<string, Buffer>()
  for (const [name, value] of Object.entries(key.export({ format: 'jwk' }))) {
    if (name !== 'kty' && name !== 'crv') fields.set(name, Buffer.from(String(value), 'base64url'))
  }
  return fields
}

function checkRsaPrivate(fields: Fields, n: bigint, e: bigint): void {
  if (!fields.has('p')) fail('NotSupportedError', 'RSA: a private key needs its primes')
  const value = (name: string): bigint => toInteger(fieldOf(fields, name))
  const [d, p, q] = [value('d'), value('p'), value('q')]
  const consistent =
    p > 2n &&
    q > 2n &&
    p * q === n &&
    (e * d) % (p - 1n) === 1n &&
    (e * d) % (q - 1n) === 1n &&
    value('dp') === modulo(d, p - 1n) &&
    value('dq') === modulo(d, q - 1n) &&
    (value('qi') * q) % p === 1n
  if (!consistent) fail('DataError', 'RSA: the parts of the private key do not belong together')
}

function importEc(format: Format, curve: Curve, data: Buffer): KeyObject {
  if (format === 'raw') return publicFromPoint(curve, uncompressed(curve, data))
  const fields = format === 'jwk' ? fieldsOf(data) : fieldsOfKey(parseEc(format, curve, data))
  const point = Buffer.concat([fieldOf(fields, 'x', curve.bytes), fieldOf(fields, 'y', curve.bytes)])
  if (!fields.has('d')) return publicFromPoint(curve, point)
  const scalar = toInteger(fieldOf(fields, 'd', curve.bytes))
  if (scalar < 1n || scalar >= curve.order) fail('DataError', 'EC: the private key is out of range')
  const key = privateFromScalar(curve, scalar)
  const own = fieldsOfKey(key)
  if (!Buffer.concat([fieldOf(own, 'x'), fieldOf(own, 'y')]).equals(point)) {
    fail('DataError', 'EC: the public key does not belong to the private key')
  }
  return key
}

function parseEc(format: Format, curve: Curve, der: Buffer): KeyObject {
  const key = parseDer(format, der, 'ec')
  if (key.asymmetricKeyDetails?.namedCurve !== curve.openssl)
    fail('DataError', 'EC: the key is of another curve')
  return key
}

function uncompressed(curve: Curve, point: Buffer): Buffer {
  const whole = ECDH.convertKey(point, curve.openssl, undefined, undefined, 'uncompressed') as Buffer
  if (whole.length !== 1 + 2 * curve.bytes) fail('DataError', 'EC: not a point')
  return whole.subarray(1)
}

function importOkp(format: Format, name: string, data: Buffer): KeyObject {
  if (format === 'raw') return okpPublic(name, data)
  const fields = format === 'jwk' ? fieldsOf(data) : fieldsOfKey(parseDer(format, data, name.toLowerCase()))
  if (!fields.has('d')) return okpPublic(name, fieldOf(fields, 'x'))
  const key = okpPrivate(name, fieldOf(fields, 'd'))
  if (!fieldOf(fieldsOfKey(key), 'x').equals(fieldOf(fields, 'x'))) {
    fail('DataError', `${name}: the public key does not belong to the private key`)
  }
  return key
}
