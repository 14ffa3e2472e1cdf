/**
 * Frames: what crosses the link between host and cell. docs/protocol.md is their page; change both together.
 *
 * A frame is a 16-byte little-endian header and a payload:
 *   0 u32 payload length · 4 u8 kind · 5 u8 flags · 6 u16 guest · 8 u32 a · 12 u32 b
 * `guest` is the number the host gave to a guest of this cell. `a` and `b` mean what the kind says.
 */
export const HEADER_BYTES = 16
/** Larger frames are a protocol violation: the reader refuses before it allocates. */
export const MAX_PAYLOAD_BYTES: number = 64 * 1024 * 1024
export const MAX_GUEST = 0xffff
export const PROTOCOL_VERSION = 1

/** Host to cell. */
export const TO_CELL = {
  /** Opens a batch. a = sequence number, b = bytes of frames that follow. Payload: f64 now (epoch ms), 16 bytes seed. */
  batch: 1,
  /** Loads a guest. a = bytes of config JSON, b = bytes of source; the rest of the payload is V8's code cache, if any. */
  load: 2,
  /** Enters a guest with messages. a = CPU budget in ms for the engine's timer, 0 = not armed. Payload: latin1 text. */
  enter: 3,
  /** Drops a guest and its isolate. */
  drop: 4,
  /** Prepares a spare isolate while there is time. */
  warm: 5,
  /** Compiles without running, for the code cache. a = one of COMPILE_KINDS. Only sent to a cell that never ran a guest. Payload: source. */
  compile: 6,
} as const

/** `a` of COMPILE: a service's code cache for V8, V8's kernel snapshot, QuickJS's kernel image. */
export const COMPILE_KINDS = { service: 0, kernel: 1, quickjs: 2 } as const
export type CompileKind = keyof typeof COMPILE_KINDS

/** Cell to host. */
export const FROM_CELL = {
  /** The cell has started. a = protocol version. */
  hello: 16,
  /** The batch is done and the next may come. a = its sequence number, b = CPU time it took in microseconds. */
  done: 17,
  /** A guest is loaded. a = 1 if its module waited for nothing. Payload: JSON GuestDescription. */
  loaded: 18,
  /** Messages of a guest. a = CPU time of its entry in microseconds. Payload: text. */
  output: 19,
  /** A part of a body or of a socket's message. a = id of the turn or call. Payload: the bytes. */
  bytes: 20,
  /** A guest could not be loaded, or its isolate is gone. Payload: JSON Fault. */
  fault: 21,
  /** A line of a guest's log. a = level. Payload: request id, newline, text. */
  log: 22,
  /** What `compile` made; empty when there is none. */
  cache: 23,
} as const

/** The payload is ASCII: one byte is one character. Text without it is UTF-8. */
export const FLAG_ASCII = 1

export interface Frame {
  readonly kind: number
  readonly flags: number
  readonly guest: number
  readonly a: number
  readonly b: number
  /** A view of the reader's buffer, valid until the reader is fed again. */
  readonly payload: Buffer
}

export type FaultReason =
  | 'exceeded-cpu'
  | 'exceeded-memory'
  | 'exceeded-output'
  | 'starved'
  | 'start-threw'
  | 'start-timeout'
  | 'syntax-error'
  | 'unknown-import'
  | 'not-loaded'

export interface Fault {
  readonly reason: FaultReason
  readonly name?: string
  readonly message: string
  readonly stack?: string
}
