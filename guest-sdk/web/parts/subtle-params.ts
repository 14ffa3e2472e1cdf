/**
 * Algorithm normalisation (Web Cryptography API, 18.4): from whatever a program passes as an algorithm to the name of one
 * and its parameters, copied once, so that getters and later changes do not matter.
 */
import type { JsonWebKey } from './subtle-jwk.ts'
import type { KeyData, KeyPairData } from './subtle-key.ts'
import type { Kit } from './subtle-kit.ts'

export type Operation =
  | 'digest'
  | 'encrypt'
  | 'decrypt'
  | 'sign'
  | 'verify'
  | 'deriveBits'
  | 'generateKey'
  | 'importKey'
  | 'wrapKey'
  | 'unwrapKey'
  | 'keyLength'

/** Members of the dictionaries by their names there; byte strings where those say BufferSource. */
export interface Params {
  readonly name: string
  readonly hash: string
  readonly namedCurve: string
  /** `null`: not given. */
  readonly length: number | null
  readonly tagLength: number | null
  readonly saltLength: number
  readonly iterations: number
  readonly modulusLength: number
  readonly publicExponent: string
  readonly iv: string
  readonly counter: string
  readonly additionalData: string
  readonly label: string
  readonly salt: string
  readonly info: string
  readonly public: KeyData | null
}

const NO_PARAMS: Params = {
  name: '',
  hash: '',
  namedCurve: '',
  length: null,
  tagLength: null,
  saltLength: 0,
  iterations: 0,
  modulusLength: 0,
  publicExponent: '',
  iv: '',
  counter: '',
  additionalData: '',
  label: '',
  salt: '',
  info: '',
  public: null,
}

/** u8, u16, u32: integers with [EnforceRange]. bigint: BigInteger, which is a Uint8Array. */
type Kind = 'bytes' | 'u8' | 'u16' | 'u32' | 'bigint' | 'hash' | 'text' | 'key'
export type Dictionary = readonly (readonly [
  member: keyof Params,
  kind: Kind,
  need: 'required' | 'optional',
])[]

export type Format = 'raw' | 'spki' | 'pkcs8' | 'jwk'

export interface Algorithm {
  readonly name: string
  /** The operations that it has, with what each reads. */
  readonly dictionaries: Readonly<Partial<Record<Operation, Dictionary>>>
  generateKey?(params: Params, extractable: boolean, usages: number): KeyData | KeyPairData
  /** `data` is a JsonWebKey exactly when the format is jwk. */
  importKey?(
    format: Format,
    data: string | JsonWebKey,
    params: Params,
    extractable: boolean,
    usages: number,
  ): KeyData
  exportKey?(format: Format, key: KeyData): string | object
  encrypt?(params: Params, key: KeyData, data: string): string
  decrypt?(params: Params, key: KeyData, data: string): string
  sign?(params: Params, key: KeyData, data: string): string
  verify?(params: Params, key: KeyData, signature: string, data: string): boolean
  digest?(data: string): string
  /** `length` in bits; null asks for all there is. */
  deriveBits?(params: Params, key: KeyData, length: number | null): string
  /** Bits of a key of these parameters; null: any. */
  keyLength?(params: Params): number | null
}

export interface Normalized {
  readonly algorithm: Algorithm
  readonly params: Params
}

export type Normalize = (operation: Operation, given: unknown) => Normalized

const LIMITS = { u8: 0xff, u16: 0xffff, u32: 0xffff_ffff } as const

export function createNormalize(
  kit: Kit,
  algorithms: readonly Algorithm[],
  readKey: (value: unknown) => KeyData | undefined,
): Normalize {
  const byName = { __proto__: null } as unknown as Record<string, Algorithm>
  for (let index = 0; index < algorithms.length; index++) {
    const algorithm = algorithms[index] as Algorithm
    kit.define(byName, kit.toUpperCase(algorithm.name), algorithm)
  }

  const normalize: Normalize = (operation, given) => {
    const isObject = (typeof given === 'object' && given !== null) || typeof given === 'function'
    const name = isObject ? (given as { name?: unknown }).name : given
    if (isObject && name === undefined) throw new TypeError('The algorithm has no name')
    const algorithm = byName[kit.toUpperCase(`${name as string}`)]
    const dictionary = algorithm?.dictionaries[operation]
    if (algorithm === undefined || dictionary === undefined) {
      throw kit.error('NotSupportedError', `Unrecognized algorithm for ${operation}: ${name as string}`)
    }
    const params = { ...NO_PARAMS }
    kit.define(params, 'name', algorithm.name)
    for (let index = 0; index < dictionary.length; index++) {
      const entry = dictionary[index] as Dictionary[number]
      const member = entry[0]
      const value = isObject ? (given as Record<string, unknown>)[member] : undefined
      if (value !== undefined) kit.define(params, member, convert(member, entry[1], value))
      else if (entry[2] === 'required') throw new TypeError(`${algorithm.name}: ${member} is missing`)
    }
    return { algorithm, params }
  }

  const convert = (member: string, kind: Kind, value: unknown): unknown => {
    switch (kind) {
      case 'bytes':
        return kit.bytesOf(value, member)
      case 'bigint':
        if (kit.typedArrayName(value) !== 'Uint8Array') throw new TypeError(`${member} must be a Uint8Array`)
        return kit.bytesOf(value, member)
      case 'hash':
        return normalize('digest', value).algorithm.name
      case 'text':
        return `${value as string}`
      case 'key': {
        const key = readKey(value)
        if (key === undefined) throw new TypeError(`${member} must be a CryptoKey`)
        return key
      }
      default:
        return toInteger(value, LIMITS[kind], member)
    }
  }
  return normalize
}

/** Web IDL's conversion to an unsigned integer with [EnforceRange]. */
function toInteger(value: unknown, most: number, what: string): number {
  const number = +(value as number)
  const whole = number < 0 ? -(-number - (-number % 1)) : number - (number % 1)
  // A NaN fails this too, and so does the rest of dividing an infinity.
  if (!(whole >= 0 && whole <= most)) throw new TypeError(`${what} must be an integer from 0 to ${most}`)
  return whole + 0
}

export function algorithmOf(algorithms: readonly Algorithm[], name: string): Algorithm | undefined {
  for (let index = 0; index < algorithms.length; index++) {
    if (algorithms[index]?.name === name) return algorithms[index]
  }
  return undefined
}

export function readFormat(value: unknown): Format {
  const format = `${value as string}`
  if (format === 'raw' || format === 'spki' || format === 'pkcs8' || format === 'jwk') return format
  throw new TypeError(`'${format}' is no format of keys`)
}

export function encryptWith({ algorithm, params }: Normalized, key: KeyData, data: string): string {
  return algorithm.encrypt?.(params, key, data) ?? ''
}

export function decryptWith({ algorithm, params }: Normalized, key: KeyData, data: string): string {
  return algorithm.decrypt?.(params, key, data) ?? ''
}
