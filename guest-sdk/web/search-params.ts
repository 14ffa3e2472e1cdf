/** URLSearchParams (URL Standard) and the application/x-www-form-urlencoded format. */
import { byteStringFromBytes, type Codec } from './bytes.ts'
import { exec, isArray, ObjectKeys, toWellFormed } from './intrinsics.ts'
import { definePairs, type PairIterable } from './pair-iterator.ts'

export interface URLSearchParams extends PairIterable<string> {
  readonly size: number
  append(name: string, value: string): void
  delete(name: string, value?: string): void
  get(name: string): string | null
  getAll(name: string): string[]
  has(name: string, value?: string): boolean
  set(name: string, value: string): void
  sort(): void
  toString(): string
  [Symbol.iterator](): IterableIterator<[string, string]>
}

export type Pair = [name: string, value: string]

/** The parameters of a URL: `changed` writes them back to it. */
export class LinkedParams {
  readonly pairs: Pair[]
  readonly changed: (() => void) | undefined
  constructor(pairs: Pair[], changed: () => void) {
    this.pairs = pairs
    this.changed = changed
  }
}

export interface SearchParamsKit {
  readonly URLSearchParams: new (init?: unknown) => URLSearchParams
  parse(text: string): Pair[]
  /** The pairs of a URLSearchParams; undefined for anything else. */
  pairsOf(value: unknown): Pair[] | undefined
}

const PLAIN = /[^A-Za-z0-9*\-._]/
const LEFT_BY_ENCODE_URI = /[!'()~]|%20/g

function encodePart(text: string): string {
  if (exec(PLAIN, text) === null) return text
  return encodeURIComponent(toWellFormed(text)).replace(LEFT_BY_ENCODE_URI, (found) =>
    found === '%20' ? '+' : `%${found.charCodeAt(0).toString(16).toUpperCase()}`,
  )
}

export function serializePairs(pairs: readonly Pair[]): string {
  let text = ''
  for (const [name, value] of pairs) {
    text += `${text === '' ? '' : '&'}${encodePart(name)}=${encodePart(value)}`
  }
  return text
}

function createDecodePart(codec: Codec): (text: string) => string {
  return (text) => {
    const spaced = text.includes('+') ? text.replaceAll('+', ' ') : text
    if (!spaced.includes('%')) return toWellFormed(spaced)
    try {
      return decodeURIComponent(toWellFormed(spaced))
    } catch {
      // Malformed percent signs stay, malformed UTF-8 becomes U+FFFD: byte by byte, then the engine's decoder.
      const bytes = byteStringFromBytes(codec.encode(toWellFormed(spaced)))
      const decoded = bytes.replace(/%([0-9A-Fa-f]{2})/g, (_, hex: string) =>
        String.fromCharCode(Number.parseInt(hex, 16)),
      )
      return codec.decode(decoded, false) ?? ''
    }
  }
}

export function createSearchParams(codec: Codec): SearchParamsKit {
  const decodePart = createDecodePart(codec)
  let pairsOf!: SearchParamsKit['pairsOf']

  function parse(text: string): Pair[] {
    const pairs: Pair[] = []
    for (const piece of text.split('&')) {
      if (piece === '') continue
      const equals = piece.indexOf('=')
      if (equals === -1) pairs.push([decodePart(piece), ''])
      else pairs.push([decodePart(piece.slice(0, equals)), decodePart(piece.slice(equals + 1))])
    }
    return pairs
  }

  function pairsFrom(init: unknown): Pair[] {
    if ((typeof init !== 'object' && typeof init !== 'function') || init === null) {
      const text = String(init)
      return parse(text.startsWith('?') ? text.slice(1) : text)
    }
    const source = init as Record<string, unknown> & { [Symbol.iterator]?: unknown }
    if (source[Symbol.iterator] !== undefined && source[Symbol.iterator] !== null) {
      return Array.from(init as Iterable<unknown>, (item) => {
        const pair = isArray(item) ? item : Array.from(item as Iterable<unknown>)
        if (pair.length !== 2) throw new TypeError('URLSearchParams: each item of the list must be a pair')
        return [usv(pair[0]), usv(pair[1])]
      })
    }
    // Two keys that differ only in lone surrogates are one key; the later value wins, in the earlier place.
    const merged = new Map<string, string>()
    for (const key of ObjectKeys(source)) merged.set(usv(key), usv(source[key]))
    return [...merged]
  }

  class URLSearchParams {
    #pairs: Pair[]
    readonly #changed: (() => void) | undefined

    static {
      pairsOf = (value) =>
        typeof value === 'object' && value !== null && #pairs in value ? value.#pairs : undefined
      definePairs(URLSearchParams.prototype, 'URLSearchParams', (self) => (self as URLSearchParams).#pairs)
    }

    constructor(init: unknown = '') {
      if (init instanceof LinkedParams) {
        this.#pairs = init.pairs
        this.#changed = init.changed
      } else {
        this.#changed = undefined
        this.#pairs = pairsFrom(init)
      }
    }

    get size(): number {
      return this.#pairs.length
    }

    append(name: string, value: string): void {
      required(arguments.length, 2, 'append')
      this.#pairs.push([usv(name), usv(value)])
      this.#changed?.()
    }

    delete(name: string, value: string | undefined = undefined): void {
      required(arguments.length, 1, 'delete')
      const key = usv(name)
      const wanted = value === undefined ? undefined : usv(value)
      this.#replace(
        this.#pairs.filter((pair) => pair[0] !== key || (wanted !== undefined && pair[1] !== wanted)),
      )
    }

    get(name: string): string | null {
      required(arguments.length, 1, 'get')
      const key = usv(name)
      return this.#pairs.find((pair) => pair[0] === key)?.[1] ?? null
    }

    getAll(name: string): string[] {
      required(arguments.length, 1, 'getAll')
      const key = usv(name)
      return this.#pairs.filter((pair) => pair[0] === key).map((pair) => pair[1])
    }

    has(name: string, value: string | undefined = undefined): boolean {
      required(arguments.length, 1, 'has')
      const key = usv(name)
      const wanted = value === undefined ? undefined : usv(value)
      return this.#pairs.some((pair) => pair[0] === key && (wanted === undefined || pair[1] === wanted))
    }

    set(name: string, value: string): void {
      required(arguments.length, 2, 'set')
      const key = usv(name)
      const text = usv(value)
      const first = this.#pairs.find((pair) => pair[0] === key)
      if (first === undefined) {
        this.#pairs.push([key, text])
        this.#changed?.()
        return
      }
      first[1] = text
      this.#replace(this.#pairs.filter((pair) => pair === first || pair[0] !== key))
    }

    sort(): void {
      // Strings compare by code units, as the URL Standard asks; the sort is stable.
      this.#replace(this.#pairs.toSorted((a, b) => (a[0] < b[0] ? -1 : a[0] > b[0] ? 1 : 0)))
    }

    toString(): string {
      return serializePairs(this.#pairs)
    }

    /** In place, because a URL shares the list. */
    #replace(pairs: Pair[]): void {
      this.#pairs.splice(0, this.#pairs.length, ...pairs)
      this.#changed?.()
    }
  }

  return { URLSearchParams: URLSearchParams as unknown as SearchParamsKit['URLSearchParams'], parse, pairsOf }
}

const usv = (value: unknown): string => toWellFormed(typeof value === 'string' ? value : String(value))

function required(given: number, wanted: number, method: string): void {
  if (given < wanted) {
    throw new TypeError(`URLSearchParams.${method}: ${wanted} arguments are required, ${given} given`)
  }
}
