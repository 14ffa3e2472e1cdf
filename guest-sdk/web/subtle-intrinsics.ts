/** What the part `subtle` must have from before guest code ran: it is evaluated later, when prototypes may be patched. */
import { byteStringFromBytes, bytesFromByteString } from './bytes.ts'
import {
  charCodeAt,
  defineProperty,
  fromCharCode,
  hasOwn,
  indexOf,
  isBufferSource,
  JsonParse,
  JsonStringify,
  slice,
  toUpperCase,
  typedArrayBuffer,
  typedArrayByteLength,
  typedArrayName,
  viewBytes,
} from './intrinsics.ts'
import type { SubtleDeps } from './parts/subtle-kit.ts'

export const subtleIntrinsics: Omit<
  SubtleDeps,
  'crypto' | 'encodeUtf8' | 'decodeText' | 'randomBytes' | 'domException'
> = {
  isBufferSource,
  viewBytes,
  byteLength: typedArrayByteLength,
  typedArrayName,
  byteStringFromBytes,
  bytesFromByteString,
  bufferOf: typedArrayBuffer,
  jsonParse: JsonParse,
  jsonStringify: JsonStringify,
  hasOwn,
  defineProperty,
  indexOf,
  slice,
  charCodeAt,
  fromCharCode,
  toUpperCase,
}
