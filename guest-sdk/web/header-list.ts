/**
 * A list of headers as the hooks see it: validated, lower-cased, in order. The headers of an incoming request stay
 * in the flat form they came in until something writes to them; most handlers read one or two, or none.
 * Invariant: every entry is a valid token and a value without CR, LF or NUL, each a primitive string. The entries
 * are object literals in a linked list, because literals define their properties: no setter of a guest sees them.
 */
import {
  blankList,
  exec,
  isArray,
  isEnumerable,
  mapGet,
  mapSet,
  mapSize,
  ObjectKeys,
  ownSymbols,
  slice,
  toLowerCase,
} from './intrinsics.ts'

interface Entry {
  name: string
  value: string
  next: Entry | undefined
}

const NOT_TOKEN = /[^a-z0-9!#$%&'*+.^_`|~-]/i
// oxlint-disable-next-line no-control-regex -- control characters are what it looks for
const NOT_PLAIN_VALUE = /[^\x01-\x09\x0b\x0c\x0e-\xff]|^[\t ]|[\t ]$/
const FORBIDDEN_IN_VALUE = /[\0\r\n]/
const NOT_LATIN1 = /[^\0-\xff]/
const EDGE_WHITESPACE = /^[\t\n\r ]*([^]*?)[\t\n\r ]*$/

/** How many names are remembered in their lower-case form; names come from clients, so the memory is bounded. */
const KNOWN_NAMES = 256

export type LowerName = (name: unknown) => string

/** Validates and lower-cases a name; remembers the first few hundred, since programs use the same ones. */
export function createLowerName(): LowerName {
  const known = new Map<string, string>()
  return (hostile) => {
    const name = typeof hostile === 'string' ? hostile : `${hostile as string}`
    const found = mapGet(known, name)
    if (found !== undefined) return found
    if (name === '' || exec(NOT_TOKEN, name) !== null) {
      throw new TypeError(`Invalid header name: ${JSON.stringify(slice(name, 0, 100))}`)
    }
    const lower = toLowerCase(name)
    if (name.length <= 64 && mapSize(known) < KNOWN_NAMES) mapSet(known, name, lower)
    return lower
  }
}

/** A value as the specs normalise it: a byte string without whitespace at its ends. */
export function headerValue(hostile: unknown, name: string): string {
  const value = typeof hostile === 'string' ? hostile : `${hostile as string}`
  if (exec(NOT_PLAIN_VALUE, value) === null) return value
  const trimmed = exec(EDGE_WHITESPACE, value)?.[1] ?? ''
  if (exec(FORBIDDEN_IN_VALUE, trimmed) !== null) {
    throw new TypeError(`Invalid value of header ${name}: it contains CR, LF or NUL`)
  }
  if (exec(NOT_LATIN1, trimmed) !== null) {
    throw new TypeError(`Invalid value of header ${name}: it contains a character above U+00FF`)
  }
  return trimmed
}

export class HeaderList {
  /** The flat list of an incoming request, until the first write. */
  raw: readonly string[] | undefined
  first: Entry | undefined
  last: Entry | undefined
  length: number
  immutable: boolean
  /** Counts writes, so that an iteration can reuse what it has sorted. */
  version: number
  readonly lower: LowerName

  constructor(lower: LowerName, raw: readonly string[] | undefined = undefined, immutable: boolean = false) {
    this.lower = lower
    this.raw = raw
    this.first = undefined
    this.last = undefined
    this.length = 0
    this.immutable = immutable
    this.version = 0
  }

  /** Adds an entry that is already valid. */
  add(name: string, value: string): void {
    const entry = { name, value, next: undefined }
    if (this.last === undefined) this.first = entry
    else this.last.next = entry
    this.last = entry
    this.length++
    this.version++
  }

  append(hostileName: unknown, hostileValue: unknown): void {
    const name = this.lower(hostileName)
    this.add(name, headerValue(hostileValue, name))
  }

  /** Leaves the flat form. */
  unfold(): Entry | undefined {
    const { raw } = this
    if (raw !== undefined) {
      this.raw = undefined
      for (let index = 0; index + 1 < raw.length; index += 2) this.append(raw[index], raw[index + 1])
    }
    return this.first
  }

  get(name: string): string | null {
    let found: string | null = null
    const { raw } = this
    if (raw === undefined) {
      for (let entry = this.first; entry !== undefined; entry = entry.next) {
        if (entry.name === name) found = found === null ? entry.value : `${found}, ${entry.value}`
      }
      return found
    }
    for (let index = 0; index + 1 < raw.length; index += 2) {
      const candidate = raw[index] as string
      // Lower-casing goes through the bounded cache; names of another length cannot be the one sought.
      if (candidate.length !== name.length) continue
      if (candidate === name || toLowerCase(candidate) === name) {
        const value = raw[index + 1] as string
        found = found === null ? value : `${found}, ${value}`
      }
    }
    return found
  }

  has(name: string): boolean {
    return this.get(name) !== null
  }

  set(name: string, value: string): void {
    let done = false
    for (let entry = this.unfold(), before: Entry | undefined; entry !== undefined; entry = entry.next) {
      if (entry.name !== name) before = entry
      else if (!done) {
        entry.value = value
        done = true
        before = entry
      } else this.unlink(before, entry)
    }
    this.version++
    if (!done) this.add(name, value)
  }

  delete(name: string): void {
    let before: Entry | undefined
    for (let entry = this.unfold(); entry !== undefined; entry = entry.next) {
      if (entry.name === name) this.unlink(before, entry)
      else before = entry
    }
    this.version++
  }

  unlink(before: Entry | undefined, entry: Entry): void {
    if (before === undefined) this.first = entry.next
    else before.next = entry.next
    if (this.last === entry) this.last = before
    this.length--
  }

  /** Copies into a list that may be written to. */
  copy(): HeaderList {
    const copy = new HeaderList(this.lower, this.raw)
    for (let entry = this.first; entry !== undefined; entry = entry.next) copy.add(entry.name, entry.value)
    return copy
  }

  /** Flat name, value, … in a list that the caller owns. */
  flat(): string[] {
    let entry = this.unfold()
    const list = blankList(this.length * 2)
    for (let index = 0; entry !== undefined; entry = entry.next) {
      list[index++] = entry.name
      list[index++] = entry.value
    }
    return list
  }

  /** Fills from HeadersInit that is no Headers of ours: a sequence of pairs, or a record. */
  fill(init: unknown): void {
    if (typeof init === 'string') throw new TypeError('Headers: a string is no list of headers')
    if ((typeof init !== 'object' && typeof init !== 'function') || init === null) {
      throw new TypeError('Headers: expected an object, a list of pairs, or Headers')
    }
    const source = init as Record<string, unknown> & { [Symbol.iterator]?: unknown }
    const iterator = source[Symbol.iterator]
    if (iterator !== undefined && iterator !== null) {
      for (const item of init as Iterable<unknown>) {
        const pair = isArray(item) ? item : Array.from(listed(item))
        if (pair.length !== 2)
          throw new TypeError('Headers: each item of the list must be a pair of name and value')
        this.append(pair[0], pair[1])
      }
      return
    }
    if (ownSymbols(source).length > 0) refuseSymbols(source)
    const keys = ObjectKeys(source)
    for (let index = 0; index < keys.length; index++) {
      const key = keys[index] as string
      this.append(key, source[key])
    }
  }
}

/** A pair may be any iterable object, which a string is not. */
function listed(item: unknown): Iterable<unknown> {
  if ((typeof item === 'object' && item !== null) || typeof item === 'function')
    return item as Iterable<unknown>
  throw new TypeError('Headers: each item of the list must be a pair of name and value')
}

/** An enumerable symbol is a key of the record as well, and no name of a header. */
function refuseSymbols(record: object): void {
  const symbols = ownSymbols(record)
  for (let index = 0; index < symbols.length; index++) {
    if (isEnumerable(record, symbols[index] as symbol)) throw new TypeError('Headers: a symbol is no name')
  }
}
