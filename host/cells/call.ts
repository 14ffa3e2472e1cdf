/**
 * A call: what somebody in the host wants of a guest, and the place its results go to. The gateway makes calls
 * from HTTP requests, `runtime.invoke` from arguments; a replica carries them out.
 *
 * Order of the callbacks: `head` then any number of `data` then `end`; or `value`; or `threw`; or `failed`, which
 * may also come after `head`. Exactly one of `end`, `value`, `threw`, `failed` is the last; a `head` whose kind is
 * not BODY.stream is its own end.
 */
import type { ErrorCode } from '../core/errors.ts'

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
  /** How often a replica has taken it. A call whose first entry was killed is tried once more, by itself. */
  attempts: number

  /** The replica took the call; from now on `link` reaches its turn. */
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
}

/** What a call may ask of its turn while it is in flight. Each is without effect once the turn is over. */
export interface TurnLink {
  /** Part of the request body, a byte string; `last` as in TO_GUEST.data. */
  sendBody(part: string, last: number): void
  /** Leave to send so many more bytes of the response body. */
  grant(bytes: number): void
  cancel(code: string): void
}
