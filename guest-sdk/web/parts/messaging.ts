/**
 * MessageChannel, MessagePort and MessageEvent (HTML) within one guest. A message is cloned when it is posted and
 * delivered by a task of its own, in the order of posting; what a port holds that nobody started is the guest's memory.
 */
import { dictionary } from '../dictionary.ts'
import type { Event, EventInit, EventsKit } from '../event-types.ts'
import { transferOf } from '../transfer-list.ts'

export interface MessagingDeps {
  readonly events: EventsKit
  domException(name: string, message: string): Error
  /** A structured clone and, in the order of `transfer`, what came of the transferred objects. */
  clone(value: unknown, transfer: readonly object[]): { value: unknown; moved: readonly object[] }
  queueTask(run: () => void): void
}

export interface MessagingPart {
  readonly globals: Readonly<Record<string, unknown>>
  /**
   * For transfers: a port that will take this one's place, and what moves it there. `undefined`: not a port; throws a
   * DataCloneError for one that was closed or moved already.
   */
  movePort(value: object): { readonly target: object; move(): void } | undefined
}

interface Message {
  readonly data: unknown
  readonly ports: readonly object[]
}

/** One end of a channel; it outlives the MessagePort object that stands for it, which a transfer replaces. */
interface End {
  port: object | undefined
  peer: End | undefined
  queue: Message[]
  started: boolean
}

/** What a MessageEvent says. */
interface Content {
  readonly data: unknown
  readonly origin: string
  readonly lastEventId: string
  readonly source: unknown
  readonly ports: readonly unknown[]
}

interface MessageEventInit extends EventInit {
  data?: unknown
  origin?: string
  lastEventId?: string
  source?: unknown
  ports?: Iterable<unknown>
}

export function create(deps: MessagingDeps): MessagingPart {
  const { events } = deps
  const token = {}
  let endOf!: (port: object) => End
  let setEnd!: (port: object, end: End) => void
  let isPort!: (value: object) => boolean

  const { initEvent } = events.Event.prototype as unknown as {
    initEvent(type: string, bubbles: boolean, cancelable: boolean): void
  }

  class MessageEvent extends events.Event {
    #content: Content

    constructor(type: string, init: MessageEventInit = {}) {
      if (arguments.length === 0) throw new TypeError('MessageEvent: 1 argument is required, 0 given')
      super(type, init)
      const { data, origin, lastEventId, source, ports } = dictionary(init, 'MessageEvent')
      this.#content = contentOf(data, origin, lastEventId, source, ports)
    }
    get data(): unknown {
      return this.#content.data
    }
    get origin(): string {
      return this.#content.origin
    }
    get lastEventId(): string {
      return this.#content.lastEventId
    }
    get source(): unknown {
      return this.#content.source
    }
    get ports(): readonly unknown[] {
      return this.#content.ports
    }
    initMessageEvent(
      type: string,
      bubbles: boolean = false,
      cancelable: boolean = false,
      data: unknown = null,
      origin: string = '',
      lastEventId: string = '',
      source: unknown = null,
      ports: Iterable<unknown> = [],
    ): void {
      if (arguments.length === 0) throw new TypeError('initMessageEvent: 1 argument is required, 0 given')
      const content = contentOf(data, origin, lastEventId, source, ports)
      // While it is being dispatched it stays what it is.
      if (this.eventPhase !== 0) return
      Reflect.apply(initEvent, this, [type, bubbles, cancelable])
      this.#content = content
    }
  }

  function contentOf(
    data: unknown,
    origin: unknown,
    lastEventId: unknown,
    source: unknown,
    ports: Iterable<unknown> | undefined,
  ): Content {
    const list = Object.freeze(Array.from(ports ?? []))
    for (const port of list) {
      if (typeof port !== 'object' || port === null || !isPort(port))
        throw new TypeError('MessageEvent: ports must be a list of MessagePort')
    }
    return {
      data: data === undefined ? null : data,
      origin: origin === undefined ? '' : `${origin as string}`,
      lastEventId: lastEventId === undefined ? '' : `${lastEventId as string}`,
      source: source ?? null,
      ports: list,
    }
  }

  class MessagePort extends events.EventTarget {
    #end: End

    static {
      endOf = (port) => (port as MessagePort).#end
      setEnd = (port, end) => {
        ;(port as MessagePort).#end = end
      }
      isPort = (value) => #end in value
    }

    constructor(given: unknown = undefined) {
      if (given !== token) throw new TypeError('Illegal constructor: use MessageChannel')
      super()
      this.#end = { port: this, peer: undefined, queue: [], started: false }
    }
    postMessage(message: unknown, options: unknown = undefined): void {
      if (arguments.length === 0) throw new TypeError('postMessage: 1 argument is required, 0 given')
      const transfer = transferOf(options)
      if (transfer.includes(this)) {
        throw deps.domException('DataCloneError', 'A port cannot be transferred through itself')
      }
      const { peer } = this.#end
      // A port that is sent to itself can be heard by nobody: the channel is lost, as the specs have it.
      const doomed = transfer.some((item) => isPort(item) && endOf(item) === peer)
      const { value, moved } = deps.clone(message, transfer)
      if (peer === undefined || doomed) return
      peer.queue.push({ data: value, ports: moved.filter(isPort) })
      if (peer.started) deps.queueTask(() => deliver(peer))
    }
    start(): void {
      const end = this.#end
      if (end.started || end.port === undefined) return
      end.started = true
      for (let waiting = end.queue.length; waiting > 0; waiting--) deps.queueTask(() => deliver(end))
    }
    close(): void {
      const end = this.#end
      const { peer } = end
      end.port = undefined
      end.peer = undefined
      end.queue = []
      if (peer === undefined) return
      peer.peer = undefined
      deps.queueTask(() => {
        if (peer.port !== undefined) events.fire(peer.port, new events.Event('close'))
      })
    }
  }
  events.defineHandlers(MessagePort.prototype, 'message', 'messageerror', 'close')
  startOnAssignment(MessagePort.prototype)

  class MessageChannel {
    readonly #port1 = new MessagePort(token)
    readonly #port2 = new MessagePort(token)
    constructor() {
      endOf(this.#port1).peer = endOf(this.#port2)
      endOf(this.#port2).peer = endOf(this.#port1)
    }
    get port1(): MessagePort {
      return this.#port1
    }
    get port2(): MessagePort {
      return this.#port2
    }
  }

  function deliver(end: End): void {
    if (!end.started || end.port === undefined) return
    const message = end.queue.shift()
    if (message === undefined) return
    events.fire(end.port, new MessageEvent('message', message) as Event)
  }

  return {
    globals: { MessageChannel, MessageEvent, MessagePort },
    movePort(value) {
      if (!isPort(value)) return undefined
      const end = endOf(value)
      if (end.port === undefined) {
        throw deps.domException(
          'DataCloneError',
          'A port that was closed or transferred cannot be transferred',
        )
      }
      const target = new MessagePort(token)
      return {
        target,
        move() {
          end.port = target
          end.started = false
          setEnd(target, end)
          setEnd(value, { port: undefined, peer: undefined, queue: [], started: false })
        },
      }
    },
  }
}

/** Assigning `onmessage` starts a port; adding a listener does not. */
function startOnAssignment(prototype: { start(): void }): void {
  const descriptor = Object.getOwnPropertyDescriptor(prototype, 'onmessage')
  const { start } = prototype
  Object.defineProperty(prototype, 'onmessage', {
    ...descriptor,
    set(this: object, value: unknown) {
      descriptor?.set?.call(this, value)
      Reflect.apply(start, this, [])
    },
  })
}
