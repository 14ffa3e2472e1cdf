/** Response (Fetch), and what the kernel reads of one when a handler returns it. */
import type { ReadableStream } from 'web-streams-polyfill'
import { dictionary } from './dictionary.ts'
import { BodyState, type BodyKit, type IncomingBody, type OutgoingBody } from './body.ts'
import { HeaderList } from './header-list.ts'
import type { Headers, HeadersKit } from './headers.ts'
import { exec, JsonStringify } from './intrinsics.ts'
import type { SocketEnd } from '../kernel/web-contract.ts'

export interface ResponseParts {
  /** 200–599. */
  readonly status: number
  /** Flat name, value, … in order; names in lower case, `set-cookie` apart. */
  readonly headers: string[]
  readonly body: OutgoingBody
  /** With status 101. */
  readonly socket?: SocketEnd
  /** With status 101: instead of one of ours, the WebSocket that this call was answered with. */
  readonly relay?: number | undefined
}

/** What a response needs of WebSocket's part, which is loaded if any value can be one. */
export interface ResponseSockets {
  isSocket(value: unknown): boolean
  /** Its end of the pair, for the connection; throws TypeError if it was used already. */
  take(socket: object): SocketEnd
}

export interface ResponseInit {
  status?: number
  statusText?: string
  headers?: unknown
  /** With status 101 and no body: the end of a WebSocketPair that the client is joined to. */
  webSocket?: unknown
}

export interface Response {
  readonly status: number
  readonly ok: boolean
  readonly headers: Headers
  readonly body: ReadableStream | null
  readonly bodyUsed: boolean
  clone(): Response
}

export interface ResponseKit {
  readonly Response: (new (body?: unknown, init?: ResponseInit) => Response) & {
    error(): Response
    json(data: unknown, init?: ResponseInit): Response
    redirect(url: unknown, status?: number): Response
  }
  readResponse(value: unknown): ResponseParts | undefined
  /** See WebHooks. */
  responseSocket(value: unknown): object | null | undefined
  /** A response that came from elsewhere, with headers that cannot be changed. */
  createResponse(head: ResponseHead, body: IncomingBody): object
}

export interface ResponseHead {
  readonly status: number
  readonly statusText: string
  /** Flat: name, value, … */
  readonly headers: readonly string[]
  readonly url: string
  readonly redirected: boolean
  /** See the kernel's ResponseHead. */
  readonly relay?: number | undefined
}

class ResponseState {
  type: string
  url: string
  redirected: boolean
  status: number
  statusText: string
  list: HeaderList
  headers: Headers | undefined
  body: BodyState
  webSocket: object | null
  relay: number | undefined
  constructor(status: number, statusText: string, list: HeaderList, body: BodyState) {
    this.type = 'default'
    this.url = ''
    this.redirected = false
    this.status = status
    this.statusText = statusText
    this.list = list
    this.headers = undefined
    this.body = body
    this.webSocket = null
    this.relay = undefined
  }
}

const NOT_REASON = /[^\t\x20-\x7e\x80-\xff]/
const isNullBody = (status: number): boolean =>
  status === 204 || status === 205 || status === 304 || status === 101 || status === 103

