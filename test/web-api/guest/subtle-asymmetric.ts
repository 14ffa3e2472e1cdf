/** SubtleCrypto: RSA, elliptic curves, Ed25519 and X25519, by the Web Cryptography API and its Secure Curves. */
import { bytes, hex, ok, rejects, same, unhex, utf8, wrong, type Checks } from './expect.ts'
import { CURVES, RSA } from './vectors.ts'

const { subtle } = crypto as { subtle: SubtleCrypto }
interface RsaAlgorithm {
  readonly name: string
  readonly modulusLength: number
  readonly publicExponent: Uint8Array
  readonly hash: KeyAlgorithm
}

const MESSAGE = utf8('the message')
const PUBLIC_EXPONENT = bytes(1, 0, 1)
const generate = (algorithm: object, usages: KeyUsage[], extractable = true): Promise<CryptoKeyPair> =>
  crypto.subtle.generateKey(algorithm as EcKeyGenParams, extractable, usages)
const load = (
  format: 'pkcs8' | 'spki',
  data: string,
  algorithm: object,
  usages: KeyUsage[],
): Promise<CryptoKey> =>
  crypto.subtle.importKey(format, unhex(data), algorithm as RsaHashedImportParams, true, usages)

/** Signs and verifies, with a key from elsewhere, and a signature from elsewhere. */
async function signs(name: string, hash: string, more: object, signature: string): Promise<void> {
  const algorithm = { name, hash }
  const secret = await load('pkcs8', RSA.pkcs8, algorithm, ['sign'])
  const open = await load('spki', RSA.spki, algorithm, ['verify'])
  same([secret.type, open.type], ['private', 'public'])
  const made = await subtle.sign({ name, ...more }, secret, MESSAGE)
  same(made.byteLength, 256)
  for (const candidate of [new Uint8Array(made), unhex(signature)]) {
    same(await subtle.verify({ name, ...more }, open, candidate, MESSAGE), true)
    same(await subtle.verify({ name, ...more }, open, candidate, bytes(1)), false)
  }
}

const curves: Record<string, () => Promise<void>> = {}
for (const [namedCurve, { pkcs8, spki, jwk, signature }] of Object.entries(CURVES)) {
  const algorithm = { name: 'ECDSA', namedCurve }
  const hashed = { name: 'ECDSA', hash: 'SHA-256' }
  curves[`ECDSA: ${namedCurve} verifies what others signed, and signs what it verifies`] = async () => {
    const secret = await load('pkcs8', pkcs8, algorithm, ['sign'])
    const open = await load('spki', spki, algorithm, ['verify'])
    same(await subtle.verify(hashed, open, unhex(signature), MESSAGE), true)
    const made = await subtle.sign(hashed, secret, MESSAGE)
    same(made.byteLength, signature.length / 2)
    same(await subtle.verify(hashed, open, made, MESSAGE), true)
    same(await subtle.verify(hashed, open, made.slice(1), MESSAGE), false)
  }
  curves[`ECDSA: ${namedCurve} keys come out of jwk, pkcs8, spki and raw as they went in`] = async () => {
    const secret = await subtle.importKey('jwk', jwk, algorithm, true, ['sign'])
    const { d, ...point } = jwk
    const open = await subtle.importKey('jwk', point, algorithm, true, ['verify'])
    const out = await subtle.exportKey('jwk', secret)
    same([out.x, out.y, out.d, out.crv], [jwk.x, jwk.y, d, namedCurve])
    same(
      [hex(await subtle.exportKey('pkcs8', secret)), hex(await subtle.exportKey('spki', open))],
      [pkcs8, spki],
    )
    const raw = await subtle.exportKey('raw', open)
    const again = await subtle.importKey('raw', raw, algorithm, true, ['verify'])
    same(hex(await subtle.exportKey('spki', again)), spki)
  }
  curves[`ECDH: ${namedCurve} agrees from both sides`] = async () => {
    const ecdh = { name: 'ECDH', namedCurve }
    const [one, other] = [await generate(ecdh, ['deriveBits']), await generate(ecdh, ['deriveBits'])]
    const left = await subtle.deriveBits({ name: 'ECDH', public: other.publicKey }, one.privateKey, 256)
    const right = await subtle.deriveBits({ name: 'ECDH', public: one.publicKey }, other.privateKey, 256)
    same(hex(left), hex(right))
  }
}

