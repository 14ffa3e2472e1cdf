/**
 * The cell's half of `crypto.subtle`: node:crypto's synchronous functions, fed with the guest's own random stream.
 *
 *     crypto(operation, words, ...byteStrings) → '1' + result, or '0' + name of a DOMException + '\n' + message
 *
 * `words` are parted by single spaces. The guest's half (guest-sdk/web/parts/subtle*.ts) checks usages and parameters
 * as the specification says; this half believes none of it. It holds no keys: the guest keeps its own, and sends them
 * along as raw bytes (secret), SPKI (public) or PKCS #8 (private), so nothing needs to be freed.
 *
 * | operation | words | byte strings | result |
 * | --- | --- | --- | --- |
 * | digest | hash | data | digest |
 * | sign | `HMAC h`, `RSASSA-PKCS1-v1_5 h`, `RSA-PSS h saltLength`, `ECDSA curve h`, `Ed25519` | key, data | signature |
 * | verify | as sign | key, data, signature | `1` or `0` |
 * | encrypt, decrypt | `AES-GCM tagBits` | key, data, iv, additional data | data |
 * | | `AES-CBC`; `AES-CTR counterBits`; `AES-KW` | key, data, iv or counter | data |
 * | | `RSA-OAEP h` | key, data, label | data |
 * | deriveBits | `ECDH`, `X25519` | private, public | secret |
 * | | `HKDF h bytes` | key, salt, info | bytes |
 * | | `PBKDF2 h iterations bytes` | password, salt | bytes |
 * | generateKey | `RSA bits exponentHex`, `EC curve`, `Ed25519`, `X25519` | | length of the private key, `\n`, private, public |
 * | importKey | `spki\|pkcs8\|raw\|jwk`, then `RSA`, `EC curve`, `Ed25519`, `X25519` | data (JWK: alternating names and values) | key; RSA: `bits exponentHex\n` first |
 * | | `jwk oct` | value of `k` | key |
 * | exportKey | `raw\|jwk`, then as importKey, `public\|private\|secret` | key | bytes (JWK: alternating names and values) |
 *
 * No result depends on OpenSSL's own random generator: what is random is drawn from `host.randomBytes`, or replays
 * would differ. (OpenSSL draws for blinding and for the witnesses of primes, which shows in no result.)
 */
import type { GuestHost } from './contract.ts'
import { MAX_INPUT_BYTES } from './crypto/caps.ts'
import { decryptAes, encryptAes } from './crypto/ciphers.ts'
import { agree, hkdf, pbkdf2 } from './crypto/derive.ts'
import { signEcdsa, verifyEcdsa } from './crypto/ecdsa.ts'
import { CryptoFailure, fail } from './crypto/failure.ts'
import { digest, hashNamed } from './crypto/hashes.ts'
import { signHmac, verifyHmac } from './crypto/hmac.ts'
import { exportKey } from './crypto/key-export.ts'
import { generateKeyPair } from './crypto/key-generation.ts'
import { importKey } from './crypto/key-import.ts'
import { createKeyRing, type KeyRing } from './crypto/key-ring.ts'
import { signEd25519, verifyEd25519 } from './crypto/okp.ts'
import { decryptOaep, encryptOaep, signPkcs1, signPss, verifyPkcs1, verifyPss } from './crypto/rsa.ts'
import type { NativeFunction } from './natives.ts'

export type RandomBytes = (length: number) => Buffer

type Operation = (words: readonly string[], bytes: readonly Buffer[], tools: Tools) => Buffer

interface Tools {
  readonly random: RandomBytes
  readonly ring: KeyRing
}

const NOTHING: Buffer = Buffer.alloc(0)

/** One per isolate: what it caches of parsed keys is no other guest's. */
export function createCryptoNative(host: GuestHost): NativeFunction {
  const tools: Tools = { random: (length) => host.randomBytes(length), ring: createKeyRing() }
  return (operation, words, ...byteStrings) => {
    try {
      const run = OPERATIONS.get(String(operation))
      if (run === undefined) return failure('NotSupportedError', 'Unknown operation')
      const bytes: Buffer[] = []
      for (const text of byteStrings) {
        if (typeof text === 'string' && text.length > MAX_INPUT_BYTES)
          fail('OperationError', `At most ${MAX_INPUT_BYTES} bytes at a time`)
        bytes.push(typeof text === 'string' ? Buffer.from(text, 'latin1') : NOTHING)
      }
      return `1${run(String(words).split(' '), bytes, tools).toString('latin1')}`
    } catch (thrown) {
      if (thrown instanceof CryptoFailure) return failure(thrown.kind, thrown.message)
      // OpenSSL's own words say nothing that a guest needs; for a key they mean that it is malformed.
      if (operation === 'importKey') return failure('DataError', 'The key is malformed')
      return failure('OperationError', 'The operation failed')
    }
  }
}

