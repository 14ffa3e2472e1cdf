/**
 * What a value is, for encoding and copying alike, so that both take and refuse the same. Internal slots decide, not what
 * a value says of itself. Reading a value may run code of its owner: getters, traps of proxies.
 */
import { DataCloneError, pathOf, refused, type Place, type Step } from './data-clone-error.ts'
import {
  ObjectPrototype,
  SetOf,
  brandOf,
  bufferLength,
  dateTime,
  getOwnPropertyDescriptor,
  getPrototypeOf,
  isArray,
  isPrototypeOf,
  isView,
  mapSize,
  regExpSource,
  setAdd,
  setDelete,
  setHas,
  setSize,
  slice,
} from './intrinsics.ts'

export type Kind = 'array' | 'plain' | 'date' | 'map' | 'set' | 'regexp' | 'buffer' | 'view' | 'error'

/** Deeper values are refused: whoever walks one needs a stack. */
export const MAX_DEPTH = 1000

/** An object of no class: without a prototype, or with one that has none, such as `Object.prototype` of any realm. */
export function isPlain(value: object): boolean {
  const prototype = getPrototypeOf(value)
  return prototype === ObjectPrototype || prototype === null || getPrototypeOf(prototype) === null
}

type Probe = readonly [Kind, prototype: object, probe: (value: object) => unknown]
const DATE: Probe = ['date', Date.prototype, dateTime]
const MAP: Probe = ['map', Map.prototype, mapSize]
const SET: Probe = ['set', Set.prototype, setSize]
const BUFFER: Probe = ['buffer', ArrayBuffer.prototype, bufferLength]
const REGEXP: Probe = ['regexp', RegExp.prototype, regExpSource]
const errorPrototype = Error.prototype
const promisePrototype = Promise.prototype

function probed(value: object, probe: Probe): Kind | undefined {
  try {
    probe[2](value)
    return probe[0]
  } catch {
    return undefined
  }
}

/** `undefined`: nothing that can be sent. */
export function kindOf(value: object): Kind | undefined {
  if (isArray(value)) return 'array'
  if (isPlain(value)) return 'plain'
  if (isView(value)) return 'view'
  const prototype = getPrototypeOf(value)
  const first =
    prototype === DATE[1]
      ? DATE
      : prototype === MAP[1]
        ? MAP
        : prototype === SET[1]
          ? SET
          : prototype === BUFFER[1]
            ? BUFFER
            : undefined
  const known = first === undefined ? undefined : probed(value, first)
  if (known !== undefined) return known
  if (isPrototypeOf(errorPrototype, value)) return 'error'
  return (
    probed(value, DATE) ??
    probed(value, MAP) ??
    probed(value, SET) ??
    probed(value, BUFFER) ??
    (value === REGEXP[1] ? undefined : probed(value, REGEXP)) ??
    (brandOf(value) === '[object Error]' ? 'error' : undefined)
  )
}

/** The objects that a walk is inside of. */
export class Walk {
  readonly #inside = new SetOf<unknown>()

  /** Whoever enters leaves, unless it throws. */
  enter(parent: Place | undefined, step: Step, value: object): Place {
    const depth = parent === undefined ? 1 : parent.depth + 1
    if (setHas(this.#inside, value)) {
      let origin = parent
      while (origin !== undefined && origin.value !== value) origin = origin.parent
      throw refused(
        parent,
        step,
        `is ${origin === undefined ? 'value' : pathOf(origin.parent, origin.step)} again (a cycle)`,
      )
    }
    if (depth > MAX_DEPTH) throw refused(parent, step, `is nested more than ${MAX_DEPTH} levels deep`)
    setAdd(this.#inside, value)
    return { parent, step, depth, value }
  }

  leave(value: object): void {
    setDelete(this.#inside, value)
  }
}

/** What a primitive that cannot be sent is. */
export function refuse(parent: Place | undefined, step: Step, value: unknown): DataCloneError {
  if (typeof value === 'function') return refused(parent, step, 'is a function')
  if (typeof value === 'symbol') return refused(parent, step, 'is a symbol')
  if (isPrototypeOf(promisePrototype, value as object)) {
    return refused(parent, step, 'is a promise (is an await missing?)')
  }
  return refused(parent, step, `is an instance of ${className(value as object)}`)
}

/** Runs a read of the value, which may be a getter's or a proxy's code. */
export function reading<Result>(parent: Place | undefined, step: Step, read: () => Result): Result {
  try {
    return read()
  } catch (thrown) {
    if (DataCloneError.is(thrown)) throw thrown
    throw new DataCloneError(`${pathOf(parent, step)} cannot be read, and so cannot be sent`, {
      cause: thrown,
    })
  }
}

function className(value: object): string {
  const constructor: unknown = getOwnPropertyDescriptor(getPrototypeOf(value) ?? value, 'constructor')?.value
  if (typeof constructor !== 'function') return 'a class'
  const name: unknown = getOwnPropertyDescriptor(constructor, 'name')?.value
  return typeof name === 'string' && name !== '' ? slice(name, 0, 100) : 'a class'
}
