/** The faces of Event and EventTarget, apart from the classes that implement them (events.ts). */
export interface EventInit {
  bubbles?: boolean
  cancelable?: boolean
  composed?: boolean
}

export interface Event {
  readonly type: string
  readonly target: unknown
  readonly currentTarget: unknown
  readonly eventPhase: number
  readonly bubbles: boolean
  readonly cancelable: boolean
  readonly composed: boolean
  readonly defaultPrevented: boolean
  readonly isTrusted: boolean
  readonly timeStamp: number
  preventDefault(): void
  stopPropagation(): void
  stopImmediatePropagation(): void
  composedPath(): unknown[]
}

export interface EventTarget {
  addEventListener(type: string, callback: unknown, options?: unknown): void
  removeEventListener(type: string, callback: unknown, options?: unknown): void
  dispatchEvent(event: Event): boolean
}

/** Calls a handler attribute's function; with what it returns it may cancel the event. */
export type CallHandler = (handler: unknown, target: object, event: Event) => void

export interface EventsKit {
  readonly Event: new (type: string, init?: EventInit) => Event
  readonly CustomEvent: new (
    type: string,
    init?: EventInit & { detail?: unknown },
  ) => Event & { detail: unknown }
  readonly EventTarget: new () => EventTarget
  /** Dispatches an event of the runtime's own making: `isTrusted` is true. False when it was canceled. */
  fire(target: object, event: Event): boolean
  /** Whether anybody would hear an event of that type. */
  listens(target: object, type: string): boolean
  /** Defines the handler attributes (`onabort` …) on a prototype. */
  defineHandlers(prototype: object, ...types: string[]): void
  /** The same for one attribute whose handler is called in its own way. */
  defineHandler(prototype: object, type: string, call: CallHandler): void
}