const failure = (name: string, message: string): string => `0${name}\n${message}`

const verdict = (accepted: boolean): Buffer => Buffer.from(accepted ? '1' : '0')

const OPERATIONS: ReadonlyMap<string, Operation> = new Map<string, Operation>([
  ['digest', ([hash], [data = NOTHING]) => digest(hashNamed(hash), data)],
  ['sign', (words, [key = NOTHING, data = NOTHING], tools) => sign(words, key, data, tools)],
  [
    'verify',
    (words, [key = NOTHING, data = NOTHING, signature = NOTHING], tools) =>
      verdict(verify(words, key, data, signature, tools)),
  ],
  ['encrypt', (words, bytes, tools) => encrypt(words, bytes, tools)],
  ['decrypt', (words, bytes, tools) => decrypt(words, bytes, tools)],
  ['deriveBits', (words, bytes, tools) => deriveBits(words, bytes, tools)],
  ['generateKey', (words, _bytes, { random }) => generateKeyPair(words, random)],
  ['importKey', (words, [data = NOTHING]) => importKey(words, data)],
  ['exportKey', (words, [key = NOTHING], { ring }) => exportKey(words, key, ring)],
])

function sign(words: readonly string[], key: Buffer, data: Buffer, { ring, random }: Tools): Buffer {
  switch (words[0]) {
    case 'HMAC':
      return signHmac(hashNamed(words[1]), ring.secretKey(key), data)
    case 'RSASSA-PKCS1-v1_5':
      return signPkcs1(hashNamed(words[1]), ring.privateKey(key), data)
    case 'RSA-PSS':
      return signPss(hashNamed(words[1]), Number(words[2]), ring.privateKey(key), data, random)
    case 'ECDSA':
      return signEcdsa(words[1], hashNamed(words[2]), ring.privateKey(key), data, random)
    case 'Ed25519':
      return signEd25519(ring.privateKey(key), data)
    default:
      return fail('NotSupportedError', 'Unknown algorithm')
  }
}

function verify(
  words: readonly string[],
  key: Buffer,
  data: Buffer,
  signature: Buffer,
  { ring }: Tools,
): boolean {
  switch (words[0]) {
    case 'HMAC':
      return verifyHmac(hashNamed(words[1]), ring.secretKey(key), data, signature)
    case 'RSASSA-PKCS1-v1_5':
      return verifyPkcs1(hashNamed(words[1]), ring.publicKey(key), data, signature)
    case 'RSA-PSS':
      return verifyPss(hashNamed(words[1]), Number(words[2]), ring.publicKey(key), data, signature)
    case 'ECDSA':
      return verifyEcdsa(words[1], hashNamed(words[2]), ring.publicKey(key), data, signature)
    case 'Ed25519':
      return verifyEd25519(ring.publicKey(key), data, signature)
    default:
      return fail('NotSupportedError', 'Unknown algorithm')
  }
}

function encrypt(words: readonly string[], bytes: readonly Buffer[], { ring, random }: Tools): Buffer {
  const [key = NOTHING, data = NOTHING, extra = NOTHING, additional = NOTHING] = bytes
  if (words[0] !== 'RSA-OAEP') return encryptAes(words, key, data, extra, additional)
  return encryptOaep(hashNamed(words[1]), ring.publicKey(key), data, extra, random)
}

function decrypt(words: readonly string[], bytes: readonly Buffer[], { ring }: Tools): Buffer {
  const [key = NOTHING, data = NOTHING, extra = NOTHING, additional = NOTHING] = bytes
  if (words[0] !== 'RSA-OAEP') return decryptAes(words, key, data, extra, additional)
  return decryptOaep(hashNamed(words[1]), ring.privateKey(key), data, extra)
}

function deriveBits(words: readonly string[], bytes: readonly Buffer[], { ring }: Tools): Buffer {
  const [key = NOTHING, second = NOTHING, third = NOTHING] = bytes
  switch (words[0]) {
    case 'ECDH':
    case 'X25519':
      return agree(ring.privateKey(key), ring.publicKey(second))
    case 'HKDF':
      return hkdf(hashNamed(words[1]), key, second, third, Number(words[2]))
    case 'PBKDF2':
      return pbkdf2(hashNamed(words[1]), key, second, Number(words[2]), Number(words[3]))
    default:
      return fail('NotSupportedError', 'Unknown algorithm')
  }
}
