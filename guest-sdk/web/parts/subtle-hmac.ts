/** SHA digests, and HMAC with them. */
import { checkUsages, keyData, USAGE, type KeyData } from './subtle-key.ts'
import type { Kit } from './subtle-kit.ts'
import type { Algorithm, Dictionary, Params } from './subtle-params.ts'
import { byteCount, firstBits, readSecret, writeSecret } from './subtle-secret.ts'

/** What the cell draws at a time. */
const MAX_GENERATED_BYTES = 65_536

export function sha(kit: Kit, name: string): Algorithm {
  return {
    name,
    dictionaries: { digest: [] },
    digest: (data) => kit.call('digest', name, data),
  }
}

/** '256' of 'SHA-256'. */
export const hashDigits = (kit: Kit, hash: string): string => kit.slice(hash, 4)

export function hmac(kit: Kit): Algorithm {
  const dictionary: Dictionary = [
    ['hash', 'hash', 'required'],
    ['length', 'u32', 'optional'],
  ]
  const allowed = USAGE.sign | USAGE.verify
  const algOf = (hash: string): string => `HS${hashDigits(kit, hash)}`
  const make = (
    material: string,
    params: Params,
    length: number,
    extractable: boolean,
    usages: number,
  ): KeyData =>
    keyData({ type: 'secret', name: 'HMAC', hash: params.hash, length, material, extractable, usages })
  const defaultLength = ({ hash }: Params): number => (hash === 'SHA-384' || hash === 'SHA-512' ? 1024 : 512)

  return {
    name: 'HMAC',
    dictionaries: {
      generateKey: dictionary,
      importKey: dictionary,
      keyLength: dictionary,
      sign: [],
      verify: [],
    },
    keyLength(params) {
      if (params.length === 0) throw new TypeError('HMAC: length must not be 0')
      return params.length ?? defaultLength(params)
    },
    generateKey(params, extractable, usages) {
      checkUsages(kit, usages, allowed)
      const length = params.length ?? defaultLength(params)
      const bytes = byteCount(length)
      if (length === 0 || bytes > MAX_GENERATED_BYTES) {
        throw kit.error('OperationError', `HMAC: length must be from 1 to ${MAX_GENERATED_BYTES * 8}`)
      }
      const material = firstBits(kit, kit.randomBytes(bytes), length)
      return make(material, params, length, extractable, usages)
    },
    importKey(format, data, params, extractable, usages) {
      checkUsages(kit, usages, allowed)
      const demands = { use: 'sig', algs: [algOf(params.hash)], extractable, usages }
      const material = readSecret(kit, format, data, demands)
      const bits = material.length * 8
      if (bits === 0) throw kit.error('DataError', 'HMAC: the key is empty')
      const length = params.length ?? bits
      if (length > bits || length <= bits - 8) {
        throw kit.error('DataError', `HMAC: the key has ${bits} bits, not ${length}`)
      }
      return make(firstBits(kit, material, length), params, length, extractable, usages)
    },
    exportKey: (format, key) => writeSecret(kit, format, key, algOf(key.hash)),
    sign: (_params, key, data) => kit.call('sign', `HMAC ${key.hash}`, key.material, data),
    verify: (_params, key, signature, data) =>
      kit.call('verify', `HMAC ${key.hash}`, key.material, data, signature) === '1',
  }
}
