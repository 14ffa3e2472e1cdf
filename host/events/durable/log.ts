/**
 * What keeps durable events: the face of both logs, the embedded one (SQLite, `embedded/`) and JetStream (`../nats/`). The engine above
 * it (`engine.ts`) is the same for both and does all the rest: order by key, retries, dead letters.
 * Invariants: what resolved is stored; sequences of a tenant only grow and are given once; a cursor has one holder, and whoever held it
 * before is refused.
 */
import type { BusEvent } from '../types.ts'

export interface StoredEvent {
  /** Of the tenant's log, from 1. There may be gaps. */
  readonly sequence: number
  readonly event: BusEvent
}

export interface Appended {
  readonly sequence: number
  /** An event with this id was stored within the window: nothing was stored now, and `sequence` is the one of then. */
  readonly duplicate: boolean
}

export interface ReadPage {
  /** Ascending. */
  readonly events: readonly StoredEvent[]
  /** How far the scan got, at least `after`: every event up to here that matches was in a page. */
  readonly last: number
  /** Nothing more was there when it was read: to be read again when the log wakes. */
  readonly atEnd: boolean
}

/** Where a consumer stands. */
export interface CursorState {
  /** All events that match up to here are handled, but those in `open`. */
  readonly position: number
  readonly open: readonly OpenEvent[]
}

export interface OpenEvent {
  readonly sequence: number
  /** Attempts that have ended. */
  readonly attempts: number
  /** Not to be tried before (epoch milliseconds). 0: at once. */
  readonly dueMs: number
}

export interface Cursor {
  readonly state: CursorState
  /** Resolves when it is stored. Rejects VELA_EVENTS_FENCED once another has opened the cursor, or it was dropped. */
  save(state: CursorState): Promise<void>
  /**
   * `callback` is called when the log finds that it is not the one any more that `state` is of: it has lost its end, or is another one.
   * Whoever holds the cursor has to open it again, for sequences that it has passed are given once more. Not there: that cannot happen.
   */
  onLost?(callback: () => void): void
}

export interface ConsumerCursor {
  readonly consumer: string
  readonly state: CursorState
}

/** An event that a consumer gave up. Known by its consumer and sequence. */
export interface DeadEvent extends StoredEvent {
  readonly consumer: string
  readonly attempts: number
  /** Name and message of the last error, ≤ 1,024 characters. */
  readonly reason: string
  /** When it was given up (epoch milliseconds). */
  readonly atMs: number
  /** Its consumer was asked to try it again, and has not handled it yet. */
  readonly replaying: boolean
}

export interface LogUsage {
  readonly events: number
  readonly bytes: number
  /** What `bytes` may grow to. */
  readonly quotaBytes: number
  /** The first sequence that is still there, or the next to be given if there is none. */
  readonly first: number
  /** The last that was given; 0: none. */
  readonly last: number
}

/** Of a consumer, that are begun and not finished. A cursor lists no more than these. */
export const MAX_UNFINISHED = 1_000
/** Beyond these the oldest letter of a consumer goes. */
export const MAX_DEAD_EVENTS = 1_000
/** Of dead letters in one answer. */
export const MAX_LISTED_CHARACTERS: number = 8 * 1024 * 1024
/** An event whose id was published within this is a duplicate. */
export const DEDUPE_WINDOW_MS = 120_000
/** Events older than this are removed, handled or not. */
export const RETENTION_MS: number = 7 * 24 * 3_600_000

/** Errors of every method: VELA_STORE_* (embedded), VELA_EVENTS_UNAVAILABLE (NATS is lost; retryable). */
export interface DurableLog {
  /**
   * Stored before it resolves; calls for one tenant take effect in their order. `dedupe` false: the id was made by Vela just now and
   * cannot be a duplicate. Rejects VELA_EVENTS_FULL beyond the tenant's quota.
   */
  append(event: BusEvent, dedupe: boolean): Promise<Appended>
  /**
   * Events of the tenant that match, with a sequence above `after`: at most `limit`, and until their texts reach `bytes` (but at least
   * one). A page may be empty before the end.
   */
  read(tenant: string, pattern: string, after: number, limit: number, bytes: number): Promise<ReadPage>
  /** Those of these sequences that are still there, ascending. At most 1,000, until their texts reach `bytes` (but at least one). */
  readAt(tenant: string, sequences: readonly number[], bytes: number): Promise<readonly StoredEvent[]>
  /** Calls `wake` when something may have been appended for the tenant (by any host), or the log was away. Call the answer to stop. */
  onAppended(tenant: string, wake: () => void): () => void
  /**
   * Takes a consumer's cursor over: saves of an earlier holder are refused from now on. One that is not there is made and stored, at
   * the log's end (`new`) or start (`all`).
   */
  openCursor(tenant: string, consumer: string, from: 'new' | 'all'): Promise<Cursor>
  /** All that are stored, also of consumers that do not run. */
  cursors(tenant: string): Promise<readonly ConsumerCursor[]>
  /** The consumer is no more: its cursor and its dead letters go. */
  dropCursor(tenant: string, consumer: string): Promise<void>
  /** Stored before it resolves; the same sequence again replaces it. */
  addDead(tenant: string, letter: DeadEvent): Promise<void>
  /** The latest first, until their texts reach 8 MiB; of all consumers if `consumer` is null. */
  listDead(tenant: string, consumer: string | null, limit: number): Promise<readonly DeadEvent[]>
  /** How many each consumer has; those without are left out. */
  countDead(tenant: string): Promise<ReadonlyMap<string, number>>
  /** Marks letters as `replaying` (null: all of the consumer), and says how many there were. */
  markReplay(tenant: string, consumer: string, sequences: readonly number[] | null): Promise<number>
  /** Letters that are marked, ascending. */
  listReplay(tenant: string, consumer: string, limit: number): Promise<readonly DeadEvent[]>
  /** null: all of the consumer. Says how many there were. */
  dropDead(tenant: string, consumer: string, sequences: readonly number[] | null): Promise<number>
  usage(tenant: string): Promise<LogUsage>
  /** Removes events with a sequence below; none that are not there. */
  trim(tenant: string, below: number): Promise<void>
  /** Tenants that have, or had, something stored. */
  tenants(): Promise<readonly string[]>
  deleteTenant(tenant: string): Promise<void>
  /** Finishes what waits; calls made afterwards fail. */
  close(): Promise<void>
}
