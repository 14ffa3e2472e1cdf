/** Event, CustomEvent and EventTarget (DOM Standard) without a tree: the target is the whole path. */
import { domException } from './dom-exception.ts'
import type { EventInit, EventsKit } from './event-types.ts'

export type { Event, EventInit, EventsKit, EventTarget } from './event-types.ts'

interface EventState {
  type: string
  bubbles: boolean
  cancelable: boolean
  composed: boolean
  target: unknown
  currentTarget: unknown
  canceled: boolean
  stopped: boolean
  stoppedAtOnce: boolean
  dispatching: boolean
  passive: boolean
  trusted: boolean
  timeStamp: number
}

interface Listener {
  type: string
  callback: unknown
  capture: boolean
  once: boolean
  passive: boolean
  removed: boolean
}

/** What AbortSignal offers to `addEventListener`'s `signal`. */
interface SignalLike {
  readonly aborted: boolean
  addEventListener(type: string, callback: () => void): void
}

export function createEvents(now: () => number, reportError: (error: unknown) => void): EventsKit {
  let stateOf!: (event: unknown) => EventState
  let listenersOf!: (target: unknown) => Listener[]

  class Event {
    readonly #state: EventState

    static {
      stateOf = (event) => (event as Event).#state
    }

    constructor(type: string, init: EventInit = {}) {
      if (arguments.length === 0) throw new TypeError('Event: 1 argument is required, 0 given')
      this.#state = {
        type: `${type}`,
        bubbles: Boolean(init?.bubbles),
        cancelable: Boolean(init?.cancelable),
        composed: Boolean(init?.composed),
        target: null,
        currentTarget: null,
        canceled: false,
        stopped: false,
        stoppedAtOnce: false,
        dispatching: false,
        passive: false,
        trusted: false,
        timeStamp: now(),
      }
    }

    get type(): string {
      return this.#state.type
    }
    get target(): unknown {
      return this.#state.target
    }
    get srcElement(): unknown {
      return this.#state.target
    }
    get currentTarget(): unknown {
      return this.#state.currentTarget
    }
    get eventPhase(): number {
      return this.#state.dispatching ? 2 : 0
    }
    get bubbles(): boolean {
      return this.#state.bubbles
    }
    get cancelable(): boolean {
      return this.#state.cancelable
    }
    get composed(): boolean {
      return this.#state.composed
    }
    get defaultPrevented(): boolean {
      return this.#state.canceled
    }
    get returnValue(): boolean {
      return !this.#state.canceled
    }
    get isTrusted(): boolean {
      return this.#state.trusted
    }
    get timeStamp(): number {
      return this.#state.timeStamp
    }
    get cancelBubble(): boolean {
      return this.#state.stopped
    }
    set cancelBubble(value: boolean) {
      if (value) this.#state.stopped = true
    }
    composedPath(): unknown[] {
      return this.#state.dispatching ? [this.#state.currentTarget] : []
    }
    preventDefault(): void {
      const state = this.#state
      if (state.cancelable && !state.passive) state.canceled = true
    }
    stopPropagation(): void {
      this.#state.stopped = true
    }
    stopImmediatePropagation(): void {
      this.#state.stopped = true
      this.#state.stoppedAtOnce = true
    }
  }
  for (const [phase, value] of Object.entries({
    NONE: 0,
    CAPTURING_PHASE: 1,
    AT_TARGET: 2,
    BUBBLING_PHASE: 3,
  })) {
    Object.defineProperty(Event, phase, { value, enumerable: true })
    Object.defineProperty(Event.prototype, phase, { value, enumerable: true })
  }

  class CustomEvent extends Event {
    readonly #detail: unknown
    constructor(type: string, init: EventInit & { detail?: unknown } = {}) {
      super(type, init)
      this.#detail = init?.detail ?? null
    }
    get detail(): unknown {
      return this.#detail
    }
  }

  class EventTarget {
    #listeners: Listener[] = []

    static {
      listenersOf = (target) => (target as EventTarget).#listeners
    }

    addEventListener(type: string, callback: unknown, options: unknown = {}): void {
      if (arguments.length < 2) throw new TypeError('addEventListener: 2 arguments are required')
      const name = `${type}`
      const { capture, once, passive, signal } = listenerOptions(options)
      if (signal !== undefined && typeof (signal as SignalLike).addEventListener !== 'function') {
        throw new TypeError('addEventListener: signal is no AbortSignal')
      }
      if (callback === null || callback === undefined || (signal as SignalLike | undefined)?.aborted === true)
        return
      if (typeof callback !== 'object' && typeof callback !== 'function') {
        throw new TypeError('addEventListener: the listener is neither a function nor an object')
      }
      const listeners = this.#listeners
      if (listeners.some((l) => l.type === name && l.callback === callback && l.capture === capture)) return
      const listener = { type: name, callback, capture, once, passive, removed: false }
      listeners.push(listener)
      ;(signal as SignalLike | undefined)?.addEventListener('abort', () => remove(listeners, listener))
    }

    removeEventListener(type: string, callback: unknown, options: unknown = {}): void {
      if (arguments.length < 2) throw new TypeError('removeEventListener: 2 arguments are required')
      const name = `${type}`
      const { capture } = listenerOptions(options)
      const listeners = this.#listeners
      const found = listeners.find((l) => l.type === name && l.callback === callback && l.capture === capture)
      if (found !== undefined) remove(listeners, found)
    }

    dispatchEvent(event: Event): boolean {
      const state = stateOf(event)
      if (state.dispatching) throw domException('InvalidStateError', 'This event is being dispatched already')
      state.trusted = false
      return dispatch(this, this.#listeners, event, state)
    }
  }

  function dispatch(target: object, listeners: Listener[], event: Event, state: EventState): boolean {
    state.target = target
    state.currentTarget = target
    state.dispatching = true
    // Listeners added by a listener are not for this event; removed ones are skipped.
    const snapshot = listeners.filter((listener) => listener.type === state.type)
    // Capturing listeners come first, also at the target itself.
    if (!state.stopped) run(snapshot.filter((listener) => listener.capture))
    if (!state.stopped) run(snapshot.filter((listener) => !listener.capture))
    function run(some: readonly Listener[]): void {
      for (const listener of some) {
        if (listener.removed) continue
        if (state.stoppedAtOnce) return
        if (listener.once) remove(listeners, listener)
        state.passive = listener.passive
        try {
          const { callback } = listener
          if (typeof callback === 'function') Reflect.apply(callback, target, [event])
          else (callback as { handleEvent(event: unknown): void }).handleEvent(event)
        } catch (error) {
          reportError(error)
        }
        state.passive = false
      }
    }
    state.dispatching = false
    state.currentTarget = null
    state.stopped = false
    state.stoppedAtOnce = false
    return !state.canceled
  }

  function defineHandlers(prototype: object, ...types: string[]): void {
    for (const type of types) {
      const handlers = new WeakMap<object, { handler: unknown }>()
      Object.defineProperty(prototype, `on${type}`, {
        configurable: true,
        enumerable: true,
        get(this: object): unknown {
          return handlers.get(this)?.handler ?? null
        },
        set(this: object, value: unknown) {
          const handler =
            typeof value === 'function' || (typeof value === 'object' && value !== null) ? value : null
          const slot = handlers.get(this)
          if (slot !== undefined) {
            slot.handler = handler
            return
          }
          if (handler === null) return
          // The handler keeps the place in the order that its first assignment gave it.
          const fresh = { handler: handler as unknown }
          handlers.set(this, fresh)
          ;(this as EventTarget).addEventListener(type, (event: unknown) => {
            if (typeof fresh.handler === 'function') Reflect.apply(fresh.handler, this, [event])
          })
        },
      })
    }
  }

  return {
    Event,
    CustomEvent,
    EventTarget,
    fire(target, event) {
      const state = stateOf(event)
      state.trusted = true
      dispatch(target, listenersOf(target), event as never, state)
    },
    defineHandlers,
  }
}

function listenerOptions(options: unknown): {
  capture: boolean
  once: boolean
  passive: boolean
  signal: unknown
} {
  if (typeof options !== 'object' || options === null) {
    return { capture: Boolean(options), once: false, passive: false, signal: undefined }
  }
  const { capture, once, passive, signal } = options as Record<string, unknown>
  return { capture: Boolean(capture), once: Boolean(once), passive: Boolean(passive), signal }
}

function remove(listeners: Listener[], listener: Listener): void {
  listener.removed = true
  const index = listeners.indexOf(listener)
  if (index !== -1) listeners.splice(index, 1)
}
