/**
 * Text to values. The text may come from a cell that a guest has broken out of: whatever it is, the answer is a value or a
 * DataCloneError. Objects are filled in place, at keys they own, so no setter on a prototype is ever met.
 */
import { fromBase64 } from './base64.ts'
import { DataCloneError } from './data-clone-error.ts'
import {
  BigIntOf,
  DateOf,
  MapOf,
  RegExpOf,
  SetOf,
  bufferOf,
  charCodeAt,
  defineProperty,
  hasOwn,
  indexOf,
  isArray,
  isInteger,
  mapSet,
  matches,
  parseJson,
  setAdd,
  slice,
} from './intrinsics.ts'
import { MAX_DEPTH } from './value-kinds.ts'
import { blankError, makeError, makeView, type ErrorParts } from './value-parts.ts'

const DOLLAR = 36
const QUOTE = 34
const BACKSLASH = 92
const BIGINT = /^(?:0|-?[1-9]\d*)$/
/** A primitive that JSON lacks is a list itself. */
const DEEPEST_TEXT = MAX_DEPTH + 1
const LONGEST_ARRAY = 0xffff_ffff

export function decodeValue(text: string): unknown {
  if (typeof text !== 'string') throw bad('it is not a text')
  const isTagged = charCodeAt(text, 0) === DOLLAR
  const json = isTagged ? slice(text, 1) : text
  if (json.length > MAX_DEPTH && isTooDeep(json)) throw bad(`it is nested more than ${MAX_DEPTH} levels deep`)
  let value: unknown
  try {
    value = parseJson(json)
  } catch (thrown) {
    throw bad('it is not JSON', thrown)
  }
  return isTagged ? revive(value, blankErrors(json)) : value
}

const bad = (why: string, cause?: unknown): DataCloneError =>
  new DataCloneError(`This is not an encoded value: ${why}`, cause === undefined ? undefined : { cause })

/** Before anything recurses into it: parsers have stacks, too. */
function isTooDeep(json: string): boolean {
  if (!hasManyOpen(json)) return false
  let depth = 0
  for (let at = 0; at < json.length; at++) {
    const code = charCodeAt(json, at)
    if (code === QUOTE) {
      at = endOfString(json, at)
      if (at === -1) return false
    } else if (code === 91 || code === 123) {
      if (++depth > DEEPEST_TEXT) return true
    } else if (code === 93 || code === 125) depth--
  }
  return false
}

/** Most texts are known to be shallow by this alone, at the speed of the engine's own search. */
function hasManyOpen(json: string): boolean {
  let count = 0
  for (let at = indexOf(json, '['); at !== -1; at = indexOf(json, '[', at + 1)) {
    if (++count > MAX_DEPTH) return true
  }
  for (let at = indexOf(json, '{'); at !== -1; at = indexOf(json, '{', at + 1)) {
    if (++count > MAX_DEPTH) return true
  }
  return false
}

function endOfString(json: string, start: number): number {
  for (let at = indexOf(json, '"', start + 1); at !== -1; at = indexOf(json, '"', at + 1)) {
    let slashes = 0
    while (charCodeAt(json, at - 1 - slashes) === BACKSLASH) slashes++
    if (slashes % 2 === 0) return at
  }
  return -1
}

/** Errors to be filled in. */
interface Blanks {
  first: { readonly error: Error; readonly next: Blanks['first'] } | undefined
}

/**
 * As many as the text has, made while the stack is shallow: an engine that notes all of it in each error (QuickJS) would
 * else take seconds for a small text of a hostile cell. In a string the quotes would be escaped.
 */
function blankErrors(json: string): Blanks {
  const blanks: Blanks = { first: undefined }
  for (let at = indexOf(json, ERROR_TAG); at !== -1; at = indexOf(json, ERROR_TAG, at + 1)) {
    blanks.first = { error: blankError(), next: blanks.first }
  }
  return blanks
}
const ERROR_TAG = '["error"'

/** One frame of the stack for each level: QuickJS has room for few. */
function revive(node: unknown, blanks: Blanks): unknown {
  if (typeof node !== 'object' || node === null) return node
  if (isArray(node)) {
    for (let index = 1; index < node.length; index++) {
      const item = node[index]
      if (typeof item === 'object' && item !== null) node[index] = revive(item, blanks)
    }
    return build(node, blanks)
  }
  for (const key in node) {
    if (!hasOwn(node, key)) continue
    const value = (node as Record<string, unknown>)[key]
    // An own property, even if it is called __proto__: assigning changes its value and nothing else.
    if (typeof value === 'object' && value !== null)
      (node as Record<string, unknown>)[key] = revive(value, blanks)
  }
  return node
}

