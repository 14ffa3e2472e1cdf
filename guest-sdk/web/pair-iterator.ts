/** The iterators of Headers, URLSearchParams and FormData (Web IDL's pair iterables): live, by index. */
type Kind = 'entries' | 'keys' | 'values'

export type Pairs<Value> = readonly (readonly [string, Value])[]

export interface PairIterable<Value> {
  entries(): IterableIterator<[string, Value]>
  keys(): IterableIterator<string>
  values(): IterableIterator<Value>
  forEach(callback: (value: Value, key: string, self: unknown) => void, self?: unknown): void
}

/**
 * Defines entries, keys, values, forEach and Symbol.iterator on `prototype`. `pairsOf` is asked at every step, so
 * that changes made while iterating are seen, and throws when `self` is not one of its own.
 */
export function definePairs<Value>(
  prototype: object,
  className: string,
  pairsOf: (self: unknown) => Pairs<Value>,
): void {
  const states = new WeakMap<object, { self: unknown; kind: Kind; index: number }>()
  const iteratorPrototype: object = Object.create(
    Object.getPrototypeOf(Object.getPrototypeOf([][Symbol.iterator]())) as object,
    { [Symbol.toStringTag]: { value: `${className} Iterator`, configurable: true } },
  ) as object
  const { next } = {
    next(this: object) {
      const state = states.get(this)
      if (state === undefined)
        throw new TypeError(`next called on an object that is no ${className} Iterator`)
      const pair = pairsOf(state.self)[state.index]
      if (pair === undefined) return { value: undefined, done: true }
      state.index++
      const value = state.kind === 'keys' ? pair[0] : state.kind === 'values' ? pair[1] : [pair[0], pair[1]]
      return { value, done: false }
    },
  }
  Object.defineProperty(iteratorPrototype, 'next', {
    value: next,
    writable: true,
    enumerable: true,
    configurable: true,
  })
  const iterate = (self: unknown, kind: Kind): object => {
    pairsOf(self)
    const iterator = Object.create(iteratorPrototype) as object
    states.set(iterator, { self, kind, index: 0 })
    return iterator
  }
  const methods = {
    entries(this: unknown): object {
      return iterate(this, 'entries')
    },
    keys(this: unknown): object {
      return iterate(this, 'keys')
    },
    values(this: unknown): object {
      return iterate(this, 'values')
    },
    forEach(this: unknown, callback: unknown, self: unknown = undefined): void {
      pairsOf(this)
      if (typeof callback !== 'function')
        throw new TypeError(`${className}.forEach: the callback is no function`)
      for (let index = 0; ; index++) {
        const pair = pairsOf(this)[index]
        if (pair === undefined) return
        Reflect.apply(callback, self, [pair[1], pair[0], this])
      }
    },
  }
  for (const name of ['entries', 'keys', 'values', 'forEach'] as const) {
    Object.defineProperty(prototype, name, {
      value: methods[name],
      writable: true,
      enumerable: true,
      configurable: true,
    })
  }
  Object.defineProperty(prototype, Symbol.iterator, {
    value: methods.entries,
    writable: true,
    configurable: true,
  })
}
