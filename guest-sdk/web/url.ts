/** URL (URL Standard) over records from url-record.ts. `searchParams` is made when asked for and linked both ways. */
import { toWellFormed } from './intrinsics.ts'
import {
  LinkedParams,
  serializePairs,
  type Pair,
  type SearchParamsKit,
  type URLSearchParams,
} from './search-params.ts'
import type { UrlParser, UrlRecord } from './url-record.ts'

export interface URL extends Omit<{ -readonly [Key in keyof UrlRecord]: string }, 'origin'> {
  readonly origin: string
  readonly searchParams: URLSearchParams
  toString(): string
  toJSON(): string
}

export interface URLKit {
  readonly URL: (new (url: unknown, base?: unknown) => URL) & {
    canParse(url: unknown, base?: unknown): boolean
    parse(url: unknown, base?: unknown): URL | null
  }
  /** The record of a URL object; undefined for anything else. */
  recordOf(value: unknown): UrlRecord | undefined
}

type Component = Exclude<keyof UrlRecord, 'origin'>

const text = (value: unknown): string => toWellFormed(typeof value === 'string' ? value : String(value))

export function createUrl(parser: UrlParser, params: SearchParamsKit): URLKit {
  let recordOf!: URLKit['recordOf']

  const parse = (url: unknown, base: unknown): UrlRecord | undefined =>
    parser.parse(recordOf(url)?.href ?? text(url), base === undefined ? undefined : text(base))

  class URL {
    #record: UrlRecord
    #pairs: Pair[] | undefined
    #params: URLSearchParams | undefined

    static {
      recordOf = (value) =>
        typeof value === 'object' && value !== null && #record in value ? value.#record : undefined
    }

    constructor(url: unknown, base: unknown = undefined) {
      if (arguments.length === 0) throw new TypeError('URL: 1 argument is required, 0 given')
      const record = parse(url, base)
      if (record === undefined) {
        const error = new TypeError('Invalid URL')
        throw Object.assign(error, {
          code: 'ERR_INVALID_URL',
          input: text(url),
          ...(base === undefined ? {} : { base: text(base) }),
        })
      }
      this.#record = record
    }

    static canParse(url: unknown, base: unknown = undefined): boolean {
      return parse(url, base) !== undefined
    }

    static parse(url: unknown, base: unknown = undefined): URL | null {
      return parse(url, base) === undefined ? null : new URL(url, base)
    }

    #update(component: Component, value: unknown): void {
      const record = parser.update(this.#record.href, component, text(value))
      if (record === undefined) {
        if (component === 'href') throw new TypeError('Invalid URL')
        return
      }
      this.#record = record
      const pairs = this.#pairs
      if (pairs !== undefined && (component === 'href' || component === 'search')) {
        pairs.splice(0, pairs.length, ...params.parse(record.search.slice(1)))
      }
    }

    get searchParams(): URLSearchParams {
      const existing = this.#params
      if (existing !== undefined) return existing
      const { search } = this.#record
      const pairs = search === '' ? [] : params.parse(search.slice(1))
      this.#pairs = pairs
      const linked = new LinkedParams(pairs, () => {
        this.#record = parser.update(this.#record.href, 'search', serializePairs(pairs)) ?? this.#record
      })
      return (this.#params = new params.URLSearchParams(linked))
    }

    get href(): string {
      return this.#record.href
    }
    set href(value: string) {
      this.#update('href', value)
    }
    get origin(): string {
      return this.#record.origin
    }
    get protocol(): string {
      return this.#record.protocol
    }
    set protocol(value: string) {
      this.#update('protocol', value)
    }
    get username(): string {
      return this.#record.username
    }
    set username(value: string) {
      this.#update('username', value)
    }
    get password(): string {
      return this.#record.password
    }
    set password(value: string) {
      this.#update('password', value)
    }
    get host(): string {
      return this.#record.host
    }
    set host(value: string) {
      this.#update('host', value)
    }
    get hostname(): string {
      return this.#record.hostname
    }
    set hostname(value: string) {
      this.#update('hostname', value)
    }
    get port(): string {
      return this.#record.port
    }
    set port(value: string) {
      this.#update('port', value)
    }
    get pathname(): string {
      return this.#record.pathname
    }
    set pathname(value: string) {
      this.#update('pathname', value)
    }
    get search(): string {
      return this.#record.search
    }
    set search(value: string) {
      this.#update('search', value)
    }
    get hash(): string {
      return this.#record.hash
    }
    set hash(value: string) {
      this.#update('hash', value)
    }
    toString(): string {
      return this.#record.href
    }
    toJSON(): string {
      return this.#record.href
    }
  }

  return { URL: URL as unknown as URLKit['URL'], recordOf }
}
