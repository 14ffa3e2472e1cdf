/**
 * A request for a WebSocket as a call of a guest. Until the guest answers it is an HttpCall like any other; a 101
 * joins the client's connection to the guest's socket. Each side's pace rules the other: what the client has not taken is
 * not credited to the guest, and a client that the guest cannot follow is not read. Pings are the host's.
 */
import type { IncomingMessage } from 'node:http'
import type { WebSocket } from 'ws'
import { BODY, CLOSE, SOCKET_MESSAGE_COST, SOCKET_WINDOW } from '../../guest-sdk/kernel/messages.ts'
import { ProtocolViolation } from '../../sandbox/protocol/frame-reader.ts'
import type { Call, GuestError, SocketLink, SocketSink, TurnLink } from '../cells/call.ts'
import type { SocketRelay } from '../cells/relay.ts'
import type { ErrorCode } from '../core/errors.ts'
import type { HttpCall, HttpEnd } from './http-call.ts'
import { responseHeaders } from './response-head.ts'
import { acceptWebSocket, offeredProtocols, type Upgrade } from './upgrade.ts'

export interface SocketCallOptions {
  readonly request: IncomingMessage
  readonly upgrade: Upgrade
  readonly http: HttpCall
  readonly messageBytes: number
  readonly idleMs: number
  readonly onOpen: () => void
  /** The connection is over; once, and only if it became a WebSocket. */
  readonly onEnd: (end: HttpEnd) => void
}

/** A message may go over the edge of the window; a cell that was taken over could send any. */
const MAX_BEHIND_BYTES = 32 * 1024 * 1024
const GRANT = SOCKET_WINDOW / 2
const INTERNAL_ERROR = 1011
const ABNORMAL = 1006

export class SocketCall implements Call, SocketSink {
  readonly depth = 0
  readonly body = ''
  readonly socket: SocketSink = this
  readonly #options: SocketCallOptions
  readonly #http: HttpCall
  #turn: TurnLink | undefined
  #link: SocketLink | undefined
  #client: WebSocket | undefined
  #pinger: NodeJS.Timeout | undefined
  #heard = true
  /** Of a broken rule: the code that the client was told. */
  #failure = 0
  #ended = false
  #sentBytes = 0
  #behind = 0
  #ungranted = 0
  #arriving: { left: number; readonly parts: Buffer[] } | undefined

  constructor(options: SocketCallOptions) {
    this.#options = options
    this.#http = options.http
  }

  get requestId(): string {
    return this.#http.requestId
  }
  get startedMs(): number {
    return this.#http.startedMs
  }
  get canceled(): boolean {
    return this.#http.canceled || this.#ended
  }
  get attempts(): number {
    return this.#http.attempts
  }
  set attempts(count: number) {
    this.#http.attempts = count
  }

  encode(id: number): string {
    return this.#http.encode(id)
  }

  attach(link: TurnLink): void {
    this.#turn = link
    this.#http.attach(link)
  }

