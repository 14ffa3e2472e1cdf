/** structuredClone (HTML): copies of values with their cycles; functions, symbols and foreign classes are refused. */
import type { Blob } from './blob.ts'

export interface CloneDeps {
  domException(name: string, message: string): Error
  isDomException(value: object): boolean
  /** A copy of a Blob or File; undefined for anything else. */
  cloneBlob(value: object): Blob | undefined
  /** Whether a value is one of the platform's own objects that cannot be cloned (Request, URL, AbortSignal …). */
  isPlatformObject(value: object): boolean
}

export interface ClonePart {
  structuredClone(value: unknown, options?: { transfer?: Iterable<unknown> }): unknown
}

const ERROR_NAMES = /^(?:Eval|Range|Reference|Syntax|Type|URI)Error$/

const tagOf = (value: object): string => {
  // The internal slots decide, not Symbol.toStringTag, which anybody can define: each probe throws on the wrong kind.
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

const getter = (prototype: object, name: string): ((value: object) => unknown) => {
  const get = Object.getOwnPropertyDescriptor(prototype, name)?.get as () => unknown
  return (value) => Reflect.apply(get, value, [])
}
const method = (fn: (...args: never[]) => unknown): ((value: object) => unknown) => {
  return (value) => Reflect.apply(fn, value, [])
}

const PROBES: readonly (readonly [string, (value: object) => unknown])[] = [
  ['Date', method(Date.prototype.getTime)],
  ['Map', getter(Map.prototype, 'size')],
  ['Set', getter(Set.prototype, 'size')],
  ['ArrayBuffer', getter(ArrayBuffer.prototype, 'byteLength')],
  ['Boolean', method(Boolean.prototype.valueOf)],
  ['Number', method(Number.prototype.valueOf)],
  ['String', method(String.prototype.valueOf)],
  ['BigInt', method(BigInt.prototype.valueOf)],
  ['Symbol', method(Symbol.prototype.valueOf)],
]

export function create(deps: CloneDeps): ClonePart {
  const refuse = (what: string): Error => deps.domException('DataCloneError', `${what} cannot be cloned`)

  function structuredClone(value: unknown, options: { transfer?: Iterable<unknown> } = {}): unknown {
    if (arguments.length === 0) throw new TypeError('structuredClone: 1 argument is required, 0 given')
    const seen = new Map<object, object>()
    const transfer = Array.from(options?.transfer ?? [])
    for (const item of transfer) {
      if (
        !(item instanceof ArrayBuffer) ||
        item.detached ||
        transfer.indexOf(item) !== transfer.lastIndexOf(item)
      ) {
        throw refuse('What is transferred must be distinct ArrayBuffers that are not detached; this value')
      }
    }
    const copy = clone(value, seen)
    // Detached only now, so that a value that is refused leaves everything as it was.
    for (const item of transfer) (item as ArrayBuffer).transfer()
    return copy
  }

  function clone(value: unknown, seen: Map<object, object>): unknown {
    const inner = (part: unknown): unknown => clone(part, seen)
    if (typeof value === 'symbol') throw refuse('A symbol')
    if (typeof value === 'function') throw refuse('A function')
    if (typeof value !== 'object' || value === null) return value
    const known = seen.get(value)
    if (known !== undefined) return known
    const remember = <T extends object>(copy: T): T => {
      seen.set(value, copy)
      return copy
    }

    if (Array.isArray(value)) {
      const copy = remember(Array.from({ length: 0 }) as unknown[])
      copy.length = value.length
      return copyProperties(value, copy, inner)
    }
    if (ArrayBuffer.isView(value)) return cloneView(value, inner, remember)
    if (value instanceof Error) return cloneError(value, inner, remember)
    switch (tagOf(value)) {
      case 'Date':
        return remember(new Date((value as Date).getTime()))
      case 'Boolean':
      case 'Number':
      case 'String':
      case 'BigInt':
        return remember(Object((value as { valueOf(): unknown }).valueOf()) as object)
      case 'Symbol':
        throw refuse('A symbol')
      case 'ArrayBuffer': {
        const buffer = value as ArrayBuffer
        if (buffer.detached) throw refuse('A detached ArrayBuffer')
        return remember(buffer.slice(0))
      }
      case 'Map': {
        const copy = remember(new Map<unknown, unknown>())
        for (const [key, item] of Array.from(value as Map<unknown, unknown>))
          copy.set(inner(key), inner(item))
        return copy
      }
      case 'Set': {
        const copy = remember(new Set<unknown>())
        for (const item of Array.from(value as Set<unknown>)) copy.add(inner(item))
        return copy
      }
    }
    if (value instanceof RegExp) return remember(new RegExp(value.source, value.flags))
    const blob = deps.cloneBlob(value)
    if (blob !== undefined) return remember(blob)
    if (
      value instanceof WeakMap ||
      value instanceof WeakSet ||
      value instanceof WeakRef ||
      value instanceof Promise
    ) {
      throw refuse('A weak collection or promise')
    }
    if (deps.isPlatformObject(value)) throw refuse('An object of the platform')
    return copyProperties(value, remember({}), inner)
  }

  function copyProperties(from: object, to: object, inner: (part: unknown) => unknown): object {
    for (const key of Object.keys(from)) {
      if (!Object.hasOwn(from, key)) continue
      const value = inner((from as Record<string, unknown>)[key])
      Object.defineProperty(to, key, { value, writable: true, enumerable: true, configurable: true })
    }
    return to
  }

  function cloneView(
    view: ArrayBufferView,
    inner: (part: unknown) => unknown,
    remember: <T extends object>(copy: T) => T,
  ): object {
    // Read before the buffer is copied: transferring it detaches the view.
    const { byteOffset, byteLength } = view
    const isData = view instanceof DataView
    const length = isData ? byteLength : (view as Uint8Array).length
    const name = isData
      ? 'DataView'
      : ((view as unknown as Record<symbol, string>)[Symbol.toStringTag] as string)
    const buffer = inner(view.buffer)
    const View = (globalThis as unknown as Record<string, unknown>)[name] as new (
      buffer: unknown,
      offset: number,
      length: number,
    ) => object
    return remember(new View(buffer, byteOffset, length))
  }

  function cloneError(
    error: Error,
    inner: (part: unknown) => unknown,
    remember: <T extends object>(copy: T) => T,
  ): object {
    if (deps.isDomException(error)) return remember(deps.domException(error.name, error.message))
    const { name } = error
    const Type = (ERROR_NAMES.test(name)
      ? (globalThis as unknown as Record<string, unknown>)[name]
      : Error) as unknown as ErrorConstructor
    const message = Object.hasOwn(error, 'message') ? String(error.message) : undefined
    const copy = remember(new Type(message))
    Object.defineProperty(copy, 'stack', {
      value: typeof error.stack === 'string' ? error.stack : undefined,
      writable: true,
      configurable: true,
    })
    if (Object.hasOwn(error, 'cause')) {
      Object.defineProperty(copy, 'cause', { value: inner(error.cause), writable: true, configurable: true })
    }
    return copy
  }

  return { structuredClone }
}
