/**
 * A request at the gateway as a call of a guest, and the guest's response on its way to the client. The client's pace
 * rules: a part of the response counts as taken when the socket has it, and only then may the guest send more.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { BODY, HANDLER, TO_GUEST } from '../../guest-sdk/kernel/messages.ts'
import { ProtocolViolation } from '../../sandbox/protocol/frame-reader.ts'
import type { Call, GuestError, TurnLink } from '../cells/call.ts'
import { ERRORS, type ErrorCode } from '../core/errors.ts'
import { pumpBody, type BodyPump, type InlineBody } from './request-body.ts'
import { sendProblem } from './respond.ts'
import { hasNoBody, isEventStream, responseHeaders } from './response-head.ts'

export interface HttpCallOptions {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  readonly requestId: string
  /** As the guest sees it. */
  readonly url: string
  readonly headersJson: string
  readonly startedMs: number
  readonly requestLimitBytes: number
  readonly responseLimitBytes: number
  /** The host drains: the connection is not used again. */
  readonly closing: () => boolean
  /** It is an event stream, which lasts. */
  readonly onLast: () => void
  /** The exchange is over; once. */
  readonly onEnd: (end: HttpEnd) => void
  readonly onThrew: (error: GuestError) => void
}

export interface HttpEnd {
  readonly status: number
  readonly bytes: number
  readonly code?: ErrorCode
  /** How a WebSocket was closed. */
  readonly closeCode?: number
}

/** Parts are acknowledged to the guest in lots of this size. */
const GRANT_BYTES = 131_072
const KEEP_ALIVE_MS = 30_000
/** An honest guest is ahead by its credit and one part, which one entry bounds (sandbox/guest-host.ts). */
const MAX_BEHIND_BYTES = 32 * 1024 * 1024

export class HttpCall implements Call {
  readonly requestId: string
  readonly startedMs: number
  readonly depth = 0
  attempts = 0
  body = ''
  canceled = false
  readonly #options: HttpCallOptions
  #bodyKind: number = BODY.none
  #link: TurnLink | undefined
  #pump: BodyPump | undefined
  #status = 0
  #sentBytes = 0
  #ungranted = 0
  #draining = false
  #lasts = false
  #ended = false

  constructor(options: HttpCallOptions) {
    this.#options = options
    this.requestId = options.requestId
    this.startedMs = options.startedMs
  }

  setBody({ kind, text }: InlineBody): void {
    this.#bodyKind = kind
    this.body = text
  }

  encode(id: number): string {
    const { request, url, headersJson } = this.#options
    const head = `[${TO_GUEST.invoke},${id},${HANDLER.fetch},"${request.method}",${JSON.stringify(url)},`
    return `${head}${headersJson},${this.#bodyKind},${this.body.length},"${this.requestId}"]`
  }

