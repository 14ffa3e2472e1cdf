/**
 * WebSocketPair and the server's side of WebSocket, as in Workers: a pair is two ends joined inside the guest; the one
 * that a Response carries is replaced by the connection to the client, the other is what the guest keeps.
 * Threat: this is evaluated when guest code may have patched everything. What a connection's bounds rest on (copying,
 * measuring, counting) is given by the core or done in the kernel (kernel/sockets.ts).
 */
import type { SocketEnd, SocketLine } from '../../kernel/web-contract.ts'
import type { Event, EventInit, EventsKit } from '../event-types.ts'

export interface WebSocketDeps {
  readonly events: EventsKit
  readonly MessageEvent: new (type: string, init: { data: unknown }) => Event
  domException(name: string, message: string): Error
  queueTask(run: () => void): void
  /** A string without lone surrogates, or a copy of bytes. Throws TypeError for a Blob. */
  toData(value: unknown): string | Uint8Array
  encode(text: string): Uint8Array
  /** UTF-8 of a byte string; malformed parts are replaced. */
  decode(byteString: string): string
  bytesOf(byteString: string): Uint8Array
  blobOf(bytes: Uint8Array): unknown
}

export interface WebSocketPart {
  readonly globals: Readonly<Record<string, unknown>>
  isSocket(value: unknown): boolean
  take(socket: object): SocketEnd
  /** See WebHooks.gateSocket. */
  gate(socket: object, gate: (run: () => void) => void, ofPeer: boolean): void
}

interface Message {
  readonly data: string | Uint8Array
  readonly taken?: () => void
}

interface Close {
  readonly code: number
  readonly reason: string
  readonly clean: boolean
  readonly failed: boolean
  readonly done: () => void
}

/** One end of a pair. */
interface Side {
  readonly socket: object
  /** `sent`: a response carried it away. */
  use: 'fresh' | 'accepted' | 'sent'
  readyState: number
  peer: Side | undefined
  /** What this end speaks to when the peer was sent. */
  line: SocketLine | undefined
  /** What is said over the line goes through it. */
  gate: (run: () => void) => void
  /** What came before `accept`. */
  waiting: (Message | Close)[]
}

type CloseEventInit = EventInit & { code?: number; reason?: string; wasClean?: boolean }

const atOnce = (run: () => void): void => run()

const OPEN = 1
const CLOSING = 2
const CLOSED = 3
const STATES = { CONNECTING: 0, OPEN, CLOSING, CLOSED }
const NO_CODE = 1005
const MOST_REASON_BYTES = 123

