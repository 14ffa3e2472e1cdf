/** AES-GCM, AES-CBC, AES-CTR and AES-KW. */
import { checkUsages, keyData, USAGE, type KeyData } from './subtle-key.ts'
import type { Kit } from './subtle-kit.ts'
import type { Algorithm, Dictionary, Params } from './subtle-params.ts'
import { readSecret, writeSecret } from './subtle-secret.ts'

interface AesMode {
  readonly name: string
  readonly usages: number
  /** What a message takes beside the key. */
  readonly dictionary: Dictionary
  encode(params: Params, key: KeyData, data: string, operation: 'encrypt' | 'decrypt'): string
}

const MESSAGES: number = USAGE.encrypt | USAGE.decrypt | USAGE.wrapKey | USAGE.unwrapKey

export function aesGcm(kit: Kit): Algorithm {
  return aesMode(kit, {
    name: 'AES-GCM',
    usages: MESSAGES,
    dictionary: [
      ['additionalData', 'bytes', 'optional'],
      ['iv', 'bytes', 'required'],
      ['tagLength', 'u8', 'optional'],
    ],
    encode: ({ tagLength, iv, additionalData }, { material }, data, operation) =>
      kit.call(operation, `AES-GCM ${tagLength ?? 128}`, material, data, iv, additionalData),
  })
}

export function aesCbc(kit: Kit): Algorithm {
  return aesMode(kit, {
    name: 'AES-CBC',
    usages: MESSAGES,
    dictionary: [['iv', 'bytes', 'required']],
    encode: ({ iv }, { material }, data, operation) =>
      kit.call(operation, 'AES-CBC', material, data, sixteen(kit, iv, 'iv')),
  })
}

export function aesCtr(kit: Kit): Algorithm {
  return aesMode(kit, {
    name: 'AES-CTR',
    usages: MESSAGES,
    dictionary: [
      ['counter', 'bytes', 'required'],
      ['length', 'u8', 'required'],
    ],
    encode: ({ counter, length }, { material }, data, operation) =>
      kit.call(operation, `AES-CTR ${length}`, material, data, sixteen(kit, counter, 'counter')),
  })
}

export function aesKw(kit: Kit): Algorithm {
  return aesMode(kit, {
    name: 'AES-KW',
    usages: USAGE.wrapKey | USAGE.unwrapKey,
    dictionary: [],
    encode: (_params, { material }, data, operation) => kit.call(operation, 'AES-KW', material, data),
  })
}

function sixteen(kit: Kit, bytes: string, what: string): string {
  if (bytes.length !== 16) throw kit.error('OperationError', `${what} must be 16 bytes`)
  return bytes
}

function aesMode(kit: Kit, mode: AesMode): Algorithm {
  const { name, usages: allowed, dictionary } = mode
  const length: Dictionary = [['length', 'u16', 'required']]
  const algOf = (bits: number): string => `A${bits}${kit.slice(name, 4)}`
  const isLength = (bits: number | null): boolean => bits === 128 || bits === 192 || bits === 256
  const checkedLength = (params: Params): number => {
    if (!isLength(params.length)) throw kit.error('OperationError', `${name}: length must be 128, 192 or 256`)
    return params.length as number
  }
  const make = (material: string, bits: number, extractable: boolean, usages: number): KeyData =>
    keyData({ type: 'secret', name, length: bits, material, extractable, usages })

  const wraps = name === 'AES-KW'
  return {
    name,
    dictionaries: {
      generateKey: length,
      keyLength: length,
      importKey: [],
      ...(wraps
        ? { wrapKey: dictionary, unwrapKey: dictionary }
        : { encrypt: dictionary, decrypt: dictionary }),
    },
    keyLength: checkedLength,
    generateKey(params, extractable, usages) {
      checkUsages(kit, usages, allowed)
      const bits = checkedLength(params)
      return make(kit.randomBytes(bits / 8), bits, extractable, usages)
    },
    importKey(format, data, _params, extractable, usages) {
      checkUsages(kit, usages, allowed)
      const demands = { use: 'enc', algs: [], extractable, usages }
      const material = readSecret(kit, format, data, demands)
      const bits = material.length * 8
      if (!isLength(bits))
        throw kit.error('DataError', `${name}: a key has 128, 192 or 256 bits, not ${bits}`)
      const alg = typeof data === 'string' ? undefined : data.alg
      if (alg !== undefined && alg !== algOf(bits)) throw kit.error('DataError', "The JWK's alg does not fit")
      return make(material, bits, extractable, usages)
    },
    exportKey: (format, key) => writeSecret(kit, format, key, algOf(key.length)),
    encrypt: (params, key, data) => mode.encode(params, key, data, 'encrypt'),
    decrypt: (params, key, data) => mode.encode(params, key, data, 'decrypt'),
  }
}
