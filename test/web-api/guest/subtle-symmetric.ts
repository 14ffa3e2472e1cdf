/** SubtleCrypto: digests, HMAC, AES and key derivation, by the Web Cryptography API. */
import { bytes, hex, ok, rejects, same, unhex, utf8, wrong, type Checks } from './expect.ts'

const aes = (name: string, raw: string, usages: KeyUsage[], extractable = true): Promise<CryptoKey> =>
  crypto.subtle.importKey('raw', unhex(raw), name, extractable, usages)
const hmac = (
  raw: string,
  hash: string,
  usages: KeyUsage[] = ['sign', 'verify'],
  extractable = true,
): Promise<CryptoKey> =>
  crypto.subtle.importKey('raw', unhex(raw), { name: 'HMAC', hash }, extractable, usages)
const KEY = '000102030405060708090a0b0c0d0e0f'
const IV = unhex('101112131415161718191a1b1c1d1e1f')

const DIGESTS = {
  'SHA-1': 'a9993e364706816aba3e25717850c26c9cd0d89d',
  'SHA-256': 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad',
  'SHA-384':
    'cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed8086072ba1e7cc2358baeca134c825a7',
  'SHA-512':
    'ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a' +
    '2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f',
}
const digests: Record<string, () => Promise<void>> = {}
for (const [name, expected] of Object.entries(DIGESTS)) {
  digests[`subtle.digest: ${name} of "abc"`] = async () => {
    const digest = await crypto.subtle.digest(name, utf8('abc'))
    ok(digest instanceof ArrayBuffer)
    same(hex(digest), expected)
  }
}

const roundTrip = async (algorithm: AesGcmParams | AesCbcParams | AesCtrParams): Promise<void> => {
  for (const length of [128, 192, 256]) {
    const name = algorithm.name
    const key = await crypto.subtle.generateKey({ name, length }, true, ['encrypt', 'decrypt'])
    const data = utf8('some text of no particular length')
    const sealed = await crypto.subtle.encrypt(algorithm, key, data)
    ok(hex(sealed) !== hex(data))
    same(hex(await crypto.subtle.decrypt(algorithm, key, sealed)), hex(data))
  }
}