export function create(deps: WebSocketDeps): WebSocketPart {
  const { events } = deps
  const token = {}
  let sideOf!: (socket: object) => Side
  let isSocket!: (value: unknown) => boolean

  class CloseEvent extends events.Event {
    readonly #code: number
    readonly #reason: string
    readonly #wasClean: boolean

    constructor(type: string, init: CloseEventInit = {}) {
      if (arguments.length === 0) throw new TypeError('CloseEvent: 1 argument is required, 0 given')
      super(type, init)
      this.#code = Number(init?.code ?? 0) & 0xffff
      this.#reason = init?.reason === undefined ? '' : `${init.reason}`
      this.#wasClean = Boolean(init?.wasClean)
    }
    get code(): number {
      return this.#code
    }
    get reason(): string {
      return this.#reason
    }
    get wasClean(): boolean {
      return this.#wasClean
    }
  }

  class WebSocket extends events.EventTarget {
    readonly #side: Side
    #binaryType = 'arraybuffer'

    static {
      sideOf = (socket) => (socket as WebSocket).#side
      isSocket = (value) => typeof value === 'object' && value !== null && #side in value
    }

    constructor(given: unknown) {
      if (given !== token) {
        throw deps.domException(
          'NotSupportedError',
          'WebSocket: a service cannot open connections to other servers; it answers its own clients with a WebSocketPair',
        )
      }
      super()
      this.#side = {
        socket: this,
        use: 'fresh',
        readyState: OPEN,
        peer: undefined,
        line: undefined,
        gate: atOnce,
        waiting: [],
      }
    }

    accept(): void {
      const side = this.#side
      if (side.use === 'sent') throw new TypeError('accept: this end was given to a response')
      if (side.use === 'accepted') return
      side.use = 'accepted'
      const { waiting } = side
      side.waiting = []
      for (const item of waiting) deps.queueTask(() => run(side, item))
    }

    send(data: unknown): void {
      if (arguments.length === 0) throw new TypeError('send: 1 argument is required, 0 given')
      const side = this.#side
      if (side.use !== 'accepted') throw new TypeError('send: call accept() first')
      if (side.readyState !== OPEN) throw new TypeError('send: the WebSocket is closed')
      const value = deps.toData(data)
      if (side.line !== undefined) sendTo(side, side.line, value)
      else if (side.peer !== undefined) deliver(side.peer, { data: value })
    }

    close(code: unknown = undefined, reason: unknown = undefined): void {
      const side = this.#side
      const status = code === undefined ? (reason === undefined ? 0 : 1000) : toStatus(code)
      const text = reason === undefined ? '' : `${reason as string}`.toWellFormed()
      if (deps.encode(text).length > MOST_REASON_BYTES) {
        throw deps.domException('SyntaxError', `close: the reason may have ${MOST_REASON_BYTES} bytes`)
      }
      if (side.use === 'sent') throw new TypeError('close: this end was given to a response')
      if (side.readyState !== OPEN) return
      side.readyState = CLOSING
      const { line, peer } = side
      if (line !== undefined) return side.gate(() => line.close(status, text))
      if (peer === undefined) return
      const end = { code: status === 0 ? NO_CODE : status, reason: text, clean: true, failed: false }
      deliver(peer, { ...end, done: () => deliver(side, { ...end, done: () => undefined }) })
    }

    get readyState(): number {
      return this.#side.readyState
    }
    get bufferedAmount(): number {
      return this.#side.line?.bufferedAmount ?? 0
    }
    get binaryType(): string {
      return this.#binaryType
    }
    set binaryType(value: unknown) {
      if (value === 'arraybuffer' || value === 'blob') this.#binaryType = value
    }
    get url(): null {
      return null
    }
    get protocol(): string {
      return ''
    }
    get extensions(): string {
      return ''
    }
  }
  for (const [name, value] of Object.entries(STATES)) {
    Object.defineProperty(WebSocket, name, { value, enumerable: true })
    Object.defineProperty(WebSocket.prototype, name, { value, enumerable: true })
  }
  events.defineHandlers(WebSocket.prototype, 'open', 'message', 'close', 'error')

  class WebSocketPair {
    readonly 0: WebSocket
    readonly 1: WebSocket
    constructor() {
      this[0] = new WebSocket(token)
      this[1] = new WebSocket(token)
      sideOf(this[0]).peer = sideOf(this[1])
      sideOf(this[1]).peer = sideOf(this[0])
    }
  }

  /** In the order of arrival, each in a task of its own. */
  function deliver(side: Side, item: Message | Close): void {
    if (side.use === 'accepted') deps.queueTask(() => run(side, item))
    else side.waiting.push(item)
  }

  function sendTo(side: Side, line: SocketLine, data: string | Uint8Array): void {
    side.gate(() => {
      // A line over which too much waits is closed.
      if (!line.send(data) && side.readyState === OPEN) side.readyState = CLOSING
    })
  }

  function run(side: Side, item: Message | Close): void {
    const work = (): void => ('data' in item ? runMessage(side, item) : runClose(side, item))
    try {
      if (side.line === undefined) work()
      else side.line.run(work)
    } finally {
      if ('data' in item) item.taken?.()
      else item.done()
    }
  }

  function runMessage(side: Side, { data }: Message): void {
    if (side.readyState !== OPEN) return
    const blob = (side.socket as WebSocket).binaryType === 'blob'
    const shown = typeof data === 'string' ? data : blob ? deps.blobOf(data) : data.buffer
    events.fire(side.socket, new deps.MessageEvent('message', { data: shown }))
  }

  function runClose(side: Side, { code, reason, clean, failed }: Close): void {
    if (side.readyState === CLOSED) return
    side.readyState = CLOSED
    if (failed) events.fire(side.socket, new events.Event('error'))
    events.fire(side.socket, new CloseEvent('close', { code, reason, wasClean: clean }) as Event)
  }

  function toStatus(code: unknown): number {
    const status = Math.trunc(Number(code))
    const isAllowed =
      (status >= 3000 && status <= 4999) ||
      (status >= 1000 && status <= 1014 && status !== 1004 && status !== 1005 && status !== 1006)
    if (isAllowed) return status
    throw deps.domException('InvalidAccessError', `close: ${String(code)} is no code that may be sent`)
  }

  function endOf(side: Side, kept: Side): SocketEnd {
    return {
      connect(line) {
        kept.line = line
        const { waiting } = side
        side.waiting = []
        for (const item of waiting) {
          if ('data' in item) sendTo(kept, line, item.data)
          else kept.gate(() => line.close(item.code === NO_CODE ? 0 : item.code, item.reason))
        }
      },
      receive(isText, bytes, taken) {
        deliver(kept, { data: isText ? deps.decode(bytes) : deps.bytesOf(bytes), taken })
      },
      closed({ code, reason, clean, failed }, done) {
        // Nobody may ever look at what waits for an end that was not accepted.
        const isHeard = kept.use === 'accepted'
        deliver(kept, {
          code,
          reason: deps.decode(reason),
          clean,
          failed,
          done: isHeard ? done : () => undefined,
        })
        if (!isHeard) done()
      },
    }
  }

  return {
    globals: { CloseEvent, WebSocket, WebSocketPair },
    isSocket,
    gate(socket, gate, ofPeer) {
      const side = sideOf(socket)
      const gated = ofPeer ? side.peer : side
      if (gated?.gate === atOnce) gated.gate = gate
    },
    take(socket) {
      const side = sideOf(socket)
      const { peer } = side
      if (side.use !== 'fresh')
        throw new TypeError('Response: this webSocket was accepted or used in a response already')
      if (peer === undefined || peer.use === 'sent')
        throw new TypeError('Response: the other end of this webSocket is in use by another response')
      side.use = 'sent'
      side.readyState = CLOSED
      return endOf(side, peer)
    },
  }
}
