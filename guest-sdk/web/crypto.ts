/** crypto: random values from the random bytes of the turn, and the way to `subtle`, which is a part of its own. */
import { bytesFromByteString } from './bytes.ts'
import { domException } from './dom-exception.ts'
import { charCodeAt, slice, typedArrayName, viewBytes } from './intrinsics.ts'

export interface Crypto {
  readonly subtle: object
  getRandomValues<T>(array: T): T
  randomUUID(): string
}

const QUOTA_BYTES = 65_536
/** Small draws come from a stock, since each way to the cell costs more than the bytes. */
const STOCK_BYTES = 256
const HEX: readonly string[] = Array.from({ length: 256 }, (_, byte) => (byte + 256).toString(16).slice(1))

export function createCrypto(
  randomBytes: (length: number) => string,
  loadSubtle: () => object,
): { Crypto: unknown; crypto: Crypto } {
  const token = {}
  class CryptoClass {
    readonly #random = createDraw(randomBytes)

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
        let byte = charCodeAt(random, index)
        if (index === 6) byte = (byte & 0x0f) | 0x40
        if (index === 8) byte = (byte & 0x3f) | 0x80
        if (index === 4 || index === 6 || index === 8 || index === 10) uuid += '-'
        uuid += HEX[byte]
      }
      return uuid
    }
  }
  return { Crypto: CryptoClass, crypto: new CryptoClass(token) }
}

/** Each byte is given once. */
function createDraw(randomBytes: (length: number) => string): (length: number) => string {
  let stock = ''
  let used = 0
  return (length) => {
    if (length > STOCK_BYTES / 4) return randomBytes(length)
    if (used + length > stock.length) {
      stock = randomBytes(STOCK_BYTES)
      used = 0
    }
    used += length
    return slice(stock, used - length, used)
  }
}
