/** EventTarget (DOM Standard) without a tree: the target is the whole path. */
import { domException } from './dom-exception.ts'
import { createEventClasses, type EventState } from './event-class.ts'
import type { CallHandler, Event, EventsKit } from './event-types.ts'

export type { Event, EventInit, EventsKit, EventTarget } from './event-types.ts'

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

/** `global` is an EventTarget too, by its prototype: what is called on it, or on nothing, means it. */
export function createEvents(
  now: () => number,
  reportError: (error: unknown) => void,
  global: object,
): EventsKit {
  const { Event, CustomEvent, stateOf } = createEventClasses(now)
  let listenersOf!: (target: unknown) => Listener[]

  class EventTarget {
    #listeners: Listener[] = []

    static {
      listenersOf = (target) => ((target ?? global) === global ? scope : (target as EventTarget)).#listeners
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
      const listeners = listenersOf(this)
      if (listeners.some((l) => l.type === name && l.callback === callback && l.capture === capture)) return
      const listener = { type: name, callback, capture, once, passive, removed: false }
      listeners.push(listener)
      ;(signal as SignalLike | undefined)?.addEventListener('abort', () => remove(listeners, listener))
    }

    removeEventListener(type: string, callback: unknown, options: unknown = {}): void {
      if (arguments.length < 2) throw new TypeError('removeEventListener: 2 arguments are required')
      const name = `${type}`
      const { capture } = listenerOptions(options)
      const listeners = listenersOf(this)
      const found = listeners.find((l) => l.type === name && l.callback === callback && l.capture === capture)
      if (found !== undefined) remove(listeners, found)
    }

    dispatchEvent(event: Event): boolean {
      const state = stateOf(event)
      if (state.dispatching) throw domException('InvalidStateError', 'This event is being dispatched already')
      state.trusted = false
      return dispatch(this ?? global, listenersOf(this), event, state)
    }
  }

  /** Has the listeners of `global`, which cannot have private fields of its own. */
  const scope = new EventTarget()

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

  function defineHandler(prototype: object, type: string, call: CallHandler): void {
    const handlers = new WeakMap<object, { handler: unknown }>()
    // An accessor of a literal has the name that it goes by.
    const holder = {
      get [`on${type}`](): unknown {
        // Throws for what is no EventTarget.
        listenersOf(this)
        return handlers.get((this as object | undefined) ?? global)?.handler ?? null
      },
      set [`on${type}`](value: unknown) {
        const target = (this as object | undefined) ?? global
        const handler =
          typeof value === 'function' || (typeof value === 'object' && value !== null) ? value : null
        const slot = handlers.get(target)
        if (slot !== undefined) {
          slot.handler = handler
          return
        }
        if (handler === null) return
        // The handler keeps the place in the order that its first assignment gave it.
        const fresh = { handler: handler as unknown }
        handlers.set(target, fresh)
        ;(target as EventTarget).addEventListener(type, (event: Event) => {
          if (typeof fresh.handler === 'function') call(fresh.handler, target, event)
        })
      },
    }
    Object.defineProperties(prototype, Object.getOwnPropertyDescriptors(holder))
  }

  return {
    Event,
    CustomEvent,
    EventTarget,
    fire(target, event) {
      const state = stateOf(event)
      state.trusted = true
      return dispatch(target, listenersOf(target), event, state)
    },
    listens: (target, type) => listenersOf(target).some((listener) => listener.type === type),
    defineHandler,
    defineHandlers(prototype, ...types) {
      for (const type of types) defineHandler(prototype, type, callHandler)
    },
  }
}

const callHandler: CallHandler = (handler, target, event) => {
  if (Reflect.apply(handler as () => unknown, target, [event]) === false) event.preventDefault()
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
