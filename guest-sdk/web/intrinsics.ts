/**
 * The intrinsics that the kernel's hooks rely on, captured before guest code runs. A guest may patch any prototype;
 * what goes through these helpers keeps its meaning all the same.
 * Three habits complete it: use no global by its name once guest code runs (it may have been replaced; make strings
 * with template literals), never assign to an index that an array does not own (a setter on Array.prototype would
 * see the array) – use literals, `blankList` or private fields – and never iterate with `for…of` or spread here.
 */
const { call, bind } = Function.prototype

/** Turns a method into a function whose first argument is `this`. Bound once, so later patches do not matter. */
export const uncurry: <This, Args extends readonly unknown[], Result>(
  method: (this: This, ...args: Args) => Result,
) => (self: This, ...args: Args) => Result = bind.bind(call) as never

export const getterOf = <Value>(prototype: object, name: PropertyKey): ((self: unknown) => Value) => {
  const getter = Object.getOwnPropertyDescriptor(prototype, name)?.get
  if (getter === undefined) throw new TypeError(`No getter ${String(name)}`)
  return uncurry(getter as (this: unknown) => Value)
}

export const JsonParse: (text: string) => unknown = JSON.parse
export const JsonStringify: (value: unknown) => string | undefined = JSON.stringify as never
export const ObjectKeys: (value: object) => string[] = Object.keys
export const ownSymbols: (value: object) => symbol[] = Object.getOwnPropertySymbols
export const isEnumerable: (value: object, key: PropertyKey) => boolean = uncurry(
  Object.prototype.propertyIsEnumerable,
)
export const defineProperty: (target: object, key: PropertyKey, descriptor: PropertyDescriptor) => unknown =
  Object.defineProperty
export const hasOwn: (value: object, key: PropertyKey) => boolean = Object.hasOwn
export const isArray: (value: unknown) => value is readonly unknown[] = Array.isArray as never
export const reflectApply: (fn: unknown, self: unknown, args: ArrayLike<unknown>) => unknown =
  Reflect.apply as never

export const charCodeAt: (text: string, index: number) => number = uncurry(String.prototype.charCodeAt)
export const slice: (text: string, start: number, end?: number) => string = uncurry(String.prototype.slice)
export const indexOf: (text: string, search: string, from?: number) => number = uncurry(
  String.prototype.indexOf,
)
export const toLowerCase: (text: string) => string = uncurry(String.prototype.toLowerCase)
export const toUpperCase: (text: string) => string = uncurry(String.prototype.toUpperCase)
export const toWellFormed: (text: string) => string = uncurry(String.prototype.toWellFormed)
export const fromCharCode: (...codes: number[]) => string = String.fromCharCode
export const exec: (pattern: RegExp, text: string) => RegExpExecArray | null = uncurry(RegExp.prototype.exec)

const { from } = Array

/** A list of `length` strings that owns its elements, so that assigning to them cannot reach a setter. */
export function blankList(length: number): string[] {
  if (length > 16) return from<unknown, string>({ __proto__: null, length } as never, () => '')
  const list = ['', '', '', '', '', '', '', '', '', '', '', '', '', '', '', '']
  list.length = length
  return list
}

/** Whether two values are the same list of names is never asked of guest objects: Map's methods, captured. */
export const mapGet: <Key, Value>(map: Map<Key, Value>, key: Key) => Value | undefined = uncurry(
  Map.prototype.get,
) as never
export const mapSet: <Key, Value>(map: Map<Key, Value>, key: Key, value: Value) => unknown = uncurry(
  Map.prototype.set,
) as never
export const mapSize: (map: unknown) => number = getterOf(Map.prototype, 'size')

const typedArrayPrototype = Object.getPrototypeOf(Uint8Array.prototype) as Uint8Array

/** 'Uint8Array' and so on for a real typed array (any realm), undefined for everything else. */
export const typedArrayName: (value: unknown) => string | undefined = getterOf(
  typedArrayPrototype,
  Symbol.toStringTag,
)
export const typedArrayBuffer: (value: unknown) => ArrayBuffer = getterOf(typedArrayPrototype, 'buffer')
const typedArrayByteOffset = getterOf<number>(typedArrayPrototype, 'byteOffset')
export const typedArrayByteLength: (value: unknown) => number = getterOf(typedArrayPrototype, 'byteLength')
const dataViewBuffer = getterOf<ArrayBuffer>(DataView.prototype, 'buffer')
const dataViewByteOffset = getterOf<number>(DataView.prototype, 'byteOffset')
const dataViewByteLength = getterOf<number>(DataView.prototype, 'byteLength')
const arrayBufferByteLength = getterOf<number>(ArrayBuffer.prototype, 'byteLength')
const isView = ArrayBuffer.isView
/** The constructor itself: a guest may replace the global. */
export const Bytes: Uint8ArrayConstructor = Uint8Array
const setBytes: (target: Uint8Array, source: Uint8Array, offset?: number) => void = uncurry(
  Uint8Array.prototype.set,
) as never

/** Whether a value is an ArrayBuffer (shared ones are not), a typed array or a DataView. */
export function isBufferSource(value: unknown): value is ArrayBuffer | ArrayBufferView {
  if (typeof value !== 'object' || value === null) return false
  if (isView(value)) return true
  try {
    arrayBufferByteLength(value)
    return true
  } catch {
    return false
  }
}

/** A Uint8Array over the same memory. */
export function viewBytes(source: ArrayBuffer | ArrayBufferView): Uint8Array<ArrayBuffer> {
  if (!isView(source)) return new Bytes(source)
  if (typedArrayName(source) === undefined) {
    return new Bytes(dataViewBuffer(source), dataViewByteOffset(source), dataViewByteLength(source))
  }
  return new Bytes(typedArrayBuffer(source), typedArrayByteOffset(source), typedArrayByteLength(source))
}

/** A Uint8Array over memory of its own. */
export function copyBytes(source: ArrayBuffer | ArrayBufferView): Uint8Array<ArrayBuffer> {
  const view = viewBytes(source)
  const copy = new Bytes(typedArrayByteLength(view))
  setBytes(copy, view)
  return copy
}

export function concatBytes(chunks: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  let length = 0
  for (let index = 0; index < chunks.length; index++) length += typedArrayByteLength(chunks[index])
  const whole = new Bytes(length)
  let offset = 0
  for (let index = 0; index < chunks.length; index++) {
    const chunk = chunks[index] as Uint8Array
    setBytes(whole, chunk, offset)
    offset += typedArrayByteLength(chunk)
  }
  return whole
}
