/** crypto: random values from the random bytes of the turn, and the way to `subtle`, which is a part of its own. */
import { bytesFromByteString } from './bytes.ts'
import { domException } from './dom-exception.ts'
import { typedArrayName, viewBytes } from './intrinsics.ts'

export interface Crypto {
  readonly subtle: object
  getRandomValues<T>(array: T): T
  randomUUID(): string
}

const QUOTA_BYTES = 65_536

export function createCrypto(
  randomBytes: (length: number) => string,
  loadSubtle: () => object,
): { Crypto: unknown; crypto: Crypto } {
  const token = {}
  class CryptoClass {
    readonly #random = randomBytes

    constructor(given: unknown = undefined) {
      if (given !== token) throw new TypeError('Illegal constructor')
    }

    get subtle(): object {
      if (!(#random in this)) throw new TypeError('Illegal invocation')
      return loadSubtle()
    }

    getRandomValues<T>(array: T): T {
      const random = this.#random
      const name = typedArrayName(array)
      if (name === undefined && !ArrayBuffer.isView(array)) {
        throw new TypeError('crypto.getRandomValues: expected a typed array')
      }
      if (name === undefined || name.startsWith('Float')) {
        throw domException('TypeMismatchError', 'crypto.getRandomValues: expected a typed array of integers')
      }
      const bytes = viewBytes(array as Uint8Array)
      if (bytes.length > QUOTA_BYTES) {
        throw domException(
          'QuotaExceededError',
          `crypto.getRandomValues: at most ${QUOTA_BYTES} bytes at a time, asked for ${bytes.length}`,
        )
      }
      bytes.set(bytesFromByteString(random(bytes.length)))
      return array
    }

    randomUUID(): string {
      const random = this.#random(16)
      let uuid = ''
      for (let index = 0; index < 16; index++) {
        let byte = random.charCodeAt(index)
        if (index === 6) byte = (byte & 0x0f) | 0x40
        if (index === 8) byte = (byte & 0x3f) | 0x80
        if (index === 4 || index === 6 || index === 8 || index === 10) uuid += '-'
        uuid += (byte + 256).toString(16).slice(1)
      }
      return uuid
    }
  }
  return { Crypto: CryptoClass, crypto: new CryptoClass(token) }
}
