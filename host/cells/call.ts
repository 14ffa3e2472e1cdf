/**
 * A call: what somebody in the host wants of a guest, and the place its results go to. The gateway makes calls
 * from HTTP requests, `runtime.invoke` from arguments; a replica carries them out.
 *
 * Order of the callbacks: `head` then any number of `data` then `end`; or `value`; or `threw`; or `failed`, which
 * may also come after `head`. Exactly one of `end`, `value`, `threw`, `failed` is the last; a `head` whose kind is
 * not BODY.stream is its own end.
 */
import type { ErrorCode } from '../core/errors.ts'
import type { SocketRelay } from './relay.ts'

export interface GuestError {
  readonly name: string
  readonly message: string
  /** Positions in the bundle; the log maps them to the author's files. */
  readonly stack?: string
  readonly code?: string
}

export interface Call {
  readonly requestId: string
  /** The invoke message for this id; its body is `body`. */
  encode(id: number): string
  /** Characters below 256, a byte each. */
  readonly body: string
  /** True when nobody waits any more; a queue passes over it. */
  readonly canceled: boolean
  /** When it entered the queue (monotonic milliseconds); the wall limit counts from here. */
  readonly startedMs: number
  /** How many services deep in a chain of calls it is; a client's is 0. */
  readonly depth: number
  /** How many calls' worth of work it is for the guest (events of a batch); 1 if left out. */
  readonly weight?: number
  /** Calls of one key prefer one replica of the service; it is a wish. */
  readonly affinity?: string | undefined
  /** How often a replica has taken it. A call whose first entry was killed is tried once more, by itself. */
  attempts: number

  /** A replica took the call; from now on `link` reaches its turn. */
  attach(link: TurnLink): void
  /** `ascii` promises that the body is; without it nothing is known. */
  head(status: number, headers: readonly string[], kind: number, body: string, ascii: boolean): void
  /** Characters as `kind` says, or bytes. The buffer is a view: copy it or write it out before returning. */
  data(part: string | Buffer, kind: number): void
  end(broken: boolean): void
  value(json: string | undefined): void
  threw(error: GuestError): void
  failed(code: ErrorCode, detail: string): void
  /** The guest wants so many more bytes of the request body; 0: none any more. */
  wants(bytes: number): void
  /** The client's side of a WebSocket; a call without it cannot be answered with status 101. */
  readonly socket?: SocketSink | undefined
  /** What lasts (TurnLink.endure) is asked to end, for the service goes; a WebSocket with this code and reason. */
  shut?(code: number, reason: string): void
  /** The guest answers with a WebSocket that another guest holds; instead of `head`. A call without it cannot be answered so. */
  join?(relay: SocketRelay): void
}

/** What a guest says to the client of its WebSocket. */
export interface SocketSink {
  /** A message; of kind BODY.stream its `size` bytes follow by `data`. */
  message(kind: number, body: string, size: number): void
  /** The guest closes; code 0: none. */
  close(code: number, reason: string): void
}

/** What a call may ask of its turn while it is in flight. Each is without effect once the turn is over. */
export interface TurnLink {
  /** Part of the request body, a byte string; `last` as in TO_GUEST.data. */
  sendBody(part: string, last: number): void
  /** Leave to send so many more bytes of the response body. */
  grant(bytes: number): void
  cancel(code: string): void
  /** What is sent now may last: wallMs no longer counts. False: as many last as may (limits.sockets). */
  endure(): boolean
  /** The same for a WebSocket. `onRoom`: `receive` said false, and more may come again. */
  openSocket(onRoom: () => void): SocketLink | undefined
}

/** What a client says to the guest behind its WebSocket. Bytes are byte strings, of UTF-8 if they are text. */
export interface SocketLink {
  /** False: nothing more, please, until there is room. */
  receive(isText: boolean, bytes: string): boolean
  /** The guest has taken so much of what it was given. */
  taken(amount: number): void
  /** It is over; `how` as in CLOSE. */
  closed(code: number, how: number, reason: string): void
}
