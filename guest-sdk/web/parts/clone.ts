/**
 * structuredClone (HTML): copies of values with their cycles; functions, symbols and what has other internal slots are
 * refused. A Proxy cannot be told from its target here, so it is copied through its traps; streams cannot be transferred.
 */
import { transferOption } from '../transfer-list.ts'
import type { Blob } from './blob.ts'

export interface CloneDeps {
  domException(name: string, message: string): Error
  isDomException(value: object): boolean
  /** A copy of a Blob or File; undefined for anything else. */
  cloneBlob(value: object): Blob | undefined
  /** The same for a CryptoKey. */
  cloneKey(value: object): object | undefined
  /** See MessagingPart. */
  movePort(value: object): { readonly target: object; move(): void } | undefined
  /** Whether a value is one of the platform's own objects that cannot be cloned (Request, URL, AbortSignal …). */
  isPlatformObject(value: object): boolean
}

export interface ClonePart {
  structuredClone(value: unknown, options?: { transfer?: Iterable<unknown> }): unknown
  /** A clone and, in the order of `transfer`, what came of the transferred objects. */
  cloneAndMove(value: unknown, transfer: readonly object[]): { value: unknown; moved: readonly object[] }
}

/** One clone: what was copied so far, so that identities and cycles stay. */
interface Copying {
  readonly seen: Map<object, object>
  copy(part: unknown): unknown
  remember<Copy extends object>(value: object, copy: Copy): Copy
}

const ERROR_NAMES = /^(?:Eval|Range|Reference|Syntax|Type|URI)Error$/

const getter = (prototype: object, name: string): ((value: object) => unknown) => {
  const get = Object.getOwnPropertyDescriptor(prototype, name)?.get as () => unknown
  return (value) => Reflect.apply(get, value, [])
}
const method = (fn: (...args: never[]) => unknown): ((value: object) => unknown) => {
  return (value) => Reflect.apply(fn, value, [])
}

/** The internal slots decide, not Symbol.toStringTag, which anybody can define: each probe throws on the wrong kind. */
const PROBES: readonly (readonly [string, (value: object) => unknown])[] = [
  ['Date', method(Date.prototype.getTime)],
  ['Map', getter(Map.prototype, 'size')],
  ['Set', getter(Set.prototype, 'size')],
  ['ArrayBuffer', getter(ArrayBuffer.prototype, 'byteLength')],
  ['RegExp', getter(RegExp.prototype, 'source')],
  ['Boolean', method(Boolean.prototype.valueOf)],
  ['Number', method(Number.prototype.valueOf)],
  ['String', method(String.prototype.valueOf)],
  ['BigInt', method(BigInt.prototype.valueOf)],
  ['Symbol', method(Symbol.prototype.valueOf)],
]

const { getPrototypeOf } = Object
/** What has internal slots that a copy of its properties would leave behind inherits from one of these. */
const OPAQUE: readonly object[] = [
  WeakMap.prototype,
  WeakSet.prototype,
  WeakRef.prototype,
  FinalizationRegistry.prototype,
  Promise.prototype,
  // All iterators and generators.
  getPrototypeOf(getPrototypeOf([][Symbol.iterator]())) as object,
  getPrototypeOf(getPrototypeOf(async function* () {}.prototype)) as object,
  ...prototypesIn(typeof Intl === 'object' ? Intl : {}),
]
const { isPrototypeOf, toString } = Object.prototype

const tagOf = (value: object): string => {
  const prototype = getPrototypeOf(value) as object | null
  // Nearly everything is a plain object, and ten probes that throw are not cheap.
  if (prototype === null || prototype === Object.prototype) {
    if (Reflect.apply(toString, value, []) === '[object Object]') return 'Object'
  }
  for (const [tag, probe] of PROBES) {
    try {
      probe(value)
      return tag
    } catch {
      continue
    }
  }
  return ''
}

