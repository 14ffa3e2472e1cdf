/** Copies of values by the rules of the codec, without a text between: for what stays in one isolate. */
import type { Place, Step } from './data-clone-error.ts'
import {
  DateOf,
  MapOf,
  RegExpOf,
  SetOf,
  copyItems,
  dateTime,
  defineProperty,
  hasOwn,
  isArray,
  mapSet,
  ownSymbols,
  regExpFlags,
  regExpSource,
  setAdd,
} from './intrinsics.ts'
import { childrenOf } from './value-children.ts'
import { Walk, isPlain, kindOf, reading, refuse, type Kind } from './value-kinds.ts'
import { blankError, copyBuffer, copyView, makeError, type ErrorParts } from './value-parts.ts'

const FAST_DEPTH = 100
/** Stands for "not by this way". */
const OTHER = Symbol('other')

export function cloneValue<Value>(value: Value): Value {
  if (typeof value !== 'object' || value === null) {
    if (typeof value === 'function' || typeof value === 'symbol') throw refuse(undefined, '', value)
    return value
  }
  let copy: unknown = OTHER
  try {
    copy = copyPlain(value, 0)
  } catch {
    // What could not be read is named below.
  }
  return (copy === OTHER ? copyWith(value, '', undefined, new Walk()) : copy) as Value
}

/** Copies objects, arrays and primitives; OTHER when there is anything else, or too much depth to be sure there is no cycle. */
function copyPlain(value: object, depth: number): unknown {
  if (depth === FAST_DEPTH) return OTHER
  if (isArray(value)) {
    const copy = copyItems(value)
    for (let index = 0; index < copy.length; index++) {
      const item = copy[index]
      if (item === undefined ? !hasOwn(value, index) : typeof item !== 'number' && typeof item !== 'string') {
        const inner = item === undefined ? OTHER : copyItem(item, depth)
        if (inner === OTHER) return OTHER
        copy[index] = inner
      }
    }
    return copy
  }
  if (!isPlain(value)) return OTHER
  // A spread defines properties, so no setter is met and `__proto__` is a name like any other.
  const copy = { ...value } as Record<string, unknown>
  if (ownSymbols(copy).length > 0) return OTHER
  for (const key in copy) {
    const item = copy[key]
    if (typeof item !== 'object' && typeof item !== 'function' && typeof item !== 'symbol') continue
    if (item === null || !hasOwn(copy, key)) continue
    const inner = copyItem(item, depth)
    if (inner === OTHER) return OTHER
    copy[key] = inner
  }
  return copy
}

function copyItem(item: unknown, depth: number): unknown {
  if (typeof item === 'object' && item !== null) return copyPlain(item, depth + 1)
  return typeof item === 'function' || typeof item === 'symbol' ? OTHER : item
}

function copyWith(value: unknown, step: Step, parent: Place | undefined, walk: Walk): unknown {
  if (typeof value === 'function' || typeof value === 'symbol') throw refuse(parent, step, value)
  if (typeof value !== 'object' || value === null) return value
  const place = walk.enter(parent, step, value)
  const kind = reading(parent, step, () => kindOf(value))
  if (kind === undefined) throw refuse(parent, step, value)
  const { first, length, error } = reading(parent, step, () => childrenOf(kind, value, place))
  const copy: Copy = reading(parent, step, () => begin(kind, value, length))
  let isKey = true
  for (let child = first; child !== undefined; child = child.next) {
    put(copy, kind, isKey, child.key, copyWith(child.value, child.step, place, walk))
    isKey = !isKey
  }
  walk.leave(value)
  return error === undefined
    ? copy.value
    : makeError({ ...error, ...(copy.value as Partial<ErrorParts>) }, blankError())
}

interface Copy {
  /** Of an error its parts, for now. */
  readonly value: object
  /** The key that the next value of a Map belongs to. */
  key: unknown
}

function begin(kind: Kind, value: object, length: number): Copy {
  switch (kind) {
    case 'array': {
      const items: unknown[] = []
      items.length = length
      return { value: items, key: undefined }
    }
    case 'plain':
      return { value: {}, key: undefined }
    case 'date':
      return { value: new DateOf(dateTime(value)), key: undefined }
    case 'map':
      return { value: new MapOf<unknown, unknown>(), key: undefined }
    case 'set':
      return { value: new SetOf<unknown>(), key: undefined }
    case 'regexp':
      return { value: new RegExpOf(regExpSource(value), regExpFlags(value)), key: undefined }
    case 'buffer':
      return { value: copyBuffer(value as ArrayBuffer), key: undefined }
    case 'view':
      return { value: copyView(value as ArrayBufferView), key: undefined }
    default:
      return { value: {}, key: undefined }
  }
}

/** `isKey`: of a Map, where keys and values take turns. */
function put(copy: Copy, kind: Kind, isKey: boolean, key: string | number, value: unknown): void {
  if (kind === 'set') setAdd(copy.value as Set<unknown>, value)
  else if (kind !== 'map') {
    const item = kind === 'error' && key === 'cause' ? { value } : value
    defineProperty(copy.value, key, { value: item, writable: true, enumerable: true, configurable: true })
  } else if (isKey) copy.key = value
  else mapSet(copy.value as Map<unknown, unknown>, copy.key, value)
}
