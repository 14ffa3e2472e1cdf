/**
 * Names and bounds that the host's half of actors shares. Invariant of an address: tenant and service are names of the
 * registry and a class is an identifier, so none of them has a slash; the name is any text and stands last. One
 * string can therefore be the key of an actor, and no two actors of any tenants share it.
 */
import { VelaError } from '../../core/errors.ts'

/** Which actor, over all tenants. */
export interface ActorAddress {
  readonly tenant: string
  /** The service that declares the class. */
  readonly service: string
  readonly class: string
  readonly name: string
}

/** How an actor's state is handed to whoever activates it. Values are texts of guest-sdk/async/codec.ts. */
export interface Activation {
  readonly epoch: number
  /** Of the class that wrote the state; null: there is none. */
  readonly version: number | null
  readonly entries: readonly Entry[]
  /** False: there are entries that are not among these; they are read one by one. */
  readonly complete: boolean
  /** When its alarm is due (epoch milliseconds). */
  readonly alarmMs: number | null
}

export type Entry = readonly [key: string, value: string]

/** One atomic change of an actor's state. Keys in it are distinct, and a key is put or deleted, never both. */
export interface StateChange {
  /** Of the class that writes. */
  readonly version: number | null
  readonly puts: readonly Entry[]
  readonly deletes: readonly string[]
  /** Comes first: all entries that were there go. */
  readonly deleteAll: boolean
  /** undefined leaves it, null deletes it. */
  readonly alarmMs: number | null | undefined
}

export interface ListRange {
  /** The first key that may be in it. */
  readonly start: string | null
  /** The first key that may not. */
  readonly end: string | null
  readonly prefix: string
  readonly limit: number
  readonly reverse: boolean
}

export interface Listed {
  readonly entries: readonly Entry[]
  /** More was asked for and is there than an answer may hold. */
  readonly more: boolean
}

export type { DeadLetter } from '../../core/control.ts'

export const MEBIBYTE: number = 1024 * 1024
export const DEFAULT_QUOTA_BYTES: number = 64 * MEBIBYTE
export const MAX_NAME_BYTES = 512
/** In UTF-8. */
export const MAX_KEY_BYTES = 512
/** As text, in UTF-8. */
export const MAX_VALUE_BYTES: number = 128 * 1024
export const MAX_KEYS_AT_ONCE = 128
export const MAX_LIST_LIMIT = 1000
/** State up to this comes with an activation. */
export const WHOLE_STATE_BYTES: number = 64 * 1024
/** What one read or one page of a list may bring. */
export const MAX_ANSWER_BYTES: number = 4 * MEBIBYTE
/** Counted against the quota for each entry and each actor, since small ones take room too. */
export const ENTRY_OVERHEAD_BYTES = 64
export const ACTOR_OVERHEAD_BYTES = 128
/** Of one service; older ones make room. */
export const MAX_DEAD_LETTERS = 1000
export const MAX_DEAD_ARGS_CHARACTERS = 4096
/** Messages that wait in the host for one actor that is on its way; what stands in a mailbox is the guest's to bound. */
export const MAX_WAITING = 1000
/** How long a message without a deadline of its own waits. */
export const DEFAULT_DEADLINE_MS = 10_000

const CLASS_NAME = /^[A-Za-z_$][A-Za-z0-9_$]{0,127}$/

export const isClassName = (text: string): boolean => CLASS_NAME.test(text) && text !== '__proto__'

/** Any text that UTF-8 can carry: `..`, `/` and NUL mean nothing in it. */
export function checkActorName(value: unknown): string {
  if (typeof value === 'string' && value !== '' && fitsIn(value, MAX_NAME_BYTES)) return value
  throw new VelaError(
    'VELA_CAPABILITY_BAD_CALL',
    `An actor's name is a string of 1 to ${MAX_NAME_BYTES} bytes in UTF-8, without lone surrogates.`,
  )
}

export function fitsIn(text: string, bytes: number): boolean {
  if (text.length > bytes || !text.isWellFormed()) return false
  // No unit of UTF-16 takes more than three bytes.
  return text.length * 3 <= bytes || Buffer.byteLength(text) <= bytes
}

export const keyOf = ({ tenant, service, class: className, name }: ActorAddress): string =>
  `${tenant}/${service}/${className}/${name}`
