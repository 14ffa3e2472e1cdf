/** Pairs of keys, every bit of them from the guest's random stream. */
import { createPrivateKey, createPublicKey, type KeyObject } from 'node:crypto'
import { MAX_RSA_GENERATED_BITS, MIN_RSA_BITS } from './caps.ts'
import { curveNamed, privateFromScalar, randomScalar } from './curves.ts'
import { fail } from './failure.ts'
import { greatestCommonDivisor, inverse, modulo, toBytes, toShortestBytes } from './integers.ts'
import { isOkp, okpPrivate } from './okp.ts'
import { findPrime } from './primes.ts'

type RandomBytes = (length: number) => Buffer

/** The length of the private key and a line break, then the private and the public key. */
export function generateKeyPair(words: readonly string[], random: RandomBytes): Buffer {
  const privateKey = generatePrivate(words, random)
  const privateDer = privateKey.export({ format: 'der', type: 'pkcs8' })
  const publicDer = createPublicKey(privateKey).export({ format: 'der', type: 'spki' })
  return Buffer.concat([Buffer.from(`${privateDer.length}\n`), privateDer, publicDer])
}

function generatePrivate(words: readonly string[], random: RandomBytes): KeyObject {
  const [family, parameter] = words
  if (isOkp(family)) return okpPrivate(family, random(32))
  if (family === 'EC') {
    const curve = curveNamed(parameter)
    return privateFromScalar(curve, randomScalar(curve, random))
  }
  if (family === 'RSA') return generateRsa(Number(parameter), String(words[2]), random)
  return fail('NotSupportedError', 'Unknown algorithm')
}

function generateRsa(bits: number, exponentHex: string, random: RandomBytes): KeyObject {
  if (!(bits >= MIN_RSA_BITS && bits <= MAX_RSA_GENERATED_BITS && bits % 16 === 0)) {
    fail(
      'OperationError',
      `RSA: modulusLength must be a multiple of 16 from ${MIN_RSA_BITS} to ${MAX_RSA_GENERATED_BITS}`,
    )
  }
  const exponent = /^[0-9a-f]{1,16}$/.test(exponentHex) ? BigInt(`0x${exponentHex}`) : 0n
  if (exponent < 3n || exponent % 2n === 0n || exponent >= 1n << 32n) {
    fail('OperationError', 'RSA: publicExponent must be odd, from 3 to 2^32')
  }
  for (;;) {
    const p = findPrime(bits / 2, exponent, random)
    const q = findPrime(bits / 2, exponent, random)
    // Primes that lie close together are found by Fermat's method (FIPS 186-5, A.1.3).
    const distance = p > q ? p - q : q - p
    if (distance >> BigInt(bits / 2 - 100) === 0n) continue
    const [pLess, qLess] = [p - 1n, q - 1n]
    const d = inverse(exponent, (pLess * qLess) / greatestCommonDivisor(pLess, qLess))
    const qi = inverse(q, p)
    if (d === undefined || qi === undefined) continue
    const text = (value: bigint): string => toShortestBytes(value).toString('base64url')
    const key = {
      kty: 'RSA',
      n: toBytes(p * q, bits / 8).toString('base64url'),
      e: text(exponent),
      d: text(d),
      p: text(p),
      q: text(q),
      dp: text(modulo(d, pLess)),
      dq: text(modulo(d, qLess)),
      qi: text(qi),
    }
    return createPrivateKey({ key, format: 'jwk' })
  }
}
