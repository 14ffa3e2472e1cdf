/**
 * What encoding and copying read from values in the same way: the parts of an error, the items of an array, the names of
 * views; and how errors and views are made again.
 */
import {
  Bytes,
  bufferOf,
  bytesOfView,
  copyOf,
  defineProperty,
  getOwnPropertyDescriptor,
  hasOwn,
  isArray,
  setPrototypeOf,
  typedArrayName,
} from './intrinsics.ts'

export interface ErrorParts {
  readonly name: string
  readonly message: string
  readonly code: string | number | undefined
  /** The value of its own `cause`, if it has one. */
  readonly cause: { readonly value: unknown } | undefined
  /** Of an AggregateError. */
  readonly errors: readonly unknown[] | undefined
}

/** A stack stays where it was made: it tells of places that are nobody else's business. */
export function errorParts(error: Error): ErrorParts {
  const { name, message } = error as { name: unknown; message: unknown }
  const code: unknown = getOwnPropertyDescriptor(error, 'code')?.value
  const errors: unknown = getOwnPropertyDescriptor(error, 'errors')?.value
  return {
    name: typeof name === 'string' ? name : 'Error',
    message: typeof message === 'string' ? message : '',
    code: typeof code === 'string' || typeof code === 'number' ? code : undefined,
    cause: hasOwn(error, 'cause') ? { value: error.cause } : undefined,
    errors: isArray(errors) ? errors : undefined,
  }
}

const PROTOTYPES: Readonly<Record<string, object | undefined>> = {
  __proto__: null,
  TypeError: TypeError.prototype,
  RangeError: RangeError.prototype,
  SyntaxError: SyntaxError.prototype,
  ReferenceError: ReferenceError.prototype,
  EvalError: EvalError.prototype,
  URIError: URIError.prototype,
} as never
const BlankError = Error
const aggregatePrototype = AggregateError.prototype

/** An error that says nothing yet. An engine notes the stack in it, which takes the longer the deeper the stack is. */
export const blankError = (): Error => new BlankError()

export function makeError({ name, message, code, cause, errors }: ErrorParts, error: Error): Error {
  const prototype = errors === undefined ? PROTOTYPES[name] : aggregatePrototype
  if (prototype !== undefined) setPrototypeOf(error, prototype)
  define(error, 'message', message, false)
  if (errors !== undefined) define(error, 'errors', errors, false)
  const isItsOwn =
    errors === undefined ? prototype !== undefined || name === 'Error' : name === 'AggregateError'
  if (!isItsOwn) define(error, 'name', name, false)
  // Where it is made again says nothing to anybody.
  define(error, 'stack', message === '' ? name : `${name}: ${message}`, false)
  if (code !== undefined) define(error, 'code', code, true)
  if (cause !== undefined) define(error, 'cause', cause.value, false)
  return error
}

function define(target: object, key: string, value: unknown, enumerable: boolean): void {
  defineProperty(target, key, { value, enumerable, writable: true, configurable: true })
}

type ViewClass = new (buffer: ArrayBuffer) => ArrayBufferView
const half = (globalThis as { Float16Array?: ViewClass }).Float16Array
/** The views beside Uint8Array, by name. */
const VIEWS: Readonly<Record<string, ViewClass | undefined>> = {
  __proto__: null,
  Int8Array,
  Uint8ClampedArray,
  Int16Array,
  Uint16Array,
  Int32Array,
  Uint32Array,
  Float16Array: half,
  Float32Array,
  Float64Array,
  BigInt64Array,
  BigUint64Array,
  DataView,
} as never

export const viewName = (view: ArrayBufferView): string => typedArrayName(view) ?? 'DataView'

/** Throws RangeError when the bytes are no whole number of elements; `undefined` for a name that is no view's. */
export function makeView(name: string, bytes: Uint8Array<ArrayBuffer>): ArrayBufferView | undefined {
  if (name === 'Uint8Array') return bytes
  const View = VIEWS[name]
  return View === undefined ? undefined : new View(bufferOf(bytes))
}

/** Memory of its own; throws TypeError when the buffer is detached. */
export const copyBuffer = (buffer: ArrayBuffer): ArrayBuffer => bufferOf(copyOf(new Bytes(buffer)))
export const copyView = (view: ArrayBufferView): ArrayBufferView =>
  makeView(viewName(view), copyOf(bytesOfView(view))) as ArrayBufferView
