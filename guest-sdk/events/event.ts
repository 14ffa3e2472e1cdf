/**
 * What an event is, equally in hosts and guests: a fact with a name, and data that the value codec can carry. An event is never
 * changed: `with` gives another one. Threat: what comes from outside may hold anything, so every field has a check and a bound.
 */

/** At most once, in memory and bounded; or at least once, stored before it is acknowledged. They are two separate spaces. */
export type EventKind = 'ephemeral' | 'durable'

export interface EventFields {
  /** Unique within its tenant; 1 to 128 printable ASCII characters. */
  readonly id: string
  readonly subject: string
  /** `tenant/service`, `host`, or the absolute URI of somebody outside. */
  readonly source: string
  /** When it was published (epoch milliseconds). */
  readonly timeMs: number
  /** Durable events of one key are handled in order. At most 256 characters. */
  readonly key: string | null
  /** CloudEvents' extensions: at most 16, names of 1 to 20 characters of a–z and 0–9, values of at most 256 characters. */
  readonly headers: EventHeaders
}

export type EventHeaders = Readonly<Record<string, string>>

/** What a middleware or a handler may make different. */
export interface EventChanges {
  readonly data?: unknown
  readonly key?: string | null
  readonly headers?: EventHeaders
}

export interface EventLike<Data = unknown> extends EventFields {
  /** Belongs to everybody who has the event: not to be changed. */
  readonly data: Data
  /** The same event with these parts in the place of its own; headers are replaced as a whole. */
  with(changes: EventChanges): this
}

export const MAX_EVENT_BYTES: number = 256 * 1024
export const MAX_ID_CHARACTERS = 128
export const MAX_KEY_CHARACTERS = 256
export const MAX_HEADERS = 16
export const MAX_HEADER_NAME_CHARACTERS = 20
export const MAX_HEADER_CHARACTERS = 256
export const MAX_SOURCE_CHARACTERS = 256

export type EventCode = 'VELA_EVENT_BAD_SUBJECT' | 'VELA_EVENT_TOO_LARGE' | 'VELA_EVENT_INVALID'

/** An event, a subject or a pattern is not what it must be. The host makes its own error of the same code of it. */
export class EventError extends Error {
  override readonly name = 'EventError'
  readonly code: EventCode
  constructor(code: EventCode, message: string) {
    super(message)
    this.code = code
  }
}
