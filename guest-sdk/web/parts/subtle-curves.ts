/** ECDSA and ECDH over the NIST curves, Ed25519 and X25519. */
import { checkJwk, jwkWords, writeJwk, type JsonWebKey } from './subtle-jwk.ts'
import { checkUsages, keyData, USAGE, type KeyData } from './subtle-key.ts'
import type { Kit } from './subtle-kit.ts'
import { generatePair, needHalf, type PairUsages } from './subtle-pair.ts'
import type { Algorithm, Dictionary, Params } from './subtle-params.ts'
import { firstBits } from './subtle-secret.ts'

const CURVE: Dictionary = [['namedCurve', 'text', 'required']]
const PEER: Dictionary = [['public', 'key', 'required']]
const SIGNATURES: PairUsages = { public: USAGE.verify, private: USAGE.sign }
const AGREEMENT: PairUsages = { public: 0, private: USAGE.deriveKey | USAGE.deriveBits }
/** The curves by the JWS algorithm that demands them. */
const ECDSA_ALGS: readonly (readonly [curve: string, alg: string])[] = [
  ['P-256', 'ES256'],
  ['P-384', 'ES384'],
  ['P-521', 'ES512'],
]

export const ecdsa = (kit: Kit): Algorithm =>
  signing(
    kit,
    keyFunctions(kit, 'ECDSA', SIGNATURES),
    [['hash', 'hash', 'required']],
    ({ curve }, { hash }) => `ECDSA ${curve} ${hash}`,
  )

export const ecdh = (kit: Kit): Algorithm => agreeing(kit, keyFunctions(kit, 'ECDH', AGREEMENT))

export const ed25519 = (kit: Kit): Algorithm =>
  signing(kit, keyFunctions(kit, 'Ed25519', SIGNATURES), [], () => 'Ed25519')

export const x25519 = (kit: Kit): Algorithm => agreeing(kit, keyFunctions(kit, 'X25519', AGREEMENT))

function signing(
  kit: Kit,
  keys: Algorithm,
  dictionary: Dictionary,
  wordsOf: (key: KeyData, params: Params) => string,
): Algorithm {
  return {
    ...keys,
    dictionaries: { ...keys.dictionaries, sign: dictionary, verify: dictionary },
    sign(params, key, data) {
      needHalf(kit, key, 'private', 'sign')
      return kit.call('sign', wordsOf(key, params), key.material, data)
    },
    verify(params, key, signature, data) {
      needHalf(kit, key, 'public', 'verify')
      return kit.call('verify', wordsOf(key, params), key.material, data, signature) === '1'
    },
  }
}

function agreeing(kit: Kit, keys: Algorithm): Algorithm {
  return {
    ...keys,
    dictionaries: { ...keys.dictionaries, deriveBits: PEER },
    deriveBits({ public: peer }, key, length) {
      needHalf(kit, key, 'private', 'deriveBits')
      if (peer?.type !== 'public' || peer.name !== key.name || peer.curve !== key.curve) {
        throw kit.error('InvalidAccessError', `${key.name}: public must be a public key of the same curve`)
      }
      const secret = kit.call('deriveBits', key.name, key.material, peer.material)
      if (length === null) return secret
      if (length > secret.length * 8) {
        throw kit.error(
          'OperationError',
          `${key.name}: at most ${secret.length * 8} bits, asked for ${length}`,
        )
      }
      return firstBits(kit, secret, length)
    },
  }
}

function keyFunctions(kit: Kit, name: string, allowed: PairUsages): Algorithm {
  const isEc = name === 'ECDSA' || name === 'ECDH'
  const dictionary = isEc ? CURVE : []
  const familyOf = (curve: string): string => (isEc ? `EC ${curve}` : name)
  const use = name === 'ECDSA' || name === 'Ed25519' ? 'sig' : 'enc'

  const checkCurve = (curve: string): void => {
    if (!isEc) return
    for (let index = 0; index < ECDSA_ALGS.length; index++) {
      if ((ECDSA_ALGS[index] as readonly string[])[0] === curve) return
    }
    throw kit.error('NotSupportedError', `${name}: unknown curve ${curve}`)
  }

  const readJwkMaterial = (jwk: JsonWebKey, curve: string, extractable: boolean, usages: number): string => {
    const kty = isEc ? 'EC' : 'OKP'
    checkJwk(kit, jwk, { kty, use, algs: algsOf(name, curve), extractable, usages })
    if (jwk.crv !== (isEc ? curve : name)) throw kit.error('DataError', "The JWK's crv does not fit")
    return kit.call('importKey', `jwk ${familyOf(curve)}`, jwkWords(kit, jwk, ['x', 'y', 'd']))
  }

  return {
    name,
    dictionaries: { generateKey: dictionary, importKey: dictionary },
    generateKey({ namedCurve }, extractable, usages) {
      checkCurve(namedCurve)
      const details = { name, curve: namedCurve }
      return generatePair(kit, familyOf(namedCurve), details, allowed, extractable, usages)
    },
    importKey(format, data, { namedCurve: curve }, extractable, usages) {
      const isPrivate = format === 'pkcs8' || (format === 'jwk' && (data as JsonWebKey).d !== undefined)
      checkUsages(kit, usages, isPrivate ? allowed.private : allowed.public)
      checkCurve(curve)
      const material =
        format === 'jwk'
          ? readJwkMaterial(data as JsonWebKey, curve, extractable, usages)
          : kit.call('importKey', `${format} ${familyOf(curve)}`, data as string)
      return keyData({
        type: isPrivate ? 'private' : 'public',
        name,
        curve,
        material,
        extractable,
        usages,
      })
    },
    exportKey(format, key) {
      const words = `${format} ${familyOf(key.curve)} ${key.type}`
      if (format === 'jwk') {
        const alg = name === 'Ed25519' ? { alg: name } : {}
        const head = { kty: isEc ? 'EC' : 'OKP', crv: isEc ? key.curve : name, ...alg }
        return writeJwk(kit, key, head, kit.call('exportKey', words, key.material))
      }
      needHalf(kit, key, format === 'pkcs8' ? 'private' : 'public', format)
      return format === 'raw' ? kit.call('exportKey', words, key.material) : key.material
    },
  }
}

/** What `alg` may be in a JWK; empty: anything. */
function algsOf(name: string, curve: string): readonly string[] {
  if (name === 'Ed25519') return ['Ed25519', 'EdDSA']
  if (name !== 'ECDSA') return []
  for (let index = 0; index < ECDSA_ALGS.length; index++) {
    const entry = ECDSA_ALGS[index] as readonly [string, string]
    if (entry[0] === curve) return [entry[1]]
  }
  return []
}