  head(status: number, headers: readonly string[], kind: number, text: string, ascii: boolean): void {
    if (this.#client !== undefined) throw new ProtocolViolation('A socket is answered twice')
    if (status !== 101 || this.#http.canceled) return this.#http.head(status, headers, kind, text, ascii)
    const protocol = valueOf(headers, 'sec-websocket-protocol')
    if (protocol !== undefined && !offeredProtocols(this.#options.request).includes(protocol))
      return this.#refuse('VELA_GUEST_BAD_RESPONSE', 'The service chose a subprotocol that was not offered')
    const link = this.#turn?.openSocket(() => this.#client?.resume())
    if (link === undefined)
      return this.#refuse('VELA_TENANT_QUOTA_EXCEEDED', 'As many WebSockets are open as may be')
    this.#link = link
    const client = acceptWebSocket({
      ...this.#options,
      protocol,
      headers: responseHeaders(headers, this.requestId).filter(
        (_, at, list) => !list[at - (at % 2)]?.startsWith('sec-websocket-'),
      ),
    })
    if (client === undefined) {
      link.closed(ABNORMAL, CLOSE.abrupt, '')
      return this.#http.closed()
    }
    this.#client = client
    this.#options.onOpen()
    this.#listen(client, link)
  }

  join(relay: SocketRelay): void {
    if (this.canceled) return relay.drop()
    if (this.#client !== undefined) {
      relay.drop()
      this.end(true)
      throw new ProtocolViolation('A socket is answered twice')
    }
    if (relay.lost !== undefined) return this.#http.failed(...relay.lost)
    this.#turn = relay.link
    this.#http.attach(relay.link)
    this.head(101, relay.headers, BODY.none, '', true)
    if (this.#client === undefined) relay.drop()
    else relay.join(this)
  }

  message(kind: number, body: string, size: number): void {
    if (this.#arriving !== undefined) throw new ProtocolViolation('A message comes within another')
    if (kind === BODY.stream) {
      if (size === 0 || size > MAX_BEHIND_BYTES) throw new ProtocolViolation('A message has a wrong size')
      this.#arriving = { left: size, parts: [] }
    } else this.#send(kind === BODY.bytes ? Buffer.from(body, 'latin1') : body, body.length)
  }

  data(part: string | Buffer, kind: number): void {
    if (this.#client === undefined) return this.#http.data(part, kind)
    const arriving = this.#arriving
    if (arriving === undefined || typeof part === 'string' || part.length > arriving.left)
      throw new ProtocolViolation('Bytes come that belong to no message')
    arriving.left -= part.length
    // The part is a view of what the link read.
    arriving.parts.push(Buffer.from(part))
    if (arriving.left > 0) return
    this.#arriving = undefined
    const whole = Buffer.concat(arriving.parts)
    this.#send(whole, whole.length)
  }

  close(code: number, reason: string): void {
    if (this.#client === undefined || this.#ended) return
    if (code === 0) this.#client.close()
    else this.#client.close(code, reason)
  }

  shut(code: number, reason: string): void {
    if (this.#client === undefined || this.#ended) return
    // The guest hears of it now: it may not be there any more when the client has answered.
    this.#link?.closed(code, CLOSE.clean, Buffer.from(reason).toString('latin1'))
    this.#client.close(code, reason)
  }

  end(broken: boolean): void {
    if (this.#client === undefined) return this.#http.end(broken)
    // An honest guest ends its turn when it has heard of the end of the connection.
    if (this.#client.readyState === this.#client.OPEN) this.#client.terminate()
  }

  value(): void {
    if (this.#client === undefined) this.#http.value()
    else this.end(true)
  }

  threw(error: GuestError): void {
    if (this.#client === undefined) this.#http.threw(error)
    else this.end(true)
  }

  failed(code: ErrorCode, detail: string): void {
    if (this.#client === undefined) return this.#http.failed(code, detail)
    this.#link = undefined
    if (!this.#ended) this.#client.close(INTERNAL_ERROR, code)
  }

  wants(bytes: number): void {
    if (this.#client === undefined) this.#http.wants(bytes)
    else this.#link?.taken(bytes)
  }

  /** The connection of a request that was not upgraded is gone. */
  closed(): void {
    if (this.#client === undefined) this.#http.closed()
  }

  #refuse(code: ErrorCode, detail: string): void {
    this.#turn?.cancel(code)
    this.#http.failed(code, detail)
  }

  #listen(client: WebSocket, link: SocketLink): void {
    const { idleMs } = this.#options
    const hear = (): void => {
      this.#heard = true
    }
    client.on('message', (data: Buffer, isBinary: boolean) => {
      this.#heard = true
      if (!link.receive(!isBinary, data.toString('latin1'))) client.pause()
    })
    client.on('ping', hear)
    client.on('pong', hear)
    client.on('error', (error: NodeJS.ErrnoException) => {
      this.#failure = failureOf(error)
    })
    client.on('close', (code: number, reason: Buffer) => this.#over(code, reason))
    this.#pinger = setInterval(() => {
      // A client that is not read cannot be heard.
      if (!this.#heard && !client.isPaused) return client.terminate()
      this.#heard = false
      if (client.readyState === client.OPEN) client.ping()
    }, idleMs / 2).unref()
  }

  #over(code: number, reason: Buffer): void {
    this.#ended = true
    clearInterval(this.#pinger)
    const closeCode = this.#failure === 0 ? code : this.#failure
    const how = this.#failure !== 0 ? CLOSE.failed : code === ABNORMAL ? CLOSE.abrupt : CLOSE.clean
    this.#link?.closed(closeCode, how, reason.toString('latin1'))
    this.#options.onEnd({ status: 101, bytes: this.#sentBytes, closeCode })
  }

  #send(data: string | Buffer, length: number): void {
    const client = this.#client
    if (client === undefined) throw new ProtocolViolation('A message goes to no socket')
    if (this.#ended || client.readyState !== client.OPEN) return
    const cost = length + SOCKET_MESSAGE_COST
    this.#behind += cost
    if (this.#behind > MAX_BEHIND_BYTES) throw new ProtocolViolation('A socket runs ahead of its credit')
    this.#sentBytes += typeof data === 'string' ? Buffer.byteLength(data) : data.length
    client.send(data, { binary: typeof data !== 'string' }, () => {
      this.#behind -= cost
      this.#ungranted += cost
      if (this.#ungranted < GRANT) return
      this.#turn?.grant(this.#ungranted)
      this.#ungranted = 0
    })
  }
}

function valueOf(headers: readonly string[], name: string): string | undefined {
  for (let at = 0; at < headers.length; at += 2) if (headers[at] === name) return headers[at + 1]
  return undefined
}

/** What ws tells the client, by the error that it gives us. */
function failureOf({ code }: NodeJS.ErrnoException): number {
  if (code === 'WS_ERR_UNSUPPORTED_MESSAGE_LENGTH' || code === 'WS_ERR_UNSUPPORTED_DATA_PAYLOAD_LENGTH')
    return 1009
  if (code === 'WS_ERR_INVALID_UTF8') return 1007
  if (code === 'WS_ERR_TOO_MANY_BUFFERED_PARTS') return 1008
  // A connection that was reset is no broken rule.
  return code?.startsWith('WS_ERR_') === true ? 1002 : 0
}
