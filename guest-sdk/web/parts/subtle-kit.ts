/**
 * What the algorithms of crypto.subtle share: the way into the cell, and the core's intrinsics. A part is evaluated after
 * guest code has run, so whatever touches a key's material is a helper that the core captured at boot, or syntax.
 */
import type { Native } from '../../kernel/native.ts'

export interface SubtleDeps {
  readonly crypto: Native['crypto']
  /** At most 65,536 bytes. */
  randomBytes(length: number): string
  domException(name: string, message: string): Error
  isBufferSource(value: unknown): value is ArrayBuffer | ArrayBufferView
  viewBytes(source: ArrayBuffer | ArrayBufferView): Uint8Array
  byteLength(value: unknown): number
  typedArrayName(value: unknown): string | undefined
  byteStringFromBytes(bytes: Uint8Array): string
  bytesFromByteString(text: string): Uint8Array
  bufferOf(value: unknown): ArrayBuffer
  encodeUtf8(text: string): string
  decodeText(byteString: string): string
  jsonParse(text: string): unknown
  jsonStringify(value: unknown): string | undefined
  hasOwn(value: object, key: PropertyKey): boolean
  defineProperty(target: object, key: PropertyKey, descriptor: PropertyDescriptor): unknown
  indexOf(text: string, search: string, from?: number): number
  slice(text: string, start: number, end?: number): string
  charCodeAt(text: string, index: number): number
  fromCharCode(...codes: number[]): string
  toUpperCase(text: string): string
}

export interface Kit extends SubtleDeps {
  /** An operation in the cell (sandbox/engine/native-crypto.ts lists them); what it refuses is thrown. */
  call(
    operation: string,
    words: string,
    first?: string,
    second?: string,
    third?: string,
    fourth?: string,
  ): string
  /** Throws a TypeError unless `value` is an ArrayBuffer or a view of one. */
  checkSource(value: unknown, what: string): void
  /** A copy of a BufferSource, as a byte string. */
  bytesOf(value: unknown, what: string): string
  arrayBuffer(byteString: string): ArrayBuffer
  error(name: string, message: string): Error
  /** Own properties, whatever setters the guest put on Object.prototype. */
  define(target: object, name: string, value: unknown): void
  /** JSON of an object of ours that holds a key. */
  jsonOf(value: object): string
}

/** As sandbox/engine/crypto/caps.ts has it; checked here too, before anything is copied. */
const MAX_INPUT_BYTES = 32 * 1024 * 1024

export function createKit(deps: SubtleDeps): Kit {
  const checkSource = (value: unknown, what: string): void => {
    if (!deps.isBufferSource(value)) throw new TypeError(`${what} must be an ArrayBuffer or a view of one`)
  }
  const kit: Kit = {
    ...deps,
    call(operation, words, first, second, third, fourth) {
      const result = deps.crypto(operation, words, first, second, third, fourth)
      if (result === undefined) throw deps.domException('OperationError', 'The operation failed')
      if (result[0] === '1') return deps.slice(result, 1)
      const end = deps.indexOf(result, '\n')
      throw deps.domException(deps.slice(result, 1, end), deps.slice(result, end + 1))
    },
    checkSource,
    bytesOf(value, what) {
      checkSource(value, what)
      const bytes = deps.viewBytes(value as ArrayBuffer | ArrayBufferView)
      if (deps.byteLength(bytes) > MAX_INPUT_BYTES) {
        throw deps.domException('OperationError', `${what}: at most ${MAX_INPUT_BYTES} bytes at a time`)
      }
      return deps.byteStringFromBytes(bytes)
    },
    arrayBuffer: (byteString) => deps.bufferOf(deps.bytesFromByteString(byteString)),
    error: deps.domException,
    jsonOf(value) {
      // With one of its own, JSON.stringify asks no prototype for toJSON, and nobody is handed the key.
      kit.define(value, 'toJSON', undefined)
      return deps.jsonStringify(value) ?? ''
    },
    define(target, name, value) {
      const descriptor = { __proto__: null, value, writable: true, enumerable: true, configurable: true }
      deps.defineProperty(target, name, descriptor as PropertyDescriptor)
    },
  }
  return kit
}
