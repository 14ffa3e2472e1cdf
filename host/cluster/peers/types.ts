/** Requests between nodes: what may be asked of peers, and what serves them. */
import type { JsonValue } from '../../registry/types.ts'

export interface PeerMessage {
  /** Small: it is parsed whole before anything else is looked at. */
  readonly header: JsonValue
  /** Up to 64 MiB; more than NATS carries at once goes in parts. */
  readonly body?: string | Uint8Array
}

/** As it came: the header is of another host, maybe of another version, and is to be parsed with care. */
export interface PeerReceived {
  readonly header: unknown
  readonly body: Buffer
}

export interface PeerContext {
  /** The node that asks. */
  readonly from: string
  /** Aborts when nobody waits for the answer any more. Made when first read. */
  readonly signal: AbortSignal
}

/** What it throws crosses as it is if it is a VelaError or a GuestFacingError; anything else as VELA_NODE_LOST without its words. */
export type PeerHandler = (received: PeerReceived, context: PeerContext) => PeerMessage | Promise<PeerMessage>

export interface PeerOptions {
  /** When the answer is of no use any more (performance.now() milliseconds). */
  readonly deadlineMs: number
  readonly signal?: AbortSignal | undefined
}

export interface Peers {
  /** Serves an operation, a token of a subject. Returns how to stop. */
  serve(op: string, handler: PeerHandler): () => void
  /**
   * Requests to one node arrive in the order they were made. Rejects with what the handler threw; VELA_NODE_LOST: there is no such
   * node any more, or it went, and what was asked may have been done or not; VELA_CLUSTER_UNAVAILABLE: NATS is lost, nothing was
   * sent; VELA_TASK_TIMEOUT, VELA_TURN_CANCELED.
   */
  request(node: string, op: string, message: PeerMessage, options: PeerOptions): Promise<PeerReceived>
  /**
   * One message, at most once, in order with those before it to that node and channel. False: NATS is lost. `tag`, a token of a
   * subject: what `onUndelivered` is told if nobody listens there.
   */
  send(node: string, channel: string, message: PeerMessage, tag?: string): boolean
  /** Returns how to stop. */
  onUndelivered(listener: (tag: string) => void): () => void
  /** Receives what `send` of others says. Returns how to stop. */
  listen(channel: string, receive: (received: PeerReceived, from: string) => void): () => void
  /** Requests that wait for an answer. */
  readonly waiting: number
  /** Open links, to others and of others. */
  readonly links: number
  /** Before the end: resolves when those who asked have what was answered, or take it too slowly. */
  finish(): Promise<void>
  close(): void
}
