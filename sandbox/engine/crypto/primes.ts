/**
 * Primes for RSA, searched from candidates of the guest's random stream: OpenSSL's own search would find others in a
 * replay. A sieve leaves about one candidate in ten to OpenSSL's test, whose witnesses are random but whose verdict is not.
 */
import { checkPrimeSync } from 'node:crypto'
import { greatestCommonDivisor, toInteger } from './integers.ts'

const SMALL = 65_536

/** A prime of exactly `bits` bits, the two highest set, such that `exponent` is invertible modulo the prime less one. */
export function findPrime(bits: number, exponent: bigint, random: (length: number) => Buffer): bigint {
  const primes = smallPrimes()
  // So many odd numbers hold no prime about once in 100,000 times; then another start is drawn.
  const width = bits * 4
  const end = 1n << BigInt(bits)
  for (;;) {
    const start = (toInteger(random(bits / 8)) % end) | (3n << BigInt(bits - 2)) | 1n
    const composite = new Uint8Array(width)
    for (const prime of primes) {
      const rest = Number(start % BigInt(prime))
      // start + 2i is a multiple where i = -rest / 2, modulo the prime; (prime + 1) / 2 is the inverse of 2.
      const first = (((prime - rest) % prime) * ((prime + 1) / 2)) % prime
      for (let index = first; index < width; index += prime) composite[index] = 1
    }
    for (let index = 0; index < width; index++) {
      if (composite[index] === 1) continue
      const candidate = start + 2n * BigInt(index)
      if (candidate >= end) break
      if (greatestCommonDivisor(candidate - 1n, exponent) !== 1n) continue
      if (checkPrimeSync(candidate)) return candidate
    }
  }
}

/** The odd ones. */
function smallPrimes(): number[] {
  const composite = new Uint8Array(SMALL)
  const primes: number[] = []
  for (let value = 3; value < SMALL; value += 2) {
    if (composite[value] === 1) continue
    primes.push(value)
    for (let multiple = value * value; multiple < SMALL; multiple += 2 * value) composite[multiple] = 1
  }
  return primes
}
