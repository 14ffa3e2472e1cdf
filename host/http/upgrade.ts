/**
 * Requests that want to become WebSockets, from node's `upgrade` event to the handshake. node gives the connection away
 * with them: what is not upgraded is answered through a response made here, and the connection is then closed.
 * Threat: a body on such a request would be read as frames by us and as a request by whoever stands before us, or the
 * other way round; it is refused.
 */
import { ServerResponse, type IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import { WebSocketServer, type ServerOptions, type WebSocket } from 'ws'

/** How long a client may take to answer a close frame before its connection is cut (milliseconds). */
const CLOSE_MS = 5_000
const KEY = /^[+/0-9A-Za-z]{22}==$/
const TOKENS = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+(?:[ \t]*,[ \t]*[!#$%&'*+.^_`|~0-9A-Za-z-]+)*$/

/** Other protocols are not spoken here: such a request is answered as if it had not asked. */
export const wantsWebSocket = (request: IncomingMessage): boolean =>
  request.method === 'GET' && request.headers.upgrade?.toLowerCase() === 'websocket'

/** What is wrong with the handshake, if anything. */
export function handshakeProblem(request: IncomingMessage): string | undefined {
  const { headers } = request
  const protocols = headers['sec-websocket-protocol']
  if (request.httpVersion !== '1.1') return 'A WebSocket needs HTTP/1.1'
  if (headers['content-length'] !== undefined || headers['transfer-encoding'] !== undefined)
    return 'A WebSocket handshake has no body'
  if (headers['sec-websocket-version'] !== '13') return 'Sec-WebSocket-Version must be 13'
  if (!KEY.test(headers['sec-websocket-key'] ?? '')) return 'Sec-WebSocket-Key is missing or malformed'
  if (protocols !== undefined && !TOKENS.test(protocols)) return 'Sec-WebSocket-Protocol is malformed'
  return undefined
}

/** The headers that the guest sees, with those that tell of the upgrade: hop by hop, so they are left out elsewhere. */
export const withUpgrade = (headersJson: string): string =>
  `["upgrade","websocket","connection","Upgrade",${headersJson.slice(1)}`

/** The subprotocols that the client offers. */
export const offeredProtocols = (request: IncomingMessage): readonly string[] =>
  (request.headers['sec-websocket-protocol'] ?? '').split(',').map((name) => name.trim())

/** The connection of a request for an upgrade. */
export interface Upgrade {
  readonly socket: Socket
  /** What the client has sent ahead. */
  readonly head: Buffer
  /** For an answer without an upgrade; the connection is closed behind it. */
  readonly response: ServerResponse
  /** Leaves the connection to somebody else. */
  release(): void
}

/** node has given the connection away, so a response of our own is put in charge of it. */
export function takeConnection(request: IncomingMessage, socket: Socket, head: Buffer): Upgrade {
  const response = new ServerResponse(request)
  response.shouldKeepAlive = false
  response.assignSocket(socket)
  socket.on('error', () => undefined)
  response.once('finish', () => socket.destroySoon())
  const onDrain = (): void => void response.emit('drain')
  // Connections of node's server stay half open: without this nobody would notice that the client has left.
  const onEnd = (): void => socket.destroySoon()
  socket.on('drain', onDrain)
  socket.on('end', onEnd)
  return {
    socket,
    head,
    response,
    release() {
      socket.off('drain', onDrain)
      socket.off('end', onEnd)
      response.detachSocket(socket)
    },
  }
}

export interface AcceptOptions {
  readonly request: IncomingMessage
  readonly upgrade: Upgrade
  readonly messageBytes: number
  readonly protocol: string | undefined
  /** Of the guest's, flat; checked. */
  readonly headers: readonly string[]
}

/** Completes the handshake; undefined if the client has gone meanwhile. */
export function acceptWebSocket(options: AcceptOptions): WebSocket | undefined {
  const { request, protocol, headers } = options
  const { socket, head, response } = options.upgrade
  options.upgrade.release()
  response.statusCode = 101
  socket.once('close', () => response.emit('close'))
  const settings: ServerOptions & { closeTimeout: number } = {
    noServer: true,
    clientTracking: false,
    perMessageDeflate: false,
    maxPayload: options.messageBytes,
    closeTimeout: CLOSE_MS,
    handleProtocols: () => protocol ?? false,
  }
  const server = new WebSocketServer(settings)
  server.on('headers', (lines) => {
    for (let at = 0; at < headers.length; at += 2) lines.push(`${headers[at]}: ${headers[at + 1]}`)
  })
  let accepted: WebSocket | undefined
  server.handleUpgrade(request, socket, head, (webSocket) => {
    accepted = webSocket
  })
  return accepted
}