export const subtleSymmetric: Checks = {
  ...digests,
  'subtle.digest: the name has no case and may be an object': async () => {
    same(hex(await crypto.subtle.digest({ name: 'sha-256' }, utf8('abc'))), DIGESTS['SHA-256'])
  },
  'subtle.digest: an unknown algorithm is a NotSupportedError': () =>
    rejects('NotSupportedError', () => crypto.subtle.digest('MD5', bytes(1))),
  'subtle.digest: an algorithm without a name, and data of a wrong type, are a TypeError': async () => {
    await rejects('TypeError', () => crypto.subtle.digest(wrong({}), bytes(1)))
    await rejects('TypeError', () => crypto.subtle.digest('SHA-256', wrong('abc')))
    await rejects(
      'TypeError',
      () => Reflect.apply(crypto.subtle.digest, crypto.subtle, ['SHA-256']) as unknown,
    )
  },
  'subtle.digest: takes views as what they show, copied when called': async () => {
    const data = utf8('xabcx')
    const pending = crypto.subtle.digest('SHA-1', data.subarray(1, 4))
    data.fill(0)
    same(hex(await pending), DIGESTS['SHA-1'])
  },
  'subtle: methods reject for another this': () =>
    rejects('TypeError', () => Reflect.apply(crypto.subtle.digest, {}, ['SHA-1', bytes(1)]) as unknown),
  'HMAC: signs as RFC 4231 says': async () => {
    const key = await hmac('0b'.repeat(20), 'SHA-256')
    same(
      hex(await crypto.subtle.sign('HMAC', key, utf8('Hi There'))),
      'b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7',
    )
  },
  'HMAC: verify is true, and false for another signature, length or message': async () => {
    const key = await hmac(KEY, 'SHA-1')
    const signature = new Uint8Array(await crypto.subtle.sign('HMAC', key, utf8('m')))
    same(await crypto.subtle.verify('HMAC', key, signature, utf8('m')), true)
    same(await crypto.subtle.verify('HMAC', key, signature, utf8('n')), false)
    same(await crypto.subtle.verify('HMAC', key, signature.subarray(1), utf8('m')), false)
    signature[0] = (signature[0] ?? 0) ^ 1
    same(await crypto.subtle.verify('HMAC', key, signature, utf8('m')), false)
  },
  'HMAC: generated keys have the block size of the hash': async () => {
    for (const [hash, length] of [
      ['SHA-1', 512],
      ['SHA-256', 512],
      ['SHA-384', 1024],
      ['SHA-512', 1024],
    ] as const) {
      const key = await crypto.subtle.generateKey({ name: 'HMAC', hash }, true, ['sign'])
      same((key.algorithm as KeyAlgorithm & { length: number }).length, length)
      same((await crypto.subtle.exportKey('raw', key)).byteLength, length / 8)
    }
  },
  'HMAC: jwk comes out and in again': async () => {
    const key = await hmac(KEY, 'SHA-256')
    const jwk = await crypto.subtle.exportKey('jwk', key)
    same(
      [jwk.kty, jwk.k, jwk.alg, jwk.ext, jwk.key_ops],
      ['oct', 'AAECAwQFBgcICQoLDA0ODw', 'HS256', true, ['sign', 'verify']],
    )
    const again = await crypto.subtle.importKey('jwk', jwk, { name: 'HMAC', hash: 'SHA-256' }, false, [
      'verify',
    ])
    same(
      [again.type, again.extractable, again.usages, again.algorithm],
      ['secret', false, ['verify'], { name: 'HMAC', hash: { name: 'SHA-256' }, length: 128 }],
    )
  },
  'HMAC: jwk members that contradict are a DataError': async () => {
    const jwk = { kty: 'oct', k: 'AAEC' }
    const load = (more: JsonWebKey): Promise<CryptoKey> =>
      crypto.subtle.importKey('jwk', { ...jwk, ...more }, { name: 'HMAC', hash: 'SHA-256' }, true, ['sign'])
    await load({})
    for (const more of [
      { kty: 'RSA' },
      { alg: 'HS512' },
      { use: 'enc' },
      { ext: false },
      { key_ops: ['verify'] },
      { key_ops: ['sign', 'sign'] },
      { k: wrong(undefined) },
    ]) {
      await rejects('DataError', () => load(more))
    }
  },
  'HMAC: an empty key is a DataError, empty usages a SyntaxError': async () => {
    await rejects('DataError', () => hmac('', 'SHA-256'))
    await rejects('DOM SyntaxError', () => hmac(KEY, 'SHA-256', []))
  },
  'HMAC: usages that do not fit are a SyntaxError, unknown ones a TypeError': async () => {
    await rejects('DOM SyntaxError', () => hmac(KEY, 'SHA-256', ['encrypt']))
    await rejects('TypeError', () => hmac(KEY, 'SHA-256', [wrong('read')]))
  },
  'AES-GCM: encrypts as the reference says, and keeps its tag at the end': async () => {
    const key = await aes('AES-GCM', '00'.repeat(16), ['encrypt'])
    const sealed = await crypto.subtle.encrypt(
      { name: 'AES-GCM', iv: new Uint8Array(12) },
      key,
      new Uint8Array(16),
    )
    same(hex(sealed), '0388dace60b6a392f328c2b971b2fe78ab6e47d42cec13bdf53a67b21257bddf')
  },
  'AES-GCM: comes back for every key length': () => roundTrip({ name: 'AES-GCM', iv: IV }),
  'AES-GCM: additional data and tag length are held to': async () => {
    const key = await aes('AES-GCM', KEY, ['encrypt', 'decrypt'])
    const algorithm = { name: 'AES-GCM', iv: IV, additionalData: utf8('more'), tagLength: 96 }
    const sealed = await crypto.subtle.encrypt(algorithm, key, utf8('x'))
    same(sealed.byteLength, 13)
    same(hex(await crypto.subtle.decrypt(algorithm, key, sealed)), '78')
    await rejects('OperationError', () =>
      crypto.subtle.decrypt({ ...algorithm, additionalData: utf8('less') }, key, sealed),
    )
    await rejects('OperationError', () =>
      crypto.subtle.encrypt({ ...algorithm, tagLength: 100 }, key, utf8('x')),
    )
  },
  'AES-GCM: what was changed, or is too short, is an OperationError': async () => {
    const key = await aes('AES-GCM', KEY, ['encrypt', 'decrypt'])
    const sealed = new Uint8Array(await crypto.subtle.encrypt({ name: 'AES-GCM', iv: IV }, key, utf8('x')))
    sealed[0] = (sealed[0] ?? 0) ^ 1
    await rejects('OperationError', () => crypto.subtle.decrypt({ name: 'AES-GCM', iv: IV }, key, sealed))
    await rejects('OperationError', () => crypto.subtle.decrypt({ name: 'AES-GCM', iv: IV }, key, bytes(1)))
  },
  'AES-CBC: encrypts as the reference says, with padding': async () => {
    const key = await aes('AES-CBC', '2b7e151628aed2a6abf7158809cf4f3c', ['encrypt'])
    const iv = unhex('000102030405060708090a0b0c0d0e0f')
    const sealed = await crypto.subtle.encrypt(
      { name: 'AES-CBC', iv },
      key,
      unhex('6bc1bee22e409f96e93d7e117393172a'),
    )
    same([sealed.byteLength, hex(sealed.slice(0, 16))], [32, '7649abac8119b246cee98e9b12e9197d'])
  },
  'AES-CBC: comes back for every key length': () => roundTrip({ name: 'AES-CBC', iv: IV }),
  'AES-CBC: bad padding and an IV that is not 16 bytes are an OperationError': async () => {
    const key = await aes('AES-CBC', KEY, ['encrypt', 'decrypt'])
    await rejects('OperationError', () =>
      crypto.subtle.encrypt({ name: 'AES-CBC', iv: bytes(1) }, key, bytes(1)),
    )
    await rejects('OperationError', () =>
      crypto.subtle.decrypt({ name: 'AES-CBC', iv: IV }, key, bytes(1, 2, 3)),
    )
  },
  'AES-CTR: encrypts as the reference says': async () => {
    const key = await aes('AES-CTR', '2b7e151628aed2a6abf7158809cf4f3c', ['encrypt'])
    const counter = unhex('f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff')
    const sealed = await crypto.subtle.encrypt(
      { name: 'AES-CTR', counter, length: 128 },
      key,
      unhex('6bc1bee22e409f96e93d7e117393172a'),
    )
    same(hex(sealed), '874d6191b620e3261bef6864990db6ce')
  },
  'AES-CTR: comes back for every key length': () => roundTrip({ name: 'AES-CTR', counter: IV, length: 64 }),
  'AES-CTR: the counter wraps within its own bits': async () => {
    const key = await aes('AES-CTR', KEY, ['encrypt'])
    const seal = async (counter: string, length: number, size: number): Promise<string> =>
      hex(
        await crypto.subtle.encrypt(
          { name: 'AES-CTR', counter: unhex(counter), length },
          key,
          new Uint8Array(size),
        ),
      )
    const wrapped = await seal('00'.repeat(15) + 'ff', 8, 32)
    same(wrapped.slice(32), await seal('00'.repeat(16), 8, 16))
    same(wrapped.slice(0, 32), await seal('00'.repeat(15) + 'ff', 128, 16))
    await rejects('OperationError', () => seal('00'.repeat(16), 1, 48))
    await rejects('OperationError', () => seal('00'.repeat(16), 0, 16))
  },
  'AES-KW: wraps as RFC 3394 says, and back': async () => {
    const wrapper = await aes('AES-KW', KEY, ['wrapKey', 'unwrapKey'])
    const inner = await aes('AES-CBC', '00112233445566778899aabbccddeeff', ['encrypt'])
    const wrapped = await crypto.subtle.wrapKey('raw', inner, wrapper, 'AES-KW')
    same(hex(wrapped), '1fa68b0a8112b447aef34bd8fb5a7b829d3e862371d2cfe5')
    const back = await crypto.subtle.unwrapKey('raw', wrapped, wrapper, 'AES-KW', 'AES-CBC', true, [
      'encrypt',
    ])
    same(hex(await crypto.subtle.exportKey('raw', back)), '00112233445566778899aabbccddeeff')
    await rejects('OperationError', () =>
      crypto.subtle.unwrapKey('raw', new Uint8Array(24), wrapper, 'AES-KW', 'AES-CBC', true, ['encrypt']),
    )
  },
  'AES: key lengths that do not exist are refused': async () => {
    await rejects('DataError', () => aes('AES-GCM', '00'.repeat(15), ['encrypt']))
    await rejects('OperationError', () =>
      crypto.subtle.generateKey({ name: 'AES-CBC', length: 100 }, true, ['encrypt']),
    )
  },
  'AES: a key serves its own algorithm and its usages only: InvalidAccessError': async () => {
    const key = await aes('AES-GCM', KEY, ['encrypt'])
    await rejects('InvalidAccessError', () => crypto.subtle.decrypt({ name: 'AES-GCM', iv: IV }, key, IV))
    await rejects('InvalidAccessError', () => crypto.subtle.encrypt({ name: 'AES-CBC', iv: IV }, key, IV))
    const closed = await aes('AES-GCM', KEY, ['encrypt'], false)
    await rejects('InvalidAccessError', () => crypto.subtle.exportKey('raw', closed))
  },
  'AES: jwk comes out and in again': async () => {
    const jwk = await crypto.subtle.exportKey('jwk', await aes('AES-GCM', KEY, ['encrypt', 'decrypt']))
    same([jwk.kty, jwk.alg, jwk.k], ['oct', 'A128GCM', 'AAECAwQFBgcICQoLDA0ODw'])
    const key = await crypto.subtle.importKey('jwk', jwk, 'AES-GCM', true, ['encrypt'])
    same(hex(await crypto.subtle.exportKey('raw', key)), KEY)
  },
  'wrapKey: jwk in AES-GCM comes back': async () => {
    const wrapper = await aes('AES-GCM', KEY, ['wrapKey', 'unwrapKey'])
    const algorithm = { name: 'AES-GCM', iv: IV }
    const wrapped = await crypto.subtle.wrapKey('jwk', await hmac(KEY, 'SHA-256'), wrapper, algorithm)
    const back = await crypto.subtle.unwrapKey(
      'jwk',
      wrapped,
      wrapper,
      algorithm,
      { name: 'HMAC', hash: 'SHA-256' },
      true,
      ['sign'],
    )
    same([hex(await crypto.subtle.exportKey('raw', back)), back.usages], [KEY, ['sign']])
  },
  'PBKDF2: derives as RFC 6070 says': async () => {
    const key = await crypto.subtle.importKey('raw', utf8('password'), 'PBKDF2', false, ['deriveBits'])
    const algorithm = { name: 'PBKDF2', hash: 'SHA-1', salt: utf8('salt'), iterations: 4096 }
    same(hex(await crypto.subtle.deriveBits(algorithm, key, 160)), '4b007901b765489abead49d926f721d065a429c1')
    await rejects('OperationError', () => crypto.subtle.deriveBits({ ...algorithm, iterations: 0 }, key, 160))
    await rejects('OperationError', () => crypto.subtle.deriveBits(algorithm, key, 7))
    await rejects('DOM SyntaxError', () =>
      crypto.subtle.importKey('raw', utf8('p'), 'PBKDF2', true, ['deriveBits']),
    )
  },
  'HKDF: derives as RFC 5869 says': async () => {
    const key = await crypto.subtle.importKey('raw', unhex('0b'.repeat(22)), 'HKDF', false, [
      'deriveBits',
      'deriveKey',
    ])
    const algorithm = {
      name: 'HKDF',
      hash: 'SHA-256',
      salt: unhex('000102030405060708090a0b0c'),
      info: unhex('f0f1f2f3f4f5f6f7f8f9'),
    }
    same(
      hex(await crypto.subtle.deriveBits(algorithm, key, 336)),
      '3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865',
    )
    const derived = await crypto.subtle.deriveKey(algorithm, key, { name: 'AES-GCM', length: 128 }, true, [
      'encrypt',
    ])
    same(hex(await crypto.subtle.exportKey('raw', derived)), '3cb25f25faacd57a90434f64d0362f2a')
  },
}