export function create(deps: CloneDeps): ClonePart {
  const refuse = (what: string): Error => deps.domException('DataCloneError', `${what} cannot be cloned`)

  function cloneAndMove(
    value: unknown,
    transfer: readonly object[],
  ): { value: unknown; moved: readonly object[] } {
    const seen = new Map<object, object>()
    const copying: Copying = {
      seen,
      copy: (part) => copyValue(part, copying),
      remember(original, copy) {
        seen.set(original, copy)
        return copy
      },
    }
    const moves: (() => object)[] = []
    for (const item of transfer) {
      if (transfer.indexOf(item) !== transfer.lastIndexOf(item)) throw refuse('What is transferred twice')
      const port = deps.movePort(item)
      if (port !== undefined) {
        seen.set(item, port.target)
        moves.push(() => {
          port.move()
          return port.target
        })
        continue
      }
      if (tagOf(item) !== 'ArrayBuffer')
        throw refuse('What is neither an ArrayBuffer nor a MessagePort, if transferred,')
      checkAttached(item as ArrayBuffer)
      moves.push(() => {
        const moved = detach(item as ArrayBuffer)
        return seen.get(item) ?? moved
      })
    }
    const copy = copying.copy(value)
    // Nothing moves before all is copied, so that a value that is refused leaves everything as it was.
    for (const item of transfer) {
      if (deps.movePort(item) === undefined) checkAttached(item as ArrayBuffer)
    }
    return { value: copy, moved: moves.map((move) => move()) }
  }

  function checkAttached(buffer: ArrayBuffer): void {
    if (buffer.detached) throw refuse('A detached ArrayBuffer')
  }

  function copyValue(value: unknown, copying: Copying): unknown {
    if (typeof value === 'symbol') throw refuse('A symbol')
    if (typeof value === 'function') throw refuse('A function')
    if (typeof value !== 'object' || value === null) return value
    const known = copying.seen.get(value)
    if (known !== undefined) return known
    if (Array.isArray(value)) {
      const copy = copying.remember(value, Array.from({ length: 0 }) as unknown[])
      copy.length = value.length
      return copyProperties(value, copy, copying)
    }
    if (ArrayBuffer.isView(value)) return copyView(value, copying)
    const tag = tagOf(value)
    return tag === 'Object'
      ? copyProperties(value, copying.remember(value, {}), copying)
      : copyTagged(value, tag, copying)
  }

  function copyTagged(value: object, tag: string, copying: Copying): object {
    switch (tag) {
      case 'Date':
        return copying.remember(value, new Date((value as Date).getTime()))
      case 'Boolean':
      case 'Number':
      case 'String':
      case 'BigInt':
        return copying.remember(value, Object((value as { valueOf(): unknown }).valueOf()) as object)
      case 'Symbol':
        throw refuse('A symbol')
      case 'RegExp':
        return copying.remember(value, new RegExp((value as RegExp).source, (value as RegExp).flags))
      case 'ArrayBuffer':
        return copying.remember(value, copyBuffer(value as ArrayBuffer))
      case 'Map': {
        const copy = copying.remember(value, new Map<unknown, unknown>())
        for (const [key, item] of Array.from(value as Map<unknown, unknown>))
          copy.set(copying.copy(key), copying.copy(item))
        return copy
      }
      case 'Set': {
        const copy = copying.remember(value, new Set<unknown>())
        for (const item of Array.from(value as Set<unknown>)) copy.add(copying.copy(item))
        return copy
      }
    }
    if (value instanceof Error) return copyError(value, copying)
    const blob = deps.cloneBlob(value) ?? deps.cloneKey(value)
    if (blob !== undefined) return copying.remember(value, blob)
    if (deps.isPlatformObject(value)) throw refuse('An object of the platform')
    if (isOpaque(value)) throw refuse('An object with a state of its own, such as a promise or a generator,')
    return copyProperties(value, copying.remember(value, {}), copying)
  }

  function copyBuffer(buffer: ArrayBuffer): ArrayBuffer {
    checkAttached(buffer)
    if (!buffer.resizable) return buffer.slice(0)
    const copy = new ArrayBuffer(buffer.byteLength, { maxByteLength: buffer.maxByteLength })
    new Uint8Array(copy).set(new Uint8Array(buffer))
    return copy
  }

  function copyError(error: Error, copying: Copying): object {
    if (deps.isDomException(error))
      return copying.remember(error, deps.domException(error.name, error.message))
    const { name } = error
    const Type = (ERROR_NAMES.test(name)
      ? (globalThis as unknown as Record<string, unknown>)[name]
      : Error) as unknown as ErrorConstructor
    const message = Object.getOwnPropertyDescriptor(error, 'message')
    const copy = copying.remember(
      error,
      message !== undefined && 'value' in message ? new Type(String(message.value)) : new Type(),
    )
    const hidden = { writable: true, configurable: true, enumerable: false }
    const stack = typeof error.stack === 'string' ? error.stack : undefined
    Object.defineProperty(copy, 'stack', { value: stack, ...hidden })
    if (Object.hasOwn(error, 'cause')) {
      Object.defineProperty(copy, 'cause', { value: copying.copy(error.cause), ...hidden })
    }
    return copy
  }

  return {
    structuredClone(value, options = undefined) {
      if (arguments.length === 0) throw new TypeError('structuredClone: 1 argument is required, 0 given')
      return cloneAndMove(value, transferOption(options)).value
    },
    cloneAndMove,
  }
}

function copyProperties(from: object, to: object, copying: Copying): object {
  for (const key of Object.keys(from)) {
    if (!Object.hasOwn(from, key)) continue
    const value = copying.copy((from as Record<string, unknown>)[key])
    Object.defineProperty(to, key, { value, writable: true, enumerable: true, configurable: true })
  }
  return to
}

function copyView(view: ArrayBufferView, copying: Copying): object {
  const { byteOffset, byteLength } = view
  const isData = view instanceof DataView
  const length = isData ? byteLength : (view as Uint8Array).length
  const name = isData
    ? 'DataView'
    : ((view as unknown as Record<symbol, string>)[Symbol.toStringTag] as string)
  const buffer = copying.copy(view.buffer)
  const View = (globalThis as unknown as Record<string, unknown>)[name] as new (
    buffer: unknown,
    offset: number,
    length: number,
  ) => object
  return copying.remember(view, new View(buffer, byteOffset, length))
}

/** Where an engine has no `transfer` nothing can be detached: the old buffer keeps its bytes. */
const detach = (buffer: ArrayBuffer): ArrayBuffer =>
  typeof buffer.transfer === 'function' ? buffer.transfer() : buffer.slice(0)

const isOpaque = (value: object): boolean =>
  OPAQUE.some((prototype) => Reflect.apply(isPrototypeOf, prototype, [value]))

function prototypesIn(namespace: object): object[] {
  const found: object[] = []
  for (const name of Object.getOwnPropertyNames(namespace)) {
    const { prototype } = Object((namespace as Record<string, unknown>)[name]) as { prototype?: unknown }
    if (typeof prototype === 'object' && prototype !== null) found.push(prototype)
  }
  return found
}
