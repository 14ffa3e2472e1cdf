/**
 * Between strings, byte strings (each character code is one byte) and Uint8Array. ASCII stays in JavaScript, where
 * it is cheaper than a call into the engine; the rest goes to the engine's own UTF-8 codec.
 */
import { engineBytes, WORTHWHILE_BYTES } from '../kernel/engine-bytes.ts'
import type { Native } from '../kernel/native.ts'
import {
  Bytes,
  charCodeAt,
  exec,
  fromCharCode,
  reflectApply,
  slice,
  typedArrayByteLength,
  viewBytes,
} from './intrinsics.ts'

const NON_ASCII = /[^\0-\x7f]/
const CHUNK = 8192

export const isAscii = (text: string): boolean => exec(NON_ASCII, text) === null

/** For the parts: they are bundled by themselves, and only the core has the engine's own copies (kernel/engine-bytes.ts). */
export interface ByteStrings {
  bytesFromByteString(text: string): Uint8Array<ArrayBuffer>
  byteStringFromBytes(bytes: Uint8Array): string
}

export function bytesFromByteString(text: string): Uint8Array<ArrayBuffer> {
  const { length } = text
  if (engineBytes !== undefined && length > WORTHWHILE_BYTES) return new Bytes(engineBytes.toBuffer(text))
  const bytes = new Bytes(length)
  for (let index = 0; index < length; index++) bytes[index] = charCodeAt(text, index)
  return bytes
}

export function byteStringFromBytes(bytes: Uint8Array): string {
  const length = typedArrayByteLength(bytes)
  if (engineBytes !== undefined && length > WORTHWHILE_BYTES) return engineBytes.toText(bytes)
  if (length <= CHUNK) return reflectApply(fromCharCode, undefined, bytes) as string
  let text = ''
  const view = viewBytes(bytes)
  for (let start = 0; start < length; start += CHUNK) {
    const chunk = new Bytes(
      view.buffer,
      view.byteOffset + start,
      start + CHUNK > length ? length - start : CHUNK,
    )
    text += reflectApply(fromCharCode, undefined, chunk) as string
  }
  return text
}

export interface Codec {
  encode(text: string): Uint8Array<ArrayBuffer>
  /** Keeps a byte order mark. `undefined`: `fatal` and malformed. */
  decode(byteString: string, fatal: boolean): string | undefined
  /** The `UTF-8 decode` of the specs: strips a byte order mark, replaces what is malformed. */
  decodeText(byteString: string): string
}

export function createCodec(native: Native): Codec {
  const { encodeUtf8, decodeUtf8 } = native
  const decode = (byteString: string, fatal: boolean): string | undefined =>
    isAscii(byteString) ? byteString : decodeUtf8(byteString, fatal)
  return {
    encode(text) {
      const { length } = text
      if (engineBytes !== undefined && length > WORTHWHILE_BYTES)
        return bytesFromByteString(isAscii(text) ? text : encodeUtf8(text))
      const bytes = new Bytes(length)
      for (let index = 0; index < length; index++) {
        const code = charCodeAt(text, index)
        if (code > 127) return bytesFromByteString(encodeUtf8(text))
        bytes[index] = code
      }
      return bytes
    },
    decode,
    decodeText: (byteString) => stripMark(decode(byteString, false) ?? ''),
  }
}

export const stripMark = (text: string): string => (charCodeAt(text, 0) === 0xfeff ? slice(text, 1) : text)
