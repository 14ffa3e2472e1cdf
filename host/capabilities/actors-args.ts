/**
 * Reads the arguments of a guest's calls about actors, as JSON that may be anything. What is wrong is VELA_CAPABILITY_BAD_CALL.
 * Threat: a key that is put twice, or put and deleted, would be counted twice and let the tenant store more than it may;
 * what leaves here has each key once.
 */
import { VelaError } from '../core/errors.ts'
import type { Entry, ListRange, StateChange } from '../concurrency/actors/types.ts'
import {
  fitsIn,
  MAX_KEY_BYTES,
  MAX_KEYS_AT_ONCE,
  MAX_LIST_LIMIT,
  MAX_VALUE_BYTES,
} from '../concurrency/actors/types.ts'
import type { JsonValue } from '../registry/types.ts'
import { readWhole } from './call-body.ts'
import type { CapabilityCall } from './capability.ts'

type Hostile = JsonValue | undefined

/** As docs/protocol.md has it; what it does not know it leaves out. */
export interface MessageOptions {
  readonly priority?: number
  readonly deadlineMs?: number
}

const METHOD = /^[A-Za-z_$][A-Za-z0-9_$]{0,127}$/
const MAX_PRIORITY = 10
const MAX_TEXT = 1024 * 1024
/** Of a change that comes as a body. */
const MAX_CHANGE_BYTES = 16 * 1024 * 1024
const MAX_TIME_MS = 8.64e15

export function refuse(message: string): never {
  throw new VelaError('VELA_CAPABILITY_BAD_CALL', message)
}

export function readMethod(value: Hostile): string {
  return typeof value === 'string' && METHOD.test(value)
    ? value
    : refuse('A method is named by an identifier.')
}

/** A text that the host only carries. */
export function readText(what: string, value: Hostile): string {
  return typeof value === 'string' && value.length <= MAX_TEXT ? value : refuse(`${what} is a text.`)
}

export function readMessageOptions(value: Hostile): MessageOptions {
  if (value === undefined || value === null) return {}
  const { priority, deadlineMs } = readObject('Options', value)
  return {
    ...(priority === undefined || priority === null ? {} : { priority: readPriority(priority) }),
    ...(deadlineMs === undefined || deadlineMs === null ? {} : { deadlineMs: readTime(deadlineMs) }),
  }
}

export function readEpoch(value: Hostile): number {
  return typeof value === 'number' && Number.isSafeInteger(value)
    ? value
    : refuse('An epoch is a whole number.')
}

export function readKeys(value: Hostile): string[] {
  if (Array.isArray(value) && value.length <= MAX_KEYS_AT_ONCE) return value.map(readKey)
  return refuse(`Keys are an array of at most ${MAX_KEYS_AT_ONCE} strings.`)
}

export function readRange(value: Hostile): ListRange {
  const { start, end, prefix, limit, reverse } = readObject('A range', value ?? {})
  return {
    start: start === undefined || start === null ? null : readPart('start', start),
    end: end === undefined || end === null ? null : readPart('end', end),
    prefix: prefix === undefined || prefix === null ? '' : readPart('prefix', prefix),
    limit: limit === undefined || limit === null ? MAX_LIST_LIMIT : readLimit(limit),
    reverse: reverse === true,
  }
}

/** The third argument, or the body of the call if that is null: JSON that is too long for an argument. */
export async function readChangeBody(body: CapabilityCall['body']): Promise<StateChange> {
  if (body === undefined) return refuse('A change is an object.')
  const bytes = await readWhole(body, MAX_CHANGE_BYTES, () =>
    refuse(`One change has at most ${MAX_CHANGE_BYTES} bytes; write in several.`),
  )
  let change: JsonValue
  try {
    change = JSON.parse(bytes.toString('utf8')) as JsonValue
  } catch {
    return refuse('A change is JSON.')
  }
  return readChange(change)
}

export function readChange(value: Hostile): StateChange {
  const { version, puts, deletes, deleteAll, alarmMs } = readObject('A change', value)
  const entries = new Map(readList('puts', puts).map(readEntry))
  const gone = new Set(readList('deletes', deletes).map(readKey))
  for (const key of entries.keys()) gone.delete(key)
  return {
    version: version === undefined || version === null ? null : readVersion(version),
    puts: [...entries],
    deletes: [...gone],
    deleteAll: deleteAll === true,
    alarmMs: alarmMs === undefined || alarmMs === null ? alarmMs : readTime(alarmMs),
  }
}

/** Whole numbers that SQLite keeps as they are. */
function readVersion(value: Hostile): number {
  return typeof value === 'number' && Number.isSafeInteger(value)
    ? value
    : refuse('A version is a whole number.')
}

function readEntry(value: JsonValue): Entry {
  if (!Array.isArray(value)) return refuse('An entry is a key and a value.')
  const [key, text] = value as readonly JsonValue[]
  if (typeof text === 'string' && fitsIn(text, MAX_VALUE_BYTES) && !text.includes('\u0000'))
    return [readKey(key), text]
  return refuse(`A value has at most ${MAX_VALUE_BYTES} bytes as text.`)
}

function readKey(value: Hostile): string {
  if (typeof value === 'string' && value !== '' && fitsIn(value, MAX_KEY_BYTES)) return value
  return refuse(`A key is a string of 1 to ${MAX_KEY_BYTES} bytes in UTF-8, without lone surrogates.`)
}

function readPart(what: string, value: Hostile): string {
  if (typeof value === 'string' && fitsIn(value, MAX_KEY_BYTES)) return value
  return refuse(`${what} is a string of at most ${MAX_KEY_BYTES} bytes in UTF-8, without lone surrogates.`)
}

function readLimit(value: Hostile): number {
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 1)
    return Math.min(value, MAX_LIST_LIMIT)
  return refuse('A limit is a whole number from 1 on.')
}

function readPriority(value: Hostile): number {
  if (typeof value === 'number' && Number.isSafeInteger(value) && Math.abs(value) <= MAX_PRIORITY)
    return value
  return refuse(`A priority is a whole number from -${MAX_PRIORITY} to ${MAX_PRIORITY}.`)
}

function readTime(value: Hostile): number {
  if (typeof value === 'number' && value >= 0 && value <= MAX_TIME_MS) return Math.floor(value)
  return refuse('A time is in milliseconds since the epoch.')
}

function readList(what: string, value: Hostile): readonly JsonValue[] {
  if (value === undefined || value === null) return []
  return Array.isArray(value) ? value : refuse(`${what} is an array.`)
}

function readObject(what: string, value: Hostile): Readonly<Record<string, Hostile>> {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value
  return refuse(`${what} is an object.`)
}