export const subtleAsymmetric: Checks = {
  'RSASSA-PKCS1-v1_5: signs, and verifies what others signed': () =>
    signs('RSASSA-PKCS1-v1_5', 'SHA-256', {}, RSA.pkcs1),
  'RSASSA-PKCS1-v1_5: makes the same signature as others': async () => {
    const key = await load('pkcs8', RSA.pkcs8, { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' }, ['sign'])
    same(hex(await subtle.sign('RSASSA-PKCS1-v1_5', key, MESSAGE)), RSA.pkcs1)
  },
  'RSA-PSS: signs, and verifies what others signed': () =>
    signs('RSA-PSS', 'SHA-256', { saltLength: 32 }, RSA.pss),
  'RSA-PSS: another salt length does not verify': async () => {
    const open = await load('spki', RSA.spki, { name: 'RSA-PSS', hash: 'SHA-256' }, ['verify'])
    same(await subtle.verify({ name: 'RSA-PSS', saltLength: 20 }, open, unhex(RSA.pss), MESSAGE), false)
  },
  'RSA-OAEP: decrypts what others encrypted, with its label': async () => {
    const secret = await load('pkcs8', RSA.pkcs8, { name: 'RSA-OAEP', hash: 'SHA-256' }, ['decrypt'])
    const algorithm = { name: 'RSA-OAEP', label: utf8('L') }
    same(hex(await subtle.decrypt(algorithm, secret, unhex(RSA.oaep))), hex(MESSAGE))
    await rejects('OperationError', () => subtle.decrypt({ name: 'RSA-OAEP' }, secret, unhex(RSA.oaep)))
  },
  'RSA-OAEP: encrypts what it decrypts, and refuses what is too long': async () => {
    const algorithm = { name: 'RSA-OAEP', hash: 'SHA-1' }
    const secret = await load('pkcs8', RSA.pkcs8, algorithm, ['decrypt'])
    const open = await load('spki', RSA.spki, algorithm, ['encrypt'])
    const sealed = await subtle.encrypt('RSA-OAEP', open, MESSAGE)
    same(hex(await subtle.decrypt('RSA-OAEP', secret, sealed)), hex(MESSAGE))
    await rejects('OperationError', () => subtle.encrypt('RSA-OAEP', open, new Uint8Array(256)))
  },
  'RSA: a key says what it is': async () => {
    const key = await load('spki', RSA.spki, { name: 'RSA-PSS', hash: 'SHA-384' }, ['verify'])
    const { name, modulusLength, publicExponent, hash } = key.algorithm as unknown as RsaAlgorithm
    same([name, modulusLength, publicExponent, hash.name], ['RSA-PSS', 2048, PUBLIC_EXPONENT, 'SHA-384'])
  },
  'RSA: keys come out as they went in, in pkcs8, spki and jwk': async () => {
    const algorithm = { name: 'RSA-PSS', hash: 'SHA-256' }
    const secret = await load('pkcs8', RSA.pkcs8, algorithm, ['sign'])
    const jwk = await subtle.exportKey('jwk', secret)
    same([jwk.kty, jwk.e, jwk.alg], ['RSA', 'AQAB', 'PS256'])
    const again = await subtle.importKey('jwk', jwk, algorithm, true, ['sign'])
    same(hex(await subtle.exportKey('pkcs8', again)), RSA.pkcs8)
    const open = await load('spki', RSA.spki, algorithm, ['verify'])
    same(hex(await subtle.exportKey('spki', open)), RSA.spki)
  },
  'RSA: generates a pair that works': async () => {
    const algorithm = {
      name: 'RSASSA-PKCS1-v1_5',
      modulusLength: 1024,
      publicExponent: PUBLIC_EXPONENT,
      hash: 'SHA-256',
    }
    const { publicKey, privateKey } = await generate(algorithm, ['sign', 'verify'])
    same([publicKey.usages, privateKey.usages], [['verify'], ['sign']])
    const signature = await subtle.sign('RSASSA-PKCS1-v1_5', privateKey, MESSAGE)
    same(await subtle.verify('RSASSA-PKCS1-v1_5', publicKey, signature, MESSAGE), true)
  },
  ...curves,
  'ECDSA: generated public keys are extractable, private ones as asked': async () => {
    const { publicKey, privateKey } = await generate(
      { name: 'ECDSA', namedCurve: 'P-256' },
      ['sign', 'verify'],
      false,
    )
    same([publicKey.extractable, privateKey.extractable], [true, false])
    same(
      [publicKey.usages, privateKey.usages, publicKey.algorithm],
      [['verify'], ['sign'], { name: 'ECDSA', namedCurve: 'P-256' }],
    )
    await rejects('InvalidAccessError', () => subtle.exportKey('pkcs8', privateKey))
  },
  'ECDSA: an unknown curve is a NotSupportedError, no usages a SyntaxError': async () => {
    await rejects('NotSupportedError', () => generate({ name: 'ECDSA', namedCurve: 'P-1' }, ['sign']))
    await rejects('DOM SyntaxError', () => generate({ name: 'ECDSA', namedCurve: 'P-256' }, []))
    await rejects('DOM SyntaxError', () => generate({ name: 'ECDSA', namedCurve: 'P-256' }, ['verify']))
  },
  'ECDSA: a point that is not on its curve, and data of another curve, are a DataError': async () => {
    const { jwk, spki } = CURVES['P-256']
    const { kty, crv, x, y } = jwk
    const point = { kty, crv, x, y }
    const algorithm = { name: 'ECDSA', namedCurve: 'P-256' }
    await rejects('DataError', () => subtle.importKey('jwk', { ...point, y: x }, algorithm, true, ['verify']))
    await rejects('DataError', () => load('spki', spki, { name: 'ECDSA', namedCurve: 'P-384' }, ['verify']))
    await rejects('DataError', () => load('spki', '3000', algorithm, ['verify']))
  },
  'ECDH: keys of different curves are an InvalidAccessError, too many bits an OperationError': async () => {
    const one = await generate({ name: 'ECDH', namedCurve: 'P-256' }, ['deriveBits'])
    const other = await generate({ name: 'ECDH', namedCurve: 'P-384' }, ['deriveBits'])
    await rejects('InvalidAccessError', () =>
      subtle.deriveBits({ name: 'ECDH', public: other.publicKey }, one.privateKey, 256),
    )
    await rejects('OperationError', () =>
      subtle.deriveBits({ name: 'ECDH', public: one.publicKey }, one.privateKey, 264),
    )
  },
  'Ed25519: signs as RFC 8032 says, and verifies': async () => {
    const seed = '9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60'
    const open = 'd75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a'
    const secret = await load('pkcs8', `302e020100300506032b657004220420${seed}`, { name: 'Ed25519' }, [
      'sign',
    ])
    const signature = await subtle.sign('Ed25519', secret, new Uint8Array(0))
    same(
      hex(signature),
      'e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155' +
        '5fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b',
    )
    const key = await subtle.importKey('raw', unhex(open), 'Ed25519', true, ['verify'])
    same(await subtle.verify('Ed25519', key, signature, new Uint8Array(0)), true)
    same(await subtle.verify('Ed25519', key, signature, bytes(1)), false)
    const jwk = await subtle.exportKey('jwk', secret)
    same([jwk.kty, jwk.crv, jwk.x], ['OKP', 'Ed25519', '11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo'])
  },
  'Ed25519: generates a pair that works': async () => {
    const { publicKey, privateKey } = await generate({ name: 'Ed25519' }, ['sign', 'verify'])
    const signature = await subtle.sign('Ed25519', privateKey, MESSAGE)
    same([signature.byteLength, await subtle.verify('Ed25519', publicKey, signature, MESSAGE)], [64, true])
  },
  'X25519: agrees as RFC 7748 says': async () => {
    const bob = '5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb'
    const alice = '8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a'
    const secret = await load('pkcs8', `302e020100300506032b656e04220420${bob}`, { name: 'X25519' }, [
      'deriveBits',
    ])
    const open = await subtle.importKey('raw', unhex(alice), 'X25519', true, [])
    const bits = await subtle.deriveBits({ name: 'X25519', public: open }, secret, 256)
    same(hex(bits), '4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742')
  },
  'X25519: agrees from both sides': async () => {
    const [one, other] = [
      await generate({ name: 'X25519' }, ['deriveBits']),
      await generate({ name: 'X25519' }, ['deriveBits']),
    ]
    const left = await subtle.deriveBits({ name: 'X25519', public: other.publicKey }, one.privateKey, 256)
    const right = await subtle.deriveBits({ name: 'X25519', public: one.publicKey }, other.privateKey, 256)
    same(hex(left), hex(right))
  },
  'CryptoKey: is no plain object, and its lists are the same each time': async () => {
    const { publicKey } = await generate({ name: 'Ed25519' }, ['sign', 'verify'])
    ok(
      publicKey instanceof CryptoKey &&
        publicKey.usages === publicKey.usages &&
        publicKey.algorithm === publicKey.algorithm,
    )
    same(Object.keys(publicKey), [])
    await rejects('TypeError', () =>
      subtle.exportKey('raw', wrong({ type: 'public', algorithm: publicKey.algorithm })),
    )
  },
}
