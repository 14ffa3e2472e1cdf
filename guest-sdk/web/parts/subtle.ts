/**
 * crypto.subtle (Web Cryptography API). This half checks what a program asks – algorithms, usages, formats, types – and
 * keeps the keys; the cell computes (sandbox/engine/native-crypto.ts). All of it happens within the call, so the promises
 * that the methods return are settled already.
 */
import { aesCbc, aesCtr, aesGcm, aesKw } from './subtle-aes.ts'
import { ecdh, ecdsa, ed25519, x25519 } from './subtle-curves.ts'
import { hkdf, pbkdf2 } from './subtle-derive.ts'
import { hmac, sha } from './subtle-hmac.ts'
import { parseJwk, readJwk, toTexts, type JsonWebKey } from './subtle-jwk.ts'
import {
  checkUse,
  createKeyKit,
  needUsages,
  USAGE,
  usageBit,
  type KeyData,
  type KeyPairData,
} from './subtle-key.ts'
import { createKit, type SubtleDeps } from './subtle-kit.ts'
import {
  algorithmOf,
  createNormalize,
  decryptWith,
  encryptWith,
  readFormat,
  type Format,
  type Normalized,
} from './subtle-params.ts'
import { rsaOaep, rsaPkcs1, rsaPss } from './subtle-rsa.ts'

export type { SubtleDeps } from './subtle-kit.ts'

export interface SubtlePart {
  readonly globals: Readonly<Record<'CryptoKey' | 'SubtleCrypto', unknown>>
  readonly subtle: object
  /** Another CryptoKey for the same key; undefined for anything else. */
  cloneKey(value: object): object | undefined
}