  attach(link: TurnLink): void {
    this.#link = link
    if (this.#bodyKind !== BODY.stream) return
    const { request, requestLimitBytes } = this.#options
    // A second attempt only follows an entry that had no effect, so nothing has been read yet.
    this.#pump ??= pumpBody(request, {
      limitBytes: requestLimitBytes,
      send: (part, last) => this.#link?.sendBody(part, last),
      onTooLarge: () =>
        this.failed('VELA_GATEWAY_BODY_TOO_LARGE', `The body is over ${requestLimitBytes} bytes`),
    })
  }

  wants(bytes: number): void {
    this.#pump?.wants(bytes)
  }

  head(status: number, guestHeaders: readonly string[], kind: number, text: string, ascii: boolean): void {
    if (this.#ended) return
    const { request, response, requestId } = this.#options
    if (status === 101) return this.#refuse('VELA_GUEST_BAD_RESPONSE', 'The client asked for no WebSocket')
    if (kind === BODY.stream && isEventStream(guestHeaders)) {
      if (this.#link?.endure() === false)
        return this.#refuse('VELA_TENANT_QUOTA_EXCEEDED', 'As many event streams are open as may be')
      this.#lasts = true
      this.#options.onLast()
      // An idle client that has gone without a word is found by its system not answering.
      request.socket.setKeepAlive(true, KEEP_ALIVE_MS)
    }
    this.#status = status
    if (this.#options.closing()) response.shouldKeepAlive = false
    const headers = responseHeaders(guestHeaders, requestId)
    if (kind === BODY.stream) {
      response.writeHead(status, headers)
      if (request.method === 'HEAD' || hasNoBody(status)) {
        this.#link?.cancel('VELA_TURN_CANCELED')
        this.#finish('')
      } else response.flushHeaders()
      return
    }
    const isBytes = ascii || kind === BODY.bytes
    const encoding = isBytes ? 'latin1' : 'utf8'
    const length = isBytes ? text.length : Buffer.byteLength(text)
    if (!hasNoBody(status)) headers.push('content-length', String(length))
    response.writeHead(status, headers)
    this.#sentBytes = length
    this.#finish(hasNoBody(status) || request.method === 'HEAD' ? '' : text, encoding)
  }

  data(part: string | Buffer, kind: number): void {
    if (this.#ended) return
    const { response, responseLimitBytes } = this.#options
    const encoding = kind === BODY.bytes ? 'latin1' : 'utf8'
    const flowing = typeof part === 'string' ? response.write(part, encoding) : response.write(part)
    const length = typeof part === 'string' && kind === BODY.text ? Buffer.byteLength(part) : part.length
    this.#sentBytes += length
    this.#ungranted += part.length
    if (response.writableLength > MAX_BEHIND_BYTES) {
      throw new ProtocolViolation('A response runs ahead of its credit')
    }
    if (this.#sentBytes > responseLimitBytes * MAX_UTF8_FACTOR) return this.end(true)
    if (flowing) this.#grant()
    else if (!this.#draining) {
      this.#draining = true
      response.once('drain', () => {
        this.#draining = false
        this.#grant()
      })
    }
  }

  end(broken: boolean): void {
    if (this.#ended) return
    if (!broken) return this.#finish('')
    this.#over({ status: this.#status, bytes: this.#sentBytes, code: 'VELA_GUEST_THREW' })
    // The client must see that the response is not whole.
    this.#options.response.destroy()
  }

  value(): void {
    this.failed('VELA_GUEST_BAD_RESPONSE', 'The handler answered with a value')
  }

  threw(error: GuestError): void {
    // What a handler says about being canceled, after the client has left, is no failure.
    if (this.#ended && error.name === 'AbortError') return
    if (error.code === 'VELA_ROUTE_NOT_FOUND')
      return this.failed('VELA_ROUTE_NOT_FOUND', 'The service here answers no HTTP requests')
    this.#options.onThrew(error)
    const { code } = error
    const known = code === 'VELA_GUEST_BAD_RESPONSE' || code === 'VELA_GUEST_RESPONSE_TOO_LARGE'
    this.failed(known ? code : 'VELA_GUEST_THREW', '')
  }

  /** An event stream ends whole; its client comes back to who serves then. */
  shut(): void {
    if (this.#ended || !this.#lasts) return
    this.#finish('')
    this.#link?.cancel('VELA_TURN_CANCELED')
  }

  failed(code: ErrorCode, detail: string): void {
    if (this.#ended) return
    const { request, response, requestId } = this.#options
    if (response.headersSent) {
      this.#over({ status: this.#status, bytes: this.#sentBytes, code })
      response.destroy()
      return
    }
    const bytes = sendProblem(response, code, requestId, {
      detail: detail === '' ? undefined : detail,
      close: !request.complete || this.#options.closing(),
    })
    this.#over({ status: ERRORS[code].status, bytes, code })
  }

  #refuse(code: ErrorCode, detail: string): void {
    this.#link?.cancel(code)
    this.failed(code, detail)
  }

  #grant(): void {
    if (this.#ungranted < GRANT_BYTES || this.#draining) return
    this.#link?.grant(this.#ungranted)
    this.#ungranted = 0
  }

  #finish(text: string, encoding: BufferEncoding = 'utf8'): void {
    this.#options.response.end(text, encoding)
    this.#over({ status: this.#status, bytes: this.#sentBytes })
    if (!this.#options.request.complete) this.#pump?.wants(0)
  }

  #over(end: HttpEnd): void {
    this.#ended = true
    this.canceled = true
    this.#options.onEnd(end)
  }

  /** The connection is gone, or the response is over. */
  closed(): void {
    if (this.#ended) return
    const { response } = this.#options
    // Somebody else has answered: middleware.
    if (response.writableFinished) return this.#over({ status: response.statusCode, bytes: 0 })
    this.#over({
      status: this.#status === 0 ? 499 : this.#status,
      bytes: this.#sentBytes,
      code: 'VELA_TURN_CANCELED',
    })
    this.#link?.cancel('VELA_TURN_CANCELED')
  }
}

/** A guest counts characters; one of them is at most three bytes. */
const MAX_UTF8_FACTOR = 3