/** What a list stands for whose items stand for themselves already. */
function build(list: unknown[], blanks: Blanks): unknown {
  const { length } = list
  const text = length > 1 && typeof list[1] === 'string' ? list[1] : undefined
  switch (list[0]) {
    case '':
      for (let index = 1; index < length; index++) list[index - 1] = list[index]
      list.length = length - 1
      return list
    case 'undefined':
      if (length === 1) return undefined
      break
    case 'number':
      if (text === '-0') return -0
      if (text === 'NaN') return NaN
      if (text === 'Infinity') return Infinity
      if (text === '-Infinity') return -Infinity
      break
    case 'bigint':
      if (text !== undefined && matches(BIGINT, text)) return BigIntOf(text)
      break
    case 'date':
      if (length === 2 && (typeof list[1] === 'number' || list[1] === null)) return new DateOf(list[1] ?? NaN)
      break
    case 'map': {
      if (length % 2 === 0) break
      const map = new MapOf<unknown, unknown>()
      for (let index = 1; index < length; index += 2) mapSet(map, list[index], list[index + 1])
      return map
    }
    case 'set': {
      const set = new SetOf<unknown>()
      for (let index = 1; index < length; index++) setAdd(set, list[index])
      return set
    }
    case 'sparse':
      return buildSparse(list)
    case 'bytes':
    case 'buffer':
    case 'view':
      return buildBytes(list)
    case 'regexp':
      if (text !== undefined && typeof list[2] === 'string') {
        return attempt(() => new RegExpOf(text, list[2] as string))
      }
      break
    case 'error':
      return buildError(list, blanks)
  }
  throw bad('a part of it has no known form')
}

function buildSparse(list: readonly unknown[]): unknown[] {
  const size = list[1]
  if (!isInteger(size) || size < 0 || size > LONGEST_ARRAY || list.length % 2 !== 0) {
    throw bad('it has an array of no possible length')
  }
  const array: unknown[] = []
  array.length = size
  for (let at = 2; at < list.length; at += 2) {
    const index = list[at]
    if (!isInteger(index) || index < 0 || index >= size) throw bad('it has an item outside its array')
    const value = list[at + 1]
    defineProperty(array, index, { value, writable: true, enumerable: true, configurable: true })
  }
  return array
}

function buildBytes(list: readonly unknown[]): unknown {
  const isView = list[0] === 'view'
  const text = list[isView ? 2 : 1]
  const bytes = typeof text === 'string' ? fromBase64(text) : undefined
  if (bytes === undefined) throw bad('it has bytes that are not base64')
  if (list[0] === 'bytes') return bytes
  if (!isView) return bufferOf(bytes)
  const name = list[1]
  const view = typeof name === 'string' ? attempt(() => makeView(name, bytes)) : undefined
  if (view === undefined) throw bad('it has a view that this engine does not know')
  return view
}

/** `["error", name, message, "code", …, "cause", …, "errors", …]`, of the pairs only what there is. */
function buildError(list: readonly unknown[], blanks: Blanks): Error {
  const name = list[1]
  const message = list[2]
  let code: ErrorParts['code']
  let cause: ErrorParts['cause']
  let errors: ErrorParts['errors']
  if (typeof name !== 'string' || typeof message !== 'string') throw bad('it has an error without a name')
  for (let index = 3; index < list.length; index += 2) {
    const key = list[index]
    const value = list[index + 1]
    if (key === 'code' && (typeof value === 'string' || typeof value === 'number')) code = value
    else if (key === 'cause') cause = { value }
    else if (key === 'errors' && isArray(value)) errors = value
    else throw bad('it has an error with parts that errors do not have')
  }
  const blank = blanks.first
  if (blank === undefined) throw bad('it has an error where none was seen')
  blanks.first = blank.next
  return makeError({ name, message, code, cause, errors }, blank.error)
}

/** What the engine refuses, such as a pattern that is none. */
function attempt<Result>(make: () => Result): Result {
  try {
    return make()
  } catch (thrown) {
    throw bad('the engine refuses a part of it', thrown)
  }
}