export function create(deps: SubtleDeps): SubtlePart {
  const kit = createKit(deps)
  const keys = createKeyKit(kit)
  // No spread, no map, no array pattern here and in what this calls: an iterator of arrays that the guest patched
  // would see the keys.
  const algorithms = [
    sha(kit, 'SHA-1'),
    sha(kit, 'SHA-256'),
    sha(kit, 'SHA-384'),
    sha(kit, 'SHA-512'),
    hmac(kit),
    aesGcm(kit),
    aesCbc(kit),
    aesCtr(kit),
    aesKw(kit),
    rsaPkcs1(kit),
    rsaPss(kit),
    rsaOaep(kit),
    ecdsa(kit),
    ecdh(kit),
    ed25519(kit),
    x25519(kit),
    hkdf(kit),
    pbkdf2(kit),
  ]
  const normalize = createNormalize(kit, algorithms, keys.read)
  const token = {}

  class SubtleCrypto {
    readonly #isSubtle = true

    constructor(given: unknown = undefined) {
      if (given !== token) throw new TypeError('Illegal constructor')
    }

    /** Reading the private field throws a TypeError for any other `this`. */
    static #check(self: SubtleCrypto, method: string, given: number, required: number): void {
      if (self.#isSubtle && given >= required) return
      throw new TypeError(`SubtleCrypto.${method}: ${required} arguments are required, ${given} given`)
    }

    async encrypt(algorithm: unknown, key: unknown, data: unknown): Promise<ArrayBuffer> {
      SubtleCrypto.#check(this, 'encrypt', arguments.length, 3)
      const inner = readKey(key)
      kit.checkSource(data, 'data')
      const asked = normalize('encrypt', algorithm)
      const bytes = kit.bytesOf(data, 'data')
      checkUse(kit, asked.params.name, inner, USAGE.encrypt)
      return kit.arrayBuffer(encryptWith(asked, inner, bytes))
    }

    async decrypt(algorithm: unknown, key: unknown, data: unknown): Promise<ArrayBuffer> {
      SubtleCrypto.#check(this, 'decrypt', arguments.length, 3)
      const inner = readKey(key)
      kit.checkSource(data, 'data')
      const asked = normalize('decrypt', algorithm)
      const bytes = kit.bytesOf(data, 'data')
      checkUse(kit, asked.params.name, inner, USAGE.decrypt)
      return kit.arrayBuffer(decryptWith(asked, inner, bytes))
    }

    async sign(algorithm: unknown, key: unknown, data: unknown): Promise<ArrayBuffer> {
      SubtleCrypto.#check(this, 'sign', arguments.length, 3)
      const inner = readKey(key)
      kit.checkSource(data, 'data')
      const asked = normalize('sign', algorithm)
      const bytes = kit.bytesOf(data, 'data')
      checkUse(kit, asked.params.name, inner, USAGE.sign)
      return kit.arrayBuffer(asked.algorithm.sign?.(asked.params, inner, bytes) ?? '')
    }

    async verify(algorithm: unknown, key: unknown, signature: unknown, data: unknown): Promise<boolean> {
      SubtleCrypto.#check(this, 'verify', arguments.length, 4)
      const inner = readKey(key)
      kit.checkSource(signature, 'signature')
      kit.checkSource(data, 'data')
      const asked = normalize('verify', algorithm)
      const signed = kit.bytesOf(signature, 'signature')
      const bytes = kit.bytesOf(data, 'data')
      checkUse(kit, asked.params.name, inner, USAGE.verify)
      return asked.algorithm.verify?.(asked.params, inner, signed, bytes) ?? false
    }

    async digest(algorithm: unknown, data: unknown): Promise<ArrayBuffer> {
      SubtleCrypto.#check(this, 'digest', arguments.length, 2)
      kit.checkSource(data, 'data')
      const asked = normalize('digest', algorithm)
      return kit.arrayBuffer(asked.algorithm.digest?.(kit.bytesOf(data, 'data')) ?? '')
    }

    async generateKey(algorithm: unknown, extractable: unknown, keyUsages: unknown): Promise<object> {
      SubtleCrypto.#check(this, 'generateKey', arguments.length, 3)
      const usages = readUsages(keyUsages)
      const { algorithm: found, params } = normalize('generateKey', algorithm)
      const made = found.generateKey?.(params, !!extractable, usages) as KeyData | KeyPairData
      // Own fields only: one that a guest put on Object.prototype would be handed the material.
      if (!kit.hasOwn(made, 'publicKey')) return keys.make(needUsages(kit, made as KeyData))
      const { publicKey, privateKey } = made as KeyPairData
      needUsages(kit, privateKey)
      return { publicKey: keys.make(publicKey), privateKey: keys.make(privateKey) }
    }

    async deriveBits(algorithm: unknown, baseKey: unknown, length: unknown = null): Promise<ArrayBuffer> {
      SubtleCrypto.#check(this, 'deriveBits', arguments.length, 2)
      const inner = readKey(baseKey)
      const bits = length === null ? null : wrapUint32(length)
      const asked = normalize('deriveBits', algorithm)
      checkUse(kit, asked.params.name, inner, USAGE.deriveBits)
      return kit.arrayBuffer(asked.algorithm.deriveBits?.(asked.params, inner, bits) ?? '')
    }

    async deriveKey(
      algorithm: unknown,
      baseKey: unknown,
      derivedKeyType: unknown,
      extractable: unknown,
      keyUsages: unknown,
    ): Promise<object> {
      SubtleCrypto.#check(this, 'deriveKey', arguments.length, 5)
      const inner = readKey(baseKey)
      const usages = readUsages(keyUsages)
      const asked = normalize('deriveBits', algorithm)
      const derived = normalize('importKey', derivedKeyType)
      const sized = normalize('keyLength', derivedKeyType)
      checkUse(kit, asked.params.name, inner, USAGE.deriveKey)
      const length = sized.algorithm.keyLength?.(sized.params) ?? null
      const secret = asked.algorithm.deriveBits?.(asked.params, inner, length) ?? ''
      return importWith(derived, 'raw', secret, !!extractable, usages)
    }

    async importKey(
      format: unknown,
      keyData: unknown,
      algorithm: unknown,
      extractable: unknown,
      keyUsages: unknown,
    ): Promise<object> {
      SubtleCrypto.#check(this, 'importKey', arguments.length, 5)
      const known = readFormat(format)
      const usages = readUsages(keyUsages)
      const isSource = deps.isBufferSource(keyData)
      if (isSource === (known === 'jwk')) {
        throw new TypeError(
          `The format ${known} takes ${known === 'jwk' ? 'a JsonWebKey' : 'a BufferSource'}`,
        )
      }
      const jwk = isSource ? undefined : readJwk(kit, keyData, false)
      const asked = normalize('importKey', algorithm)
      return importWith(asked, known, jwk ?? kit.bytesOf(keyData, 'keyData'), !!extractable, usages)
    }

    async exportKey(format: unknown, key: unknown): Promise<unknown> {
      SubtleCrypto.#check(this, 'exportKey', arguments.length, 2)
      const known = readFormat(format)
      const exported = exportFrom(known, readKey(key))
      return typeof exported === 'string' ? kit.arrayBuffer(exported) : exported
    }

    async wrapKey(
      format: unknown,
      key: unknown,
      wrappingKey: unknown,
      wrapAlgorithm: unknown,
    ): Promise<ArrayBuffer> {
      SubtleCrypto.#check(this, 'wrapKey', arguments.length, 4)
      const known = readFormat(format)
      const inner = readKey(key)
      const wrapping = readKey(wrappingKey)
      const asked = normalizeEither('wrapKey', 'encrypt', wrapAlgorithm)
      checkUse(kit, asked.params.name, wrapping, USAGE.wrapKey)
      const exported = exportFrom(known, inner)
      const bytes = typeof exported === 'string' ? exported : kit.jsonOf(exported)
      return kit.arrayBuffer(encryptWith(asked, wrapping, bytes))
    }

    async unwrapKey(
      format: unknown,
      wrappedKey: unknown,
      unwrappingKey: unknown,
      unwrapAlgorithm: unknown,
      unwrappedKeyAlgorithm: unknown,
      extractable: unknown,
      keyUsages: unknown,
    ): Promise<object> {
      SubtleCrypto.#check(this, 'unwrapKey', arguments.length, 7)
      const known = readFormat(format)
      kit.checkSource(wrappedKey, 'wrappedKey')
      const unwrapping = readKey(unwrappingKey)
      const usages = readUsages(keyUsages)
      const asked = normalizeEither('unwrapKey', 'decrypt', unwrapAlgorithm)
      const unwrapped = normalize('importKey', unwrappedKeyAlgorithm)
      const bytes = kit.bytesOf(wrappedKey, 'wrappedKey')
      checkUse(kit, asked.params.name, unwrapping, USAGE.unwrapKey)
      const plain = decryptWith(asked, unwrapping, bytes)
      const data = known === 'jwk' ? parseJwk(kit, plain) : plain
      return importWith(unwrapped, known, data, !!extractable, usages)
    }
  }

  function readKey(value: unknown): KeyData {
    const key = keys.read(value)
    if (key === undefined) throw new TypeError('A CryptoKey was expected')
    return key
  }

  function normalizeEither(
    first: 'wrapKey' | 'unwrapKey',
    second: 'encrypt' | 'decrypt',
    given: unknown,
  ): Normalized {
    try {
      return normalize(first, given)
    } catch {
      return normalize(second, given)
    }
  }

  function exportFrom(format: Format, key: KeyData): string | object {
    const algorithm = algorithmOf(algorithms, key.name)
    if (algorithm?.exportKey === undefined) {
      throw kit.error('NotSupportedError', `Keys of ${key.name} cannot be exported`)
    }
    if (!key.extractable) throw kit.error('InvalidAccessError', 'The key is not extractable')
    return algorithm.exportKey(format, key)
  }

  function importWith(
    { algorithm, params }: Normalized,
    format: Format,
    data: string | JsonWebKey,
    extractable: boolean,
    usages: number,
  ): object {
    const made = algorithm.importKey?.(format, data, params, extractable, usages) as KeyData
    return keys.make(needUsages(kit, made))
  }

  function readUsages(value: unknown): number {
    const names = toTexts(kit, value)
    let usages = 0
    for (let index = 0; index < names.length; index++) {
      const bit = usageBit(names[index] as string)
      if (bit === 0) throw new TypeError(`'${names[index]}' is no usage of a key`)
      usages |= bit
    }
    return usages
  }

  return {
    globals: { CryptoKey: keys.CryptoKey, SubtleCrypto },
    subtle: new SubtleCrypto(token),
    cloneKey(value) {
      const data = keys.read(value)
      return data === undefined ? undefined : keys.make(data)
    },
  }
}

/** Web IDL's `unsigned long` without [EnforceRange]. */
const wrapUint32 = (value: unknown): number => (value as number) >>> 0
