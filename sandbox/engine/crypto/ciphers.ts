/** AES in the modes of the Web Cryptography API. */
import { createCipheriv, createDecipheriv, type CipherGCMTypes } from 'node:crypto'
import { fail } from './failure.ts'
import { toBytes, toInteger } from './integers.ts'

const BLOCK_BYTES = 16
const TAG_BITS: ReadonlySet<number> = new Set([32, 64, 96, 104, 112, 120, 128])
/** The initial value of RFC 3394: what unwrapping checks for. */
const WRAP_IV: Buffer = Buffer.alloc(8, 0xa6)

/** `words`: the algorithm, then the length of GCM's tag or CTR's counter in bits. */
export function encryptAes(
  words: readonly string[],
  key: Buffer,
  data: Buffer,
  iv: Buffer,
  additional: Buffer,
): Buffer {
  const bits = checkedKeyBits(key)
  switch (words[0]) {
    case 'AES-GCM': {
      const cipher = createCipheriv(`aes-${bits}-gcm` as CipherGCMTypes, key, iv, {
        authTagLength: tagBytes(words[1]),
      })
      cipher.setAAD(additional)
      return Buffer.concat([cipher.update(data), cipher.final(), cipher.getAuthTag()])
    }
    case 'AES-CBC':
      return finish(createCipheriv(`aes-${bits}-cbc`, key, iv), data)
    case 'AES-CTR':
      return counterMode(bits, key, data, iv, Number(words[1]))
    case 'AES-KW':
      checkWrapped(data, 16)
      return finish(createCipheriv(`id-aes${bits}-wrap`, key, WRAP_IV), data)
    default:
      return fail('NotSupportedError', 'Unknown algorithm')
  }
}

export function decryptAes(
  words: readonly string[],
  key: Buffer,
  data: Buffer,
  iv: Buffer,
  additional: Buffer,
): Buffer {
  const bits = checkedKeyBits(key)
  switch (words[0]) {
    case 'AES-GCM': {
      const authTagLength = tagBytes(words[1])
      if (data.length < authTagLength) fail('OperationError', 'The data is shorter than its tag')
      const cipher = createDecipheriv(`aes-${bits}-gcm` as CipherGCMTypes, key, iv, { authTagLength })
      cipher.setAAD(additional)
      cipher.setAuthTag(data.subarray(data.length - authTagLength))
      return finish(cipher, data.subarray(0, data.length - authTagLength))
    }
    case 'AES-CBC':
      return finish(createDecipheriv(`aes-${bits}-cbc`, key, iv), data)
    case 'AES-CTR':
      return counterMode(bits, key, data, iv, Number(words[1]))
    case 'AES-KW':
      checkWrapped(data, 24)
      return finish(createDecipheriv(`id-aes${bits}-wrap`, key, WRAP_IV), data)
    default:
      return fail('NotSupportedError', 'Unknown algorithm')
  }
}

interface Cipher {
  update(data: Buffer): Buffer
  final(): Buffer
}

const finish = (cipher: Cipher, data: Buffer): Buffer => Buffer.concat([cipher.update(data), cipher.final()])

function checkedKeyBits(key: Buffer): number {
  if (key.length !== 16 && key.length !== 24 && key.length !== 32) fail('OperationError', 'Not an AES key')
  return key.length * 8
}

function tagBytes(word: string | undefined): number {
  const bits = Number(word)
  if (!TAG_BITS.has(bits)) fail('OperationError', 'Invalid tagLength')
  return bits / 8
}

function checkWrapped(data: Buffer, least: number): void {
  if (data.length < least || data.length % 8 !== 0) {
    fail('OperationError', `AES-KW: the data must be a multiple of 8 bytes, ${least} at least`)
  }
}

/**
 * Only the last `counterBits` bits of the counter block count up; OpenSSL counts with all 128. So what comes after the
 * counter's wrap is a second stream that begins at zero.
 */
function counterMode(bits: number, key: Buffer, data: Buffer, counter: Buffer, counterBits: number): Buffer {
  if (counter.length !== BLOCK_BYTES) fail('OperationError', 'The counter must be 16 bytes')
  if (!(counterBits >= 1 && counterBits <= 128)) fail('OperationError', 'Invalid length of the counter')
  const values = 1n << BigInt(counterBits)
  const block = toInteger(counter)
  const start = block % values
  const blocks = BigInt(Math.ceil(data.length / BLOCK_BYTES))
  if (blocks > values) fail('OperationError', 'The data is too long for the counter')
  const run = (from: Buffer, part: Buffer): Buffer =>
    finish(createCipheriv(`aes-${bits}-ctr`, key, from), part)
  if (blocks <= values - start) return run(counter, data)
  const until = Number(values - start) * BLOCK_BYTES
  const wrapped = toBytes(block - start, BLOCK_BYTES)
  return Buffer.concat([run(counter, data.subarray(0, until)), run(wrapped, data.subarray(until))])
}
