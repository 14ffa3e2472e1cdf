/** Bytes as base64 (RFC 4648, padded) and back. Strict, and by captured intrinsics only: `atob` may be the guest's. */
import { Bytes, byteLength, charCodeAt, fromCharCode } from './intrinsics.ts'

const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/'
const INVALID = 255
const PAD = 61
const codes = new Uint8Array(64)
const values = new Uint8Array(256).fill(INVALID)
for (let index = 0; index < 64; index++) {
  const code = ALPHABET.charCodeAt(index)
  codes[index] = code
  values[code] = index
}

export function toBase64(bytes: Uint8Array): string {
  const length = byteLength(bytes)
  let text = ''
  let at = 0
  const b = (offset: number): number => bytes[at + offset] as number
  const c = (bits: number): number => codes[bits & 63] as number
  // Twelve at a time: fewer, longer strings are put together.
  for (; at + 12 <= length; at += 12) {
    const w = (b(0) << 16) | (b(1) << 8) | b(2)
    const x = (b(3) << 16) | (b(4) << 8) | b(5)
    const y = (b(6) << 16) | (b(7) << 8) | b(8)
    const z = (b(9) << 16) | (b(10) << 8) | b(11)
    // oxfmt-ignore
    text += fromCharCode(
      c(w >> 18), c(w >> 12), c(w >> 6), c(w), c(x >> 18), c(x >> 12), c(x >> 6), c(x),
      c(y >> 18), c(y >> 12), c(y >> 6), c(y), c(z >> 18), c(z >> 12), c(z >> 6), c(z),
    )
  }
  for (; at < length; at += 3) {
    const left = length - at
    const bits = (b(0) << 16) | (left > 1 ? b(1) << 8 : 0) | (left > 2 ? b(2) : 0)
    text += fromCharCode(
      c(bits >> 18),
      c(bits >> 12),
      left > 1 ? c(bits >> 6) : PAD,
      left > 2 ? c(bits) : PAD,
    )
  }
  return text
}

/** `undefined` when the text is not base64. */
export function fromBase64(text: string): Uint8Array<ArrayBuffer> | undefined {
  const { length } = text
  if (length % 4 !== 0) return undefined
  if (length === 0) return new Bytes(0)
  const padding = charCodeAt(text, length - 1) !== PAD ? 0 : charCodeAt(text, length - 2) !== PAD ? 1 : 2
  const bytes = new Bytes((length / 4) * 3 - padding)
  const v = (index: number): number => {
    const code = charCodeAt(text, index)
    return code < 256 ? (values[code] as number) : INVALID
  }
  let bad = 0
  for (let from = 0, to = 0; from < length; from += 4, to += 3) {
    const skipped = from + 4 === length ? padding : 0
    const p = v(from)
    const q = v(from + 1)
    const r = skipped > 1 ? 0 : v(from + 2)
    const s = skipped > 0 ? 0 : v(from + 3)
    bad |= (p | q | r | s) & 64
    const bits = (p << 18) | (q << 12) | (r << 6) | s
    // Past the end of the array nothing is written.
    bytes[to] = bits >> 16
    bytes[to + 1] = bits >> 8
    bytes[to + 2] = bits
  }
  return bad === 0 ? bytes : undefined
}
