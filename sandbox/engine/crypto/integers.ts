/** Big integers and their bytes, most significant first. BigInt does not run in constant time: see who uses it for what. */

export const toInteger = (bytes: Uint8Array): bigint =>
  bytes.length === 0 ? 0n : BigInt(`0x${Buffer.from(bytes).toString('hex')}`)

/** Exactly `length` bytes; `value` must fit. */
export const toBytes = (value: bigint, length: number): Buffer =>
  Buffer.from(value.toString(16).padStart(length * 2, '0'), 'hex')

/** As few bytes as hold it. */
export function toShortestBytes(value: bigint): Buffer {
  const digits = value.toString(16)
  return Buffer.from(digits.length % 2 === 0 ? digits : `0${digits}`, 'hex')
}

export const bitLength = (value: bigint): number => value.toString(2).length

/** Never negative. */
export function modulo(value: bigint, modulus: bigint): bigint {
  const rest = value % modulus
  return rest < 0n ? rest + modulus : rest
}

export function greatestCommonDivisor(first: bigint, second: bigint): bigint {
  while (second !== 0n) [first, second] = [second, first % second]
  return first
}

/** `undefined`: there is none. */
export function inverse(value: bigint, modulus: bigint): bigint | undefined {
  let [rest, next] = [modulus, modulo(value, modulus)]
  let [factor, nextFactor] = [0n, 1n]
  while (next !== 0n) {
    const quotient = rest / next
    ;[rest, next] = [next, rest - quotient * next]
    ;[factor, nextFactor] = [nextFactor, factor - quotient * nextFactor]
  }
  return rest === 1n ? modulo(factor, modulus) : undefined
}
