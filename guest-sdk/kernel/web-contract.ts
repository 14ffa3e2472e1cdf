/** What the kernel needs of the web platform (guest-sdk/web implements it); declared by its consumer. */
export interface WebHooks {
  createRequest(
    method: string,
    url: string,
    rawHeaders: readonly string[],
    body: IncomingBody,
    signal: () => object,
  ): object
  /** `undefined` when the value is no Response of ours; throws TypeError when its body was used. */
  readResponse(value: unknown): ResponseParts | undefined
  createAbort(): { signal: object; abort(reason: unknown): void }
  /** What code that nobody awaits threw: an `error` event, and the log. Never throws. */
  reportException(thrown: unknown): void
  /** An `unhandledrejection` event; see Bridge.rejected. Never throws. */
  reportRejection(description: string | undefined, value: unknown): boolean
  /** A Response that came from elsewhere. */
  createResponse(head: ResponseHead, body: IncomingBody | Uint8Array): object
  /** What `new Request(input, init)` stands for, its body taken; throws as that does. */
  readRequest(input: unknown, init: unknown): RequestParts
  throwIfAborted(signal: object): void
  /** Calls back once, when it aborts, and not if it has already; returns what ends that. */
  onAbort(signal: object, listener: (reason: unknown) => void): () => void
  /** An error of that name: the native class, a DOMException, or an Error called so. */
  createError(name: string, message: string): object
  /** `new Request(input, init)`, whatever became of the global. */
  makeRequest(input: unknown, init: unknown): object
  /** What a Response carries away for its connection, null if it has none; undefined: the value is no Response. */
  responseSocket(value: unknown): object | null | undefined
  /**
   * From here on what is sent to the client goes through `gate`, which runs it when it may go. `ofPeer`: of the end that
   * belongs to this one. False: it is no end of a WebSocketPair.
   */
  gateSocket(socket: unknown, gate: (run: () => void) => void, ofPeer?: boolean): boolean
}

export interface ResponseHead {
  readonly status: number
  readonly statusText: string
  /** Flat: name, value, name, value … */
  readonly headers: readonly string[]
  readonly url: string
  readonly redirected: boolean
  /** With status 101: the call that was answered with a WebSocket, which can be answered with and no more. */
  readonly relay?: number | undefined
}

export interface RequestParts {
  readonly method: string
  readonly url: string
  readonly headers: readonly string[]
  readonly body: ResponseParts['body']
  readonly signal: object | undefined
  readonly redirect: string
}

export type IncomingBody =
  | null
  | { readonly byteString: string; readonly ascii: boolean }
  | { pull(): Promise<Uint8Array | undefined>; cancel(reason: unknown): void }

export interface ResponseParts {
  readonly status: number
  /** Flat: name, value, name, value … */
  readonly headers: readonly string[]
  readonly body:
    | null
    | { readonly text: string }
    | { readonly bytes: Uint8Array }
    | { readonly stream: BodyStream }
  /** With status 101: one end of a WebSocketPair, which the connection is joined to. */
  readonly socket?: SocketEnd | undefined
  /** With status 101: instead, the WebSocket that this call was answered with. */
  readonly relay?: number | undefined
}

/** What the kernel does with the end of a WebSocketPair that a response carried. */
export interface SocketEnd {
  /** From now on the other end speaks to `line`; what it has said already follows at once. */
  connect(line: SocketLine): void
  /** A message of the client: a byte string, of UTF-8 if it is text. `taken` once the guest has had it. */
  receive(isText: boolean, bytes: string, taken: () => void): void
  /** The connection is over; `done` once the guest has heard of it. */
  closed(end: SocketClose, done: () => void): void
}

export interface SocketClose {
  readonly code: number
  /** A byte string of UTF-8. */
  readonly reason: string
  readonly clean: boolean
  /** A rule was broken: there is an `error` event too. */
  readonly failed: boolean
}

/** What the end that the guest kept speaks to. */
export interface SocketLine {
  /**
   * Bytes belong to the line. False: the line is closed, perhaps because too much waits. Throws RangeError for what is
   * larger than a message may be.
   */
  send(data: string | Uint8Array): boolean
  /** After what was sent; code 0: none. */
  close(code: number, reason: string): void
  readonly bufferedAmount: number
  /** Runs guest code on behalf of the turn. */
  run(work: () => void): void
}

/** As much of ReadableStream as the kernel uses. */
export interface BodyStream {
  getReader(): BodyReader
}

export interface BodyReader {
  read(): Promise<{ done: boolean; value?: unknown }>
  cancel(reason: unknown): Promise<void>
}
