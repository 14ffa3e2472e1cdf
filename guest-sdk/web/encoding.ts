/**
 * TextEncoder and TextDecoder (Encoding Standard). UTF-8 lives here; the other encodings are in the part
 * 'encodings', loaded when a label asks for one.
 */
import type { Native } from '../kernel/native.ts'
import { type Codec, byteStringFromBytes } from './bytes.ts'
import { concatBytes, copyBytes, isBufferSource, typedArrayName, viewBytes } from './intrinsics.ts'
import type { EncodingsPart, LegacyDecoder } from './parts/encodings.ts'

export interface TextEncoder {
  readonly encoding: string
  encode(input?: string): Uint8Array<ArrayBuffer>
  encodeInto(source: string, destination: Uint8Array): { read: number; written: number }
}

export interface TextDecoder {
  readonly encoding: string
  readonly fatal: boolean
  readonly ignoreBOM: boolean
  decode(input?: ArrayBuffer | ArrayBufferView, options?: { stream?: boolean }): string
}

export interface EncodingKit {
  readonly TextEncoder: new () => TextEncoder
  readonly TextDecoder: new (
    label?: string,
    options?: { fatal?: boolean; ignoreBOM?: boolean },
  ) => TextDecoder
}

const UTF8_LABEL =
  /^[\t\n\f\r ]*(?:unicode-1-1-utf-8|unicode11utf8|unicode20utf8|utf-?8|x-unicode20utf8)[\t\n\f\r ]*$/i
const MARK = '\u{feff}'

/** How many bytes at the end are the valid start of a sequence whose rest is still to come. */
function incompleteTail(bytes: Uint8Array): number {
  const { length } = bytes
  for (let back = 1; back <= 3 && back <= length; back++) {
    const lead = bytes[length - back] as number
    if (lead < 0x80) return 0
    if (lead < 0xc0) continue
    const wanted = lead >= 0xf0 ? (lead <= 0xf4 ? 4 : 0) : lead >= 0xe0 ? 3 : lead >= 0xc2 ? 2 : 0
    if (wanted <= back) return 0
    const second = bytes[length - back + 1]
    if (second === undefined) return back
    const low = lead === 0xe0 ? 0xa0 : lead === 0xf0 ? 0x90 : 0x80
    const high = lead === 0xed ? 0x9f : lead === 0xf4 ? 0x8f : 0xbf
    return second >= low && second <= high ? back : 0
  }
  return 0
}

export function createEncoding(
  codec: Codec,
  loadEncodings: () => EncodingsPart,
  native: Native['decodeLegacy'],
): EncodingKit {
  class TextEncoder {
    // Read where an instance is wanted: what is none throws a TypeError.
    readonly #encoding = 'utf-8'

    get encoding(): string {
      return this.#encoding
    }

    encode(input: string | undefined = undefined): Uint8Array<ArrayBuffer> {
      return codec.encode(input === undefined ? '' : `${input}`)
    }

    encodeInto(source: string, destination: Uint8Array): { read: number; written: number } {
      if (typedArrayName(destination) !== 'Uint8Array') {
        throw new TypeError('TextEncoder.encodeInto: the destination must be a Uint8Array')
      }
      const text = `${source}`
      const space = destination.length
      let read = 0
      let written = 0
      while (read < text.length) {
        let code = text.codePointAt(read) as number
        const units = code > 0xffff ? 2 : 1
        if (code >= 0xd800 && code <= 0xdfff) code = 0xfffd
        const size = code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4
        if (written + size > space) break
        if (size === 1) destination[written] = code
        else {
          for (let index = size - 1; index > 0; index--) {
            destination[written + index] = 0x80 | (code & 0x3f)
            code >>= 6
          }
          destination[written] = ((0xf00 >> size) & 0xff) | code
        }
        written += size
        read += units
      }
      return { read, written }
    }
  }

  class TextDecoder {
    readonly #encoding: string
    readonly #fatal: boolean
    readonly #ignoreBOM: boolean
    readonly #legacy: LegacyDecoder | undefined
    /** UTF-8: bytes of a sequence whose rest is to come, and whether the start of the stream is behind us. */
    #tail: Uint8Array | undefined
    #started = false

    constructor(label: string = 'utf-8', options: { fatal?: boolean; ignoreBOM?: boolean } = {}) {
      this.#fatal = Boolean(options?.fatal)
      this.#ignoreBOM = Boolean(options?.ignoreBOM)
      if (UTF8_LABEL.test(`${label}`)) {
        this.#encoding = 'utf-8'
        this.#legacy = undefined
      } else {
        const legacy = loadEncodings().create(`${label}`, native)
        if (legacy === undefined)
          throw new RangeError(`TextDecoder: the encoding "${label}" is not supported`)
        this.#encoding = legacy.encoding
        this.#legacy = legacy
      }
    }

    get encoding(): string {
      return this.#encoding
    }
    get fatal(): boolean {
      return this.#fatal
    }
    get ignoreBOM(): boolean {
      return this.#ignoreBOM
    }

    decode(
      input: ArrayBuffer | ArrayBufferView | undefined = undefined,
      options: { stream?: boolean } = {},
    ): string {
      if (input !== undefined && !isBufferSource(input)) {
        throw new TypeError('TextDecoder.decode: the input must be an ArrayBuffer or a view of one')
      }
      const stream = Boolean(options?.stream)
      let bytes = input === undefined ? new Uint8Array(0) : viewBytes(input)
      let text: string | undefined
      if (this.#legacy === undefined) {
        if (this.#tail !== undefined) bytes = concatBytes([this.#tail, bytes])
        this.#tail = undefined
        if (stream) {
          const held = incompleteTail(bytes)
          if (held > 0) {
            this.#tail = copyBytes(bytes.subarray(bytes.length - held))
            bytes = bytes.subarray(0, bytes.length - held)
          }
        }
        text = codec.decode(byteStringFromBytes(bytes), this.#fatal)
      } else text = this.#legacy.decode(bytes, stream, this.#fatal)

      if (text === undefined) {
        this.#started = false
        this.#tail = undefined
        throw Object.assign(new TypeError(`TextDecoder: the input is not valid ${this.#encoding}`), {
          code: 'ERR_ENCODING_INVALID_ENCODED_DATA',
        })
      }
      if (!this.#started && text !== '') {
        this.#started = true
        const marked = this.#encoding.startsWith('utf-') && text.startsWith(MARK)
        if (marked && !this.#ignoreBOM) text = text.slice(1)
      }
      if (!stream) this.#started = false
      return text
    }
  }

  return { TextEncoder, TextDecoder }
}
