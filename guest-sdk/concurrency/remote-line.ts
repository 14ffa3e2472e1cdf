/**
 * What the two ends of a channel that spans isolates say to the hub (host/concurrency/channels), one call at a time for each end. The same
 * code speaks for guests, whose line is a capability, and for the host itself.
 *
 * Between entries an end holds nothing: leave to send that was not used and messages that nobody took go back with the end of the
 * entry that got them. So an isolate at rest holds up nobody, and one that is lost has lost nothing it was not working on.
 */

/** How a channel stands for the end that asked. */
export const CHANNEL_STATE = {
  open: 0,
  /** It is closed, and the end has now been told: what it does next is about a new channel. */
  closed: 1,
  /** The isolate that was the other side has been lost. */
  lost: 2,
} as const

export interface PutAnswer {
  /** How many of the values that were sent stand in the channel now: the first ones. */
  readonly accepted: number
  /** Leave to send so many more, of so many characters together. */
  readonly credit: number
  readonly room: number
  readonly state: number
  /** What it was closed with, as encoded value; '' for nothing. */
  readonly reason: string
}

export interface PutRequest {
  /** Encoded values, joined by newlines. */
  readonly body: string
  /** Leave to send so many more is wanted. */
  readonly want: number
  /** The answer may wait until there is room for at least one. */
  readonly waits: boolean
  /** Characters of a value that is too long to be sent without leave; 0: none. */
  readonly need: number
}

export interface TakeAnswer {
  /** Encoded values, joined by newlines; undefined: none. */
  readonly body: string | undefined
  readonly state: number
  readonly reason: string
}

export interface SendLine {
  put(request: PutRequest): Promise<PutAnswer>
  /** The put that is out is answered now, and leave to send that it gave or gives is taken back. */
  rest(): void
  /** Runs the callback when what runs now, and all that follows from it, is done. */
  atEnd(callback: () => void): void
}

export interface TakeLine {
  /**
   * Of the values that the last answer brought, the first `consumed` were taken; the others go back. Answered when there
   * is a value, with at most `want`. A `want` of 0 takes nothing and ends a take that is out. `isEngaged`: somebody is in
   * the middle of receiving, and is to hear of a close although nobody asks just now.
   */
  take(consumed: number, want: number, isEngaged: boolean): Promise<TakeAnswer>
  atEnd(callback: () => void): void
}

/** Characters of values that one call carries, unless a single value has more. */
export const CALL_CHARACTERS = 61_440
/** Largest value (bytes of its encoded form). */
export const MESSAGE_BYTES = 1_048_576
/** Most values that an end asks for at once. */
export const WINDOW = 4_096

/** The call was not carried out at all, for the isolate has too many in flight: what it said is still to be said. */
export const isRefused = (thrown: unknown): boolean => hasCode(thrown, 'VELA_CAPABILITY_OVERLOADED')

/** The call failed only because it waited for long: whoever still waits asks again. */
export const isStale = (thrown: unknown): boolean => hasCode(thrown, 'VELA_TURN_EXCEEDED_WALL')

const hasCode = (thrown: unknown, code: string): boolean =>
  typeof thrown === 'object' && thrown !== null && (thrown as { code?: unknown }).code === code
