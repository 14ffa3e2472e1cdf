/**
 * The server's side of WebSocket, with the names of Workers: what a service gets beyond the library's own `WebSocket`.
 * docs of the host say the limits; `globals.d.ts` declares the names globally.
 */
import type { Bytes, GuestBlob, GuestWebSocket } from './web.ts'

/** One end of a pair; `WebSocket` of the library you compile with, and `accept`. */
export type ServerWebSocket = GuestWebSocket & WebSocketEnd

export interface WebSocketEnd {
  /** From here on messages are delivered, and may be sent. Throws `TypeError` if a response carried this end away. */
  accept(): void
  /** Throws `TypeError` before `accept()`, and when it is closed. */
  send(data: string | Bytes | GuestBlob): void
  /** `code`: 1000 or 3000 to 4999; `reason`: at most 123 bytes. */
  close(code?: number, reason?: string): void
  /** Bytes that were sent and that the client has not taken yet. */
  readonly bufferedAmount: number
}

/**
 * Two ends joined to each other. The one that a `Response` carries becomes the connection to the client; keep the other.
 *
 * @example
 * fetch(request) {
 *   const { 0: client, 1: server } = new WebSocketPair()
 *   server.accept()
 *   server.addEventListener('message', ({ data }) => server.send(data))
 *   return new Response(null, { status: 101, webSocket: client })
 * }
 */
export interface WebSocketPair {
  readonly 0: ServerWebSocket
  readonly 1: ServerWebSocket
}
