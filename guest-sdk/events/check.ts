/**
 * What stands beside the data of an event, as it is allowed to be. Narrow enough that it fits into CloudEvents, NATS headers and log
 * lines without any escaping rule of theirs being needed for safety.
 */
import { utf8Length } from '../async/intrinsics.ts'
import {
  EventError,
  MAX_EVENT_BYTES,
  MAX_HEADER_CHARACTERS,
  MAX_HEADER_NAME_CHARACTERS,
  MAX_HEADERS,
  MAX_ID_CHARACTERS,
  MAX_KEY_CHARACTERS,
  MAX_SOURCE_CHARACTERS,
  type EventHeaders,
} from './event.ts'

export const NO_HEADERS: EventHeaders = Object.freeze({})

const ID = new RegExp(`^[\\x21-\\x7e]{1,${MAX_ID_CHARACTERS}}$`)
const HEADER = new RegExp(`^[a-z0-9]{1,${MAX_HEADER_NAME_CHARACTERS}}$`)
/** Attributes that CloudEvents or Vela give a meaning. */
const RESERVED: ReadonlySet<string> = new Set([
  'data',
  'datacontenttype',
  'id',
  'partitionkey',
  'source',
  'specversion',
  'subject',
  'time',
  'type',
  'veladepth',
])

/** Each throws EventError, VELA_EVENT_INVALID, that names what is wrong. */
export function checkId(id: unknown): string {
  if (typeof id === 'string' && ID.test(id)) return id
  throw invalid(`The id of an event has 1 to ${MAX_ID_CHARACTERS} printable ASCII characters, and no blanks`)
}

export function checkKey(key: unknown): string | null {
  if (key === null || isText(key, MAX_KEY_CHARACTERS)) return key
  throw invalid(`The key of an event has 1 to ${MAX_KEY_CHARACTERS} characters, and no control characters`)
}

export function checkSource(source: unknown): string {
  if (isText(source, MAX_SOURCE_CHARACTERS)) return source
  throw invalid(`The source of an event has 1 to ${MAX_SOURCE_CHARACTERS} characters`)
}

/** A copy of its own, frozen. */
export function checkHeaders(headers: unknown): EventHeaders {
  if (typeof headers !== 'object' || headers === null || Array.isArray(headers))
    throw invalid('The headers of an event are an object of strings')
  const names = Object.keys(headers)
  if (names.length === 0) return NO_HEADERS
  if (names.length > MAX_HEADERS)
    throw invalid(`An event has ${names.length} headers; ${MAX_HEADERS} are allowed`)
  const checked: Record<string, string> = {}
  for (const name of names) {
    const value = (headers as Record<string, unknown>)[name]
    if (!HEADER.test(name) || RESERVED.has(name))
      throw invalid(
        `${JSON.stringify(name.slice(0, 60))} is no name for a header of an event: it has 1 to ${MAX_HEADER_NAME_CHARACTERS} ` +
          'characters of a–z and 0–9, and is no attribute of CloudEvents',
      )
    if (value !== '' && !isText(value, MAX_HEADER_CHARACTERS))
      throw invalid(
        `The header ${name} of an event is no string of at most ${MAX_HEADER_CHARACTERS} characters without control characters`,
      )
    checked[name] = value
  }
  return Object.freeze(checked)
}

/** Of the encoded data. Throws EventError, VELA_EVENT_TOO_LARGE. */
export function checkSize(text: string): string {
  // No character has more than three bytes.
  if (text.length * 3 > MAX_EVENT_BYTES) {
    const bytes = utf8Length(text)
    if (bytes > MAX_EVENT_BYTES)
      throw new EventError(
        'VELA_EVENT_TOO_LARGE',
        `The data of the event has ${bytes} bytes; ${MAX_EVENT_BYTES} are allowed. Store it, and publish where it is`,
      )
  }
  return text
}

export const invalid = (message: string): EventError => new EventError('VELA_EVENT_INVALID', message)

function isText(value: unknown, most: number): value is string {
  return (
    typeof value === 'string' &&
    value.length > 0 &&
    value.length <= most &&
    value.isWellFormed() &&
    !hasControls(value)
  )
}

/** C0, DEL and C1: what could be another line, or an order to a terminal. */
function hasControls(text: string): boolean {
  for (let index = 0; index < text.length; index++) {
    const code = text.charCodeAt(index)
    if (code < 0x20 || (code >= 0x7f && code <= 0x9f)) return true
  }
  return false
}
