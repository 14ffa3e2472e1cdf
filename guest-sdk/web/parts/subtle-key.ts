/**
 * CryptoKey: an object that stands for a key. Its material is a byte string in a private field, which no patched
 * prototype and no subclass reaches; only this part's functions read it, and no guest code can make one.
 */
import type { Kit } from './subtle-kit.ts'

/** A set of usages is a number: no patched method of arrays takes part in a check. */
export const USAGE = {
  encrypt: 1,
  decrypt: 2,
  sign: 4,
  verify: 8,
  deriveKey: 16,
  deriveBits: 32,
  wrapKey: 64,
  unwrapKey: 128,
} as const

const USAGES: readonly (readonly [name: string, bit: number])[] = [
  ['encrypt', USAGE.encrypt],
  ['decrypt', USAGE.decrypt],
  ['sign', USAGE.sign],
  ['verify', USAGE.verify],
  ['deriveKey', USAGE.deriveKey],
  ['deriveBits', USAGE.deriveBits],
  ['wrapKey', USAGE.wrapKey],
  ['unwrapKey', USAGE.unwrapKey],
]

export type KeyType = 'secret' | 'public' | 'private'

export interface KeyData {
  readonly type: KeyType
  readonly name: string
  readonly extractable: boolean
  readonly usages: number
  /** Secret bytes, SPKI or PKCS #8. */
  readonly material: string
  /** Empty or 0 where the algorithm has no such thing. */
  readonly hash: string
  readonly curve: string
  /** Bits of a secret key or a modulus. */
  readonly length: number
  /** Big-endian bytes. */
  readonly exponent: string
}

export interface KeyPairData {
  readonly publicKey: KeyData
  readonly privateKey: KeyData
}

export interface KeyKit {
  readonly CryptoKey: unknown
  make(data: KeyData): object
  /** `undefined`: no CryptoKey. */
  read(value: unknown): KeyData | undefined
}

export const keyData = (
  given: Pick<KeyData, 'type' | 'name' | 'extractable' | 'usages' | 'material'> & Partial<KeyData>,
): KeyData => ({ hash: '', curve: '', length: 0, exponent: '', ...given })

export function createKeyKit(kit: Kit): KeyKit {
  const token = {}
  let read: KeyKit['read'] = () => undefined

  class CryptoKey {
    readonly #data: KeyData
    #algorithm: object | undefined
    #usages: readonly string[] | undefined

    constructor(given: unknown = undefined, data?: KeyData) {
      if (given !== token) throw new TypeError('Illegal constructor')
      this.#data = data as KeyData
    }

    get type(): KeyType {
      return this.#data.type
    }

    get extractable(): boolean {
      return this.#data.extractable
    }

    get algorithm(): object {
      return (this.#algorithm ??= describeAlgorithm(kit, this.#data))
    }

    get usages(): readonly string[] {
      return (this.#usages ??= usageNames(kit, this.#data.usages))
    }

    static {
      read = (value) =>
        typeof value === 'object' && value !== null && #data in value ? value.#data : undefined
    }
  }
  const Make = CryptoKey as unknown as new (given: object, data: KeyData) => object
  return { CryptoKey, make: (data) => new Make(token, data), read: (value) => read(value) }
}

function describeAlgorithm(kit: Kit, data: KeyData): object {
  const { name, hash, curve, length, exponent } = data
  const algorithm = { name }
  if (exponent !== '') {
    kit.define(algorithm, 'modulusLength', length)
    kit.define(algorithm, 'publicExponent', kit.bytesFromByteString(exponent))
  }
  if (curve !== '') kit.define(algorithm, 'namedCurve', curve)
  if (hash !== '') kit.define(algorithm, 'hash', { name: hash })
  if (exponent === '' && length !== 0) kit.define(algorithm, 'length', length)
  return algorithm
}

export function usageNames(kit: Kit, usages: number): string[] {
  const names: string[] = []
  for (let index = 0; index < USAGES.length; index++) {
    const usage = USAGES[index] as readonly [string, number]
    if ((usages & usage[1]) !== 0) kit.define(names, `${names.length}`, usage[0])
  }
  return names
}

/** The set of a list of names; 0 for one that is no usage. */
export function usageBit(name: string): number {
  for (let index = 0; index < USAGES.length; index++) {
    const usage = USAGES[index] as readonly [string, number]
    if (usage[0] === name) return usage[1]
  }
  return 0
}

/** Throws a SyntaxError when `usages` has one that is not `allowed`. */
export function checkUsages(kit: Kit, usages: number, allowed: number): void {
  if ((usages & ~allowed) === 0) return
  throw kit.error('SyntaxError', `This key cannot be used for ${usageNames(kit, usages & ~allowed)[0]}`)
}

/** Throws an InvalidAccessError unless `key` is of the algorithm `name` and has the usage. */
export function checkUse(kit: Kit, name: string, key: KeyData, usage: number): void {
  if (key.name !== name) throw kit.error('InvalidAccessError', `The key is of ${key.name}, not of ${name}`)
  if ((key.usages & usage) === 0) throw kit.error('InvalidAccessError', 'The key lacks this usage')
}

/** Throws a SyntaxError for a secret or private key that could not be used for anything. */
export function needUsages(kit: Kit, key: KeyData): KeyData {
  if (key.type === 'public' || key.usages !== 0) return key
  throw kit.error('SyntaxError', `A ${key.type} key must have a usage`)
}
