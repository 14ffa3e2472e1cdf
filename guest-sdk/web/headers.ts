/** Headers (Fetch): the guest's view of a HeaderList. Immutable for incoming requests, redirects and errors. */
import { createLowerName, HeaderList, headerValue, type LowerName } from './header-list.ts'
import { definePairs, type PairIterable, type Pairs } from './pair-iterator.ts'

export interface Headers extends PairIterable<string> {
  append(name: string, value: string): void
  delete(name: string): void
  get(name: string): string | null
  getSetCookie(): string[]
  has(name: string): boolean
  set(name: string, value: string): void
  [Symbol.iterator](): IterableIterator<[string, string]>
}

export interface HeadersKit {
  readonly Headers: new (init?: unknown) => Headers
  readonly lower: LowerName
  /** The list of a Headers; undefined for anything else. */
  listOf(value: unknown): HeaderList | undefined
  /** A new list from the `headers` of an init: Headers, pairs, a record, or undefined. */
  listFrom(init: unknown): HeaderList
  /** Headers over a list (shared, not copied). */
  wrap(list: HeaderList): Headers
}

export function createHeaders(): HeadersKit {
  const lower = createLowerName()
  let listOf!: HeadersKit['listOf']

  function listFrom(init: unknown): HeaderList {
    const other = listOf(init)
    if (other !== undefined) return other.copy()
    const list = new HeaderList(lower)
    if (init !== undefined) list.fill(init)
    return list
  }

  class Headers {
    readonly #list: HeaderList
    #sorted: Pairs<string> | undefined
    #sortedVersion = -1

    static {
      listOf = (value) =>
        typeof value === 'object' && value !== null && #list in value ? value.#list : undefined
      definePairs(Headers.prototype, 'Headers', (self) => (self as Headers).#pairs())
    }

    constructor(init: unknown = undefined) {
      this.#list = init instanceof HeaderList ? init : listFrom(init)
    }

    append(name: string, value: string): void {
      required(arguments.length, 2, 'append')
      const list = this.#list
      const key = lower(name)
      const checked = headerValue(value, key)
      writable(list)
      list.unfold()
      list.add(key, checked)
    }

    delete(name: string): void {
      required(arguments.length, 1, 'delete')
      const list = this.#list
      const key = lower(name)
      writable(list)
      list.delete(key)
    }

    get(name: string): string | null {
      required(arguments.length, 1, 'get')
      return this.#list.get(lower(name))
    }

    has(name: string): boolean {
      required(arguments.length, 1, 'has')
      return this.#list.has(lower(name))
    }

    set(name: string, value: string): void {
      required(arguments.length, 2, 'set')
      const list = this.#list
      const key = lower(name)
      const checked = headerValue(value, key)
      writable(list)
      list.set(key, checked)
    }

    getSetCookie(): string[] {
      const cookies: string[] = []
      for (let entry = this.#list.unfold(); entry !== undefined; entry = entry.next) {
        if (entry.name === 'set-cookie') cookies.push(entry.value)
      }
      return cookies
    }

    /** Sorted by name, equal names combined, cookies apart. */
    #pairs(): Pairs<string> {
      const list = this.#list
      const first = list.unfold()
      if (this.#sorted !== undefined && this.#sortedVersion === list.version) return this.#sorted
      const byName = new Map<string, string[]>()
      for (let entry = first; entry !== undefined; entry = entry.next) {
        const values = byName.get(entry.name)
        if (values === undefined) byName.set(entry.name, [entry.value])
        else values.push(entry.value)
      }
      const pairs: [string, string][] = []
      for (const name of [...byName.keys()].sort()) {
        const values = byName.get(name) ?? []
        if (name === 'set-cookie') for (const value of values) pairs.push([name, value])
        else pairs.push([name, values.join(', ')])
      }
      this.#sorted = pairs
      this.#sortedVersion = list.version
      return pairs
    }
  }

  return {
    Headers: Headers as unknown as HeadersKit['Headers'],
    lower,
    listOf,
    listFrom,
    wrap: (list) => new Headers(list) as never,
  }
}

function writable(list: HeaderList): void {
  if (list.immutable)
    throw new TypeError('These headers are immutable: copy them with new Headers(headers) first')
}

function required(given: number, wanted: number, method: string): void {
  if (given < wanted)
    throw new TypeError(`Headers.${method}: ${wanted} arguments are required, ${given} given`)
}