export function createResponse(
  headersKit: HeadersKit,
  bodies: BodyKit,
  redirectTarget: (url: unknown) => string,
  sockets: ResponseSockets,
): ResponseKit {
  let stateOf!: (value: unknown) => ResponseState | undefined

  function build(
    body: unknown,
    init: ResponseInit | undefined,
    defaultType: string | undefined,
  ): ResponseState {
    const options = dictionary(init, 'Response')
    const givenStatus = options.status
    // Web IDL's unsigned short; a status of a wrong kind becomes 0 and is refused.
    const status = givenStatus === undefined ? 200 : +givenStatus & 0xffff
    const webSocket = options.webSocket ?? null
    if (webSocket !== null && !sockets.isSocket(webSocket))
      throw new TypeError('Response: webSocket is no WebSocket of a WebSocketPair')
    if (webSocket === null ? status < 200 || status > 599 : status !== 101)
      throw new RangeError(
        `Response: the status must be 200 to 599, or 101 with a webSocket, not ${givenStatus}`,
      )
    const givenText = options.statusText
    const statusText = givenText === undefined ? '' : `${givenText}`
    if (statusText !== '' && exec(NOT_REASON, statusText) !== null) {
      throw new TypeError('Response: invalid statusText')
    }
    const list = headersKit.listFrom(options.headers)
    const { state, type } = bodies.extract(body)
    if (body !== null && body !== undefined) {
      if (isNullBody(status)) throw new TypeError(`Response: a response with status ${status} has no body`)
      const wanted = defaultType ?? type
      if (wanted !== undefined && !list.has('content-type')) list.add('content-type', wanted)
    }
    const response = new ResponseState(status, statusText, list, state)
    response.webSocket = webSocket as object | null
    return response
  }

  class Response {
    readonly #state: ResponseState

    static {
      stateOf = (value) =>
        typeof value === 'object' && value !== null && #state in value ? value.#state : undefined
      bodies.define(
        Response.prototype,
        (self) => (self as Response).#state.body,
        (self) => (self as Response).#state.list.get('content-type') ?? '',
      )
    }

    constructor(body: unknown = null, init: ResponseInit | undefined = undefined) {
      this.#state = body instanceof ResponseState ? body : build(body, init, undefined)
    }

    static error(): Response {
      const response = new Response()
      response.#state.type = 'error'
      response.#state.status = 0
      response.#state.list.immutable = true
      return response
    }

    static json(data: unknown, init: ResponseInit | undefined = undefined): Response {
      if (arguments.length === 0) throw new TypeError('Response.json: 1 argument is required, 0 given')
      const text = JsonStringify(data)
      if (typeof text !== 'string') throw new TypeError('Response.json: the value has no JSON form')
      return new Response(build(text, init, 'application/json'))
    }

    static redirect(url: unknown, status: number = 302): Response {
      const location = redirectTarget(url)
      const code = +status & 0xffff
      if (code !== 301 && code !== 302 && code !== 303 && code !== 307 && code !== 308) {
        throw new RangeError(`Response.redirect: ${status} is no redirect status`)
      }
      const state = build(null, { status: code }, undefined)
      state.list.add('location', location)
      state.list.immutable = true
      return new Response(state)
    }

    get type(): string {
      return this.#state.type
    }
    get url(): string {
      return this.#state.url
    }
    get redirected(): boolean {
      return this.#state.redirected
    }
    get status(): number {
      return this.#state.status
    }
    get ok(): boolean {
      return this.#state.status >= 200 && this.#state.status < 300
    }
    get statusText(): string {
      return this.#state.statusText
    }
    get webSocket(): object | null {
      return this.#state.webSocket
    }
    get headers(): Headers {
      const state = this.#state
      return (state.headers ??= headersKit.wrap(state.list))
    }

    clone(): Response {
      const { type, url, redirected, status, statusText, list, body, webSocket, relay } = this.#state
      if (webSocket !== null || relay !== undefined)
        throw new TypeError('Response.clone: one with a webSocket cannot be cloned')
      const copy = new ResponseState(status, statusText, list.copy(), bodies.clone(body))
      copy.type = type
      copy.url = url
      copy.redirected = redirected
      copy.list.immutable = list.immutable
      return new Response(copy)
    }
  }

  function readResponse(value: unknown): ResponseParts | undefined {
    const state = stateOf(value)
    if (state === undefined) return undefined
    const { status, list, webSocket, relay } = state
    if (status === 0) throw new TypeError('Response.error() cannot be sent')
    if (webSocket !== null)
      return { status, headers: list.flat(), body: null, socket: sockets.take(webSocket) }
    if (relay !== undefined) return { status, headers: list.flat(), body: null, relay }
    const body = bodies.takeOut(state.body)
    return { status, headers: list.flat(), body }
  }

  function createResponse(head: ResponseHead, body: IncomingBody): Response {
    const list = new HeaderList(headersKit.lower, head.headers, true)
    const state = new ResponseState(head.status, head.statusText, list, new BodyState(body))
    state.type = 'basic'
    state.url = head.url
    state.redirected = head.redirected
    state.relay = head.relay
    return new Response(state)
  }

  return {
    Response: Response as unknown as ResponseKit['Response'],
    readResponse,
    responseSocket: (value) => stateOf(value)?.webSocket,
    createResponse,
  }
}
