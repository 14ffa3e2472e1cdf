/**
 * Values that cross between the cell and QuickJS: primitives, texts and copies of byte arrays, and nothing else.
 *
 * Texts are written and read where QuickJS keeps them, one byte or two a character. Its own functions speak UTF-8 that ends at the
 * first NUL, which loses NULs and lone surrogates and makes two bytes of each character above 127. A text is written by
 * having QuickJS make one of the same length and width, which nobody else has seen yet, and filling it.
 */
import { BYTES, DOUBLE_ADDEND, ROPE, STRING, TAG } from './quickjs-abi.ts'
import type { Instance } from './quickjs-instance.ts'

export type Primitive = string | number | boolean | undefined

export interface Values {
  /** Puts the value in a box of its own, bytes as an ArrayBuffer; 0 when the memory is full. */
  box(value: Primitive | Buffer): number
  /** Numbers, booleans and undefined need no box of their own. */
  store(value: Exclude<Primitive, string>, at: number): void
  /** A text, number or boolean, or a copy of a Uint8Array's bytes; undefined for all else. */
  read(at: number): Primitive | Buffer
  isException(at: number): boolean
}

// oxlint-disable-next-line no-control-regex -- NUL is one of the characters of one byte
const WIDE = /[^\u0000-\u00ff]/
const WIDE_BIT = 0x8000_0000
/** Any character of one byte, and one of two (U+0100) whose UTF-8 this is in little-endian order. */
const NARROW_FILLER = 0x78
const WIDE_FILLER = 0x80c4

export function createValues(instance: Instance, context: number): Values {
  const { exports, bytes, words, buffer } = instance
  const halves = new Uint16Array(bytes.buffer)
  const double = new DataView(new ArrayBuffer(8))

  const tagAt = (at: number): number => (words[(at >>> 2) + 1] ?? 0) | 0

  const store = (value: Exclude<Primitive, string>, at: number): void => {
    const word = at >>> 2
    if (typeof value === 'number') {
      if ((value | 0) === value && !Object.is(value, -0)) {
        words[word] = value
        words[word + 1] = TAG.int
        return
      }
      double.setFloat64(0, value)
      const upper = Number.isNaN(value) ? 0x7ff8_0000 : double.getUint32(0)
      words[word] = double.getUint32(4)
      words[word + 1] = upper - DOUBLE_ADDEND
    } else {
      words[word] = value === true ? 1 : 0
      words[word + 1] = value === undefined ? TAG.undefined : TAG.bool
    }
  }

  const newText = (text: string): number => {
    const { length } = text
    const wide = WIDE.test(text)
    const filler = exports.malloc(wide ? length * 2 + 2 : length + 1)
    if (filler === 0) return 0
    if (wide) halves.fill(WIDE_FILLER, filler >>> 1, (filler >>> 1) + length)
    else bytes.fill(NARROW_FILLER, filler, filler + length)
    bytes[filler + (wide ? length * 2 : length)] = 0
    const box = exports.newString(context, filler)
    exports.free(filler)
    if (box === 0 || length === 0) return box
    const at = words[box >>> 2] as number
    const made = words[(at + STRING.length) >>> 2]
    const isFresh = words[at >>> 2] === 1 && words[(at + STRING.hash) >>> 2] === 0
    if (tagAt(box) !== TAG.string || !isFresh || made !== (wide ? length + WIDE_BIT : length)) return 0
    buffer.write(text, at + STRING.characters, wide ? 'utf16le' : 'latin1')
    return box
  }

  /** The buffer owns what was allocated for it, and frees it. */
  const newBuffer = (content: Buffer): number => {
    const at = exports.malloc(Math.max(1, content.length))
    if (at === 0) return 0
    bytes.set(content, at)
    return exports.newArrayBuffer(context, at, content.length)
  }

  const readText = (at: number): string => {
    const header = words[(at + STRING.length) >>> 2] ?? 0
    const start = at + STRING.characters
    if (header < WIDE_BIT) return buffer.toString('latin1', start, Math.min(start + header, buffer.length))
    return buffer.toString('utf16le', start, Math.min(start + (header - WIDE_BIT) * 2, buffer.length))
  }

  /** A text that was put together of others; making a C string of it flattens it in place. */
  const readRope = (at: number): string => {
    const text = exports.getString(context, at)
    if (text === 0) return ''
    exports.freeString(context, text)
    const left = (words[at >>> 2] as number) + ROPE.left
    return tagAt(left) === TAG.string ? readText(words[left >>> 2] as number) : ''
  }

  const readBytes = (at: number): Buffer | undefined => {
    if (halves[(at + BYTES.classId) >>> 1] !== BYTES.uint8Array) return undefined
    const start = words[(at + BYTES.pointer) >>> 2] as number
    return Buffer.from(buffer.subarray(start, start + (words[(at + BYTES.length) >>> 2] as number)))
  }

  return {
    store,
    box(value) {
      if (typeof value === 'string') return newText(value)
      if (Buffer.isBuffer(value)) return newBuffer(value)
      const box = exports.malloc(8)
      if (box !== 0) store(value, box)
      return box
    },
    read(at) {
      const tag = tagAt(at)
      const lower = words[at >>> 2] as number
      switch (tag) {
        case TAG.string:
          return readText(lower)
        case TAG.rope:
          return readRope(at)
        case TAG.int:
          return lower | 0
        case TAG.bool:
          return lower !== 0
        case TAG.object:
          return readBytes(lower)
        default:
          if (tag >= TAG.first && tag <= TAG.last) return undefined
          double.setUint32(0, (tag + DOUBLE_ADDEND) >>> 0)
          double.setUint32(4, lower)
          return double.getFloat64(0)
      }
    },
    isException: (at) => at === 0 || tagAt(at) === TAG.exception,
  }
}
