/** RSASSA-PKCS1-v1_5, RSA-PSS and RSA-OAEP. */
import { checkJwk, jwkWords, writeJwk, type JsonWebKey } from './subtle-jwk.ts'
import { checkUsages, keyData, USAGE, type KeyData } from './subtle-key.ts'
import type { Kit } from './subtle-kit.ts'
import { generatePair, needHalf, type PairUsages } from './subtle-pair.ts'
import type { Algorithm, Dictionary, Format, Params } from './subtle-params.ts'
import { hashDigits } from './subtle-hmac.ts'

const GENERATE: Dictionary = [
  ['hash', 'hash', 'required'],
  ['modulusLength', 'u32', 'required'],
  ['publicExponent', 'bigint', 'required'],
]
const IMPORT: Dictionary = [['hash', 'hash', 'required']]
const SIGNATURES: PairUsages = { public: USAGE.verify, private: USAGE.sign }
const ENCRYPTION: PairUsages = {
  public: USAGE.encrypt | USAGE.wrapKey,
  private: USAGE.decrypt | USAGE.unwrapKey,
}
const JWK_FIELDS = ['n', 'e', 'd', 'p', 'q', 'dp', 'dq', 'qi'] as const

export const rsaPkcs1 = (kit: Kit): Algorithm =>
  signatures(kit, 'RSASSA-PKCS1-v1_5', 'RS', [], ({ hash }) => hash)

export const rsaPss = (kit: Kit): Algorithm =>
  signatures(
    kit,
    'RSA-PSS',
    'PS',
    [['saltLength', 'u32', 'required']],
    ({ hash }, { saltLength }) => `${hash} ${saltLength}`,
  )

function signatures(
  kit: Kit,
  name: string,
  prefix: string,
  dictionary: Dictionary,
  wordsOf: (key: KeyData, params: Params) => string,
): Algorithm {
  const keys = keyFunctions(kit, name, 'sig', SIGNATURES, (hash) => `${prefix}${hashDigits(kit, hash)}`)
  return {
    ...keys,
    dictionaries: { ...keys.dictionaries, sign: dictionary, verify: dictionary },
    sign(params, key, data) {
      needHalf(kit, key, 'private', 'sign')
      return kit.call('sign', `${name} ${wordsOf(key, params)}`, key.material, data)
    },
    verify(params, key, signature, data) {
      needHalf(kit, key, 'public', 'verify')
      return kit.call('verify', `${name} ${wordsOf(key, params)}`, key.material, data, signature) === '1'
    },
  }
}

export function rsaOaep(kit: Kit): Algorithm {
  const name = 'RSA-OAEP'
  const dictionary: Dictionary = [['label', 'bytes', 'optional']]
  const keys = keyFunctions(kit, name, 'enc', ENCRYPTION, (hash) =>
    hash === 'SHA-1' ? name : `${name}-${hashDigits(kit, hash)}`,
  )
  return {
    ...keys,
    dictionaries: { ...keys.dictionaries, encrypt: dictionary, decrypt: dictionary },
    encrypt({ label }, key, data) {
      needHalf(kit, key, 'public', 'encrypt')
      return kit.call('encrypt', `${name} ${key.hash}`, key.material, data, label)
    },
    decrypt({ label }, key, data) {
      needHalf(kit, key, 'private', 'decrypt')
      return kit.call('decrypt', `${name} ${key.hash}`, key.material, data, label)
    },
  }
}

function keyFunctions(
  kit: Kit,
  name: string,
  use: string,
  allowed: PairUsages,
  algOf: (hash: string) => string,
): Algorithm {
  const readMaterial = (
    format: Format,
    data: string | JsonWebKey,
    isPrivate: boolean,
    hash: string,
    extractable: boolean,
    usages: number,
  ): string => {
    checkUsages(kit, usages, isPrivate ? allowed.private : allowed.public)
    if (format !== 'jwk') return kit.call('importKey', `${format} RSA`, data as string)
    const jwk = data as JsonWebKey
    checkJwk(kit, jwk, { kty: 'RSA', use, algs: [algOf(hash)], extractable, usages })
    if (jwk.oth === true) throw kit.error('NotSupportedError', 'RSA: keys of more than two primes')
    return kit.call('importKey', 'jwk RSA', jwkWords(kit, jwk, JWK_FIELDS))
  }

  return {
    name,
    dictionaries: { generateKey: GENERATE, importKey: IMPORT },
    generateKey({ hash, modulusLength, publicExponent }, extractable, usages) {
      const exponent = withoutZeros(kit, publicExponent)
      const details = { name, hash, length: modulusLength, exponent }
      const words = `RSA ${modulusLength} ${toHex(kit, exponent)}`
      return generatePair(kit, words, details, allowed, extractable, usages)
    },
    importKey(format, data, { hash }, extractable, usages) {
      if (format === 'raw') throw kit.error('NotSupportedError', 'RSA: a key has no format raw')
      const isPrivate = format === 'pkcs8' || (format === 'jwk' && (data as JsonWebKey).d !== undefined)
      const result = readMaterial(format, data, isPrivate, hash, extractable, usages)
      const gap = kit.indexOf(result, ' ')
      const end = kit.indexOf(result, '\n')
      return keyData({
        type: isPrivate ? 'private' : 'public',
        name,
        hash,
        length: +kit.slice(result, 0, gap),
        exponent: fromHex(kit, kit.slice(result, gap + 1, end)),
        material: kit.slice(result, end + 1),
        extractable,
        usages,
      })
    },
    exportKey(format, key) {
      if (format === 'jwk') {
        const words = kit.call('exportKey', `jwk RSA ${key.type}`, key.material)
        return writeJwk(kit, key, { kty: 'RSA', alg: algOf(key.hash) }, words)
      }
      if (format === 'raw') throw kit.error('NotSupportedError', 'RSA: a key has no format raw')
      needHalf(kit, key, format === 'pkcs8' ? 'private' : 'public', format)
      return key.material
    },
  }
}

function withoutZeros(kit: Kit, bytes: string): string {
  let start = 0
  while (start < bytes.length && kit.charCodeAt(bytes, start) === 0) start++
  return kit.slice(bytes, start)
}

const DIGITS = '0123456789abcdef'

function toHex(kit: Kit, bytes: string): string {
  let hex = ''
  // The cell takes 32 bits at most; a longer one is refused there.
  for (let index = 0; index < bytes.length && index < 32; index++) {
    const byte = kit.charCodeAt(bytes, index)
    hex += `${DIGITS[byte >> 4] as string}${DIGITS[byte & 15] as string}`
  }
  return hex
}

function fromHex(kit: Kit, hex: string): string {
  let bytes = ''
  for (let index = 0; index < hex.length; index += 2) {
    bytes += kit.fromCharCode(+`0x${kit.slice(hex, index, index + 2)}`)
  }
  return bytes
}
