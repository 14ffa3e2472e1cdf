/**
 * Globals of a guest that no library of web types has. `vela types` refers to this file; else name it in tsconfig.json:
 * `"types": ["@vela/guest-sdk/globals"]`. It adds to the library's own interfaces ("webworker" or "dom").
 */
import type { ServerWebSocket, WebSocketEnd, WebSocketPair as Pair } from './websocket.ts'

declare global {
  interface WebSocket extends Pick<WebSocketEnd, 'accept'> {}
  interface ResponseInit {
    /** With status 101: the end of a pair that becomes the connection to the client. */
    webSocket?: ServerWebSocket | null
  }
  /** Two ends joined to each other; see `WebSocketPair` of `@vela/guest-sdk`. */
  interface WebSocketPair extends Pair {}
  var WebSocketPair: { new (): WebSocketPair; readonly prototype: WebSocketPair }
}
