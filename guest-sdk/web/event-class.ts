/** Event and CustomEvent (DOM Standard): what a dispatch tells its listeners. The dispatch itself is in events.ts. */
import { dictionary } from './dictionary.ts'
import type { EventInit, EventsKit } from './event-types.ts'

export interface EventState {
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

export interface EventClasses extends Pick<EventsKit, 'Event' | 'CustomEvent'> {
  /** Throws a TypeError for what is no Event. */
  stateOf(event: unknown): EventState
}

export function createEventClasses(now: () => number): EventClasses {
  let stateOf!: EventClasses['stateOf']

  class Event {
    readonly #state: EventState

    static {
      stateOf = (event) => (event as Event).#state
    }

    constructor(type: string, init: EventInit = {}) {
      required(arguments.length, 1, 'Event')
      const { bubbles, cancelable, composed } = dictionary(init, 'Event')
      this.#state = {
        type: `${type}`,
        bubbles: Boolean(bubbles),
        cancelable: Boolean(cancelable),
        composed: Boolean(composed),
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
    set returnValue(value: boolean) {
      if (!value) cancel(this.#state)
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
      cancel(this.#state)
    }
    stopPropagation(): void {
      this.#state.stopped = true
    }
    stopImmediatePropagation(): void {
      this.#state.stopped = true
      this.#state.stoppedAtOnce = true
    }
    initEvent(type: string, bubbles: boolean = false, cancelable: boolean = false): void {
      required(arguments.length, 1, 'initEvent')
      initialize(this.#state, `${type}`, bubbles, cancelable)
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
    #detail: unknown
    constructor(type: string, init: EventInit & { detail?: unknown } = {}) {
      required(arguments.length, 1, 'CustomEvent')
      super(type, init)
      this.#detail = init?.detail ?? null
    }
    get detail(): unknown {
      return this.#detail
    }
    initCustomEvent(
      type: string,
      bubbles: boolean = false,
      cancelable: boolean = false,
      detail: unknown = null,
    ): void {
      required(arguments.length, 1, 'initCustomEvent')
      if (initialize(stateOf(this), `${type}`, bubbles, cancelable)) this.#detail = detail
    }
  }

  return { Event, CustomEvent, stateOf }
}

function cancel(state: EventState): void {
  if (state.cancelable && !state.passive) state.canceled = true
}

/** Does nothing, and says so, while the event is being dispatched. */
function initialize(state: EventState, type: string, bubbles: boolean, cancelable: boolean): boolean {
  if (state.dispatching) return false
  state.type = type
  state.bubbles = Boolean(bubbles)
  state.cancelable = Boolean(cancelable)
  state.target = null
  state.canceled = false
  state.stopped = false
  state.stoppedAtOnce = false
  state.trusted = false
  return true
}

function required(given: number, wanted: number, what: string): void {
  if (given < wanted) throw new TypeError(`${what}: ${wanted} argument is required, ${given} given`)
}
