/**
 * The intrinsics that this folder relies on, captured when it is loaded: in an isolate that is before guest code runs, so
 * a guest that patches a prototype changes nothing of what values mean here. A copy of its own, since hosts use it too.
 */
const { call, bind } = Function.prototype
/** Turns a method into a function whose first argument is `this`. */
export const uncurry: <This, Args extends readonly unknown[], Result>(
  method: (this: This, ...args: Args) => Result,
) => (self: This, ...args: Args) => Result = bind.bind(call) as never

const getter = <Value>(prototype: object, name: PropertyKey): ((self: object) => Value) =>
  uncurry(Object.getOwnPropertyDescriptor(prototype, name)?.get as (this: object) => Value)

export const parseJson: (text: string) => unknown = JSON.parse
export const jsonOf: (value: unknown) => string | undefined = JSON.stringify as never
export const isArray: (value: unknown) => value is unknown[] = Array.isArray
/** A list of the same items that owns each of them; neither iterators nor species are asked. */
export const copyItems: (list: readonly unknown[]) => unknown[] = uncurry(
  Array.prototype.toSpliced as (this: readonly unknown[]) => unknown[],
)
export const ObjectKeys: (value: object) => string[] = Object.keys
export const ObjectPrototype: object = Object.prototype
export const ownSymbols: (value: object) => symbol[] = Object.getOwnPropertySymbols
export const hasOwn: (value: object, key: PropertyKey) => boolean = Object.hasOwn
export const setPrototypeOf: (value: object, prototype: object) => unknown = Object.setPrototypeOf
export const getPrototypeOf: (value: object) => object | null = Object.getPrototypeOf
export const getOwnPropertyDescriptor: typeof Object.getOwnPropertyDescriptor =
  Object.getOwnPropertyDescriptor
export const defineProperty: typeof Object.defineProperty = Object.defineProperty
export const isPrototypeOf: (prototype: object, value: object) => boolean = uncurry(
  Object.prototype.isPrototypeOf,
)
export const brandOf: (value: object) => string = uncurry(Object.prototype.toString)
export const isInteger: (value: unknown) => value is number = Number.isInteger as never

export const charCodeAt: (text: string, at: number) => number = uncurry(String.prototype.charCodeAt)
export const slice: (text: string, from: number, to?: number) => string = uncurry(String.prototype.slice)
export const indexOf: (text: string, part: string, from?: number) => number = uncurry(
  String.prototype.indexOf,
)
export const fromCharCode: typeof String.fromCharCode = String.fromCharCode
export const BigIntOf: BigIntConstructor = BigInt
export const matches: (pattern: RegExp, text: string) => boolean = uncurry(RegExp.prototype.test)

export const MapOf: MapConstructor = Map
export const mapSize: (map: object) => number = getter(Map.prototype, 'size')
export const mapSet: (map: Map<unknown, unknown>, key: unknown, value: unknown) => unknown = uncurry(
  Map.prototype.set,
)
export const mapForEach: (
  map: Map<unknown, unknown>,
  callback: (value: unknown, key: unknown) => void,
) => void = uncurry(Map.prototype.forEach)
export const SetOf: SetConstructor = Set
export const setSize: (set: object) => number = getter(Set.prototype, 'size')
export const setAdd: (set: Set<unknown>, value: unknown) => unknown = uncurry(Set.prototype.add)
export const setHas: (set: Set<unknown>, value: unknown) => boolean = uncurry(Set.prototype.has)
export const setDelete: (set: Set<unknown>, value: unknown) => boolean = uncurry(Set.prototype.delete)
export const setForEach: (set: Set<unknown>, callback: (value: unknown) => void) => void = uncurry(
  Set.prototype.forEach,
)
export const DateOf: DateConstructor = Date
export const dateTime: (date: object) => number = uncurry(Date.prototype.getTime) as never
export const RegExpOf: RegExpConstructor = RegExp
export const regExpSource: (pattern: object) => string = getter(RegExp.prototype, 'source')
export const regExpFlags: (pattern: object) => string = getter(RegExp.prototype, 'flags')

export const Bytes: Uint8ArrayConstructor = Uint8Array
export const isView: (value: unknown) => value is ArrayBufferView = ArrayBuffer.isView
export const bufferLength: (buffer: object) => number = getter(ArrayBuffer.prototype, 'byteLength')
const typedArray = getPrototypeOf(Uint8Array.prototype) as object
/** 'Uint8Array' and so on; undefined for a DataView. */
export const typedArrayName: (view: object) => string | undefined = getter(typedArray, Symbol.toStringTag)
const typedArrayBuffer = getter<ArrayBuffer>(typedArray, 'buffer')
const typedArrayOffset = getter<number>(typedArray, 'byteOffset')
const typedArrayBytes = getter<number>(typedArray, 'byteLength')
const dataViewBuffer = getter<ArrayBuffer>(DataView.prototype, 'buffer')
const dataViewOffset = getter<number>(DataView.prototype, 'byteOffset')
const dataViewBytes = getter<number>(DataView.prototype, 'byteLength')
const setBytes: (target: Uint8Array, source: Uint8Array) => void = uncurry(Uint8Array.prototype.set) as never
export const byteLength: (bytes: Uint8Array) => number = typedArrayBytes

/** The bytes that a view shows, over the same memory. */
export function bytesOfView(view: ArrayBufferView): Uint8Array<ArrayBuffer> {
  return typedArrayName(view) === undefined
    ? new Bytes(dataViewBuffer(view), dataViewOffset(view), dataViewBytes(view))
    : new Bytes(typedArrayBuffer(view), typedArrayOffset(view), typedArrayBytes(view))
}

/** The same bytes over memory of their own, and the whole of it. */
export function copyOf(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  const copy = new Bytes(byteLength(bytes))
  setBytes(copy, bytes)
  return copy
}

export const bufferOf: (bytes: Uint8Array<ArrayBuffer>) => ArrayBuffer = typedArrayBuffer as never

/** Of its UTF-8, a lone surrogate as U+FFFD. */
export function utf8Length(text: string): number {
  let bytes = text.length
  for (let at = 0; at < text.length; at++) {
    const code = charCodeAt(text, at)
    if (code < 0x80) continue
    // A surrogate pair is two characters and four bytes; a lone one becomes U+FFFD.
    if (code < 0x800 || (isSurrogate(code) && isPair(text, at))) bytes++
    else bytes += 2
  }
  return bytes
}

export const isSurrogate = (code: number): boolean => (code & 0xf800) === 0xd800
function isPair(text: string, at: number): boolean {
  const code = charCodeAt(text, at)
  if ((code & 0xfc00) === 0xd800)
    return at + 1 < text.length && (charCodeAt(text, at + 1) & 0xfc00) === 0xdc00
  return at > 0 && (charCodeAt(text, at - 1) & 0xfc00) === 0xd800
}
