/**
 * AbortController and AbortSignal (DOM Standard). A signal made by `any` is kept by its sources only while somebody
 * listens to it, so that a long-lived signal does not collect one dependent for each request.
 */
import { domException } from './dom-exception.ts'
import type { EventsKit, EventTarget } from './events.ts'

export interface AbortSignal extends EventTarget {
  readonly aborted: boolean
  readonly reason: unknown
  onabort: unknown
  throwIfAborted(): void
}

export interface AbortController {
  readonly signal: AbortSignal
  abort(reason?: unknown): void
}

export interface AbortKit {
  readonly AbortSignal: (new (token: never) => AbortSignal) & {
    abort(reason?: unknown): AbortSignal
    timeout(milliseconds: number): AbortSignal
    any(signals: Iterable<AbortSignal>): AbortSignal
  }
  readonly AbortController: new () => AbortController
  isSignal(value: unknown): value is AbortSignal
  createSignal(): AbortSignal
  abort(signal: AbortSignal, reason: unknown): void
  /** A signal that aborts when any of these does. */
  any(signals: readonly AbortSignal[]): AbortSignal
  throwIfAborted(signal: AbortSignal): void
  /** Calls back once, when it aborts; returns what ends that. Not to be redirected by a guest's patches. */
  onAbort(signal: AbortSignal, listener: (reason: unknown) => void): () => void
}

interface State {
  aborted: boolean
  reason: unknown
  /** Signals made by `any` that follow this one; each keeps its sources alive, not the other way round. */
  dependents: WeakRef<AbortSignal>[]
  /** The same, those that have listeners: they must be told even if nobody else holds them. */
  readonly pinned: Set<AbortSignal>
  sources: AbortSignal[]
}

export function createAbortKit(
  events: EventsKit,
  setTimeout: (fn: () => void, ms: number) => number,
): AbortKit {
  const token = {}
  let stateOf!: (signal: unknown) => State
  let isSignal!: AbortKit['isSignal']

  class Signal extends events.EventTarget {
    readonly #state: State = {
      aborted: false,
      reason: undefined,
      dependents: [],
      sources: [],
      pinned: new Set(),
    }

    static {
      stateOf = (signal) => (signal as Signal).#state
      isSignal = (value): value is AbortSignal =>
        typeof value === 'object' && value !== null && #state in value
      events.defineHandlers(Signal.prototype, 'abort')
    }

    constructor(given: unknown = undefined) {
      if (given !== token) throw new TypeError('Illegal constructor: use AbortController')
      super()
    }

    static abort(reason: unknown = undefined): AbortSignal {
      const signal = createSignal()
      abort(signal, reason)
      return signal
    }

    static timeout(milliseconds: number): AbortSignal {
      const ms = Math.trunc(Number(milliseconds))
      if (!(ms >= 0 && ms <= Number.MAX_SAFE_INTEGER)) {
        throw new TypeError(
          'AbortSignal.timeout: the time must be a whole number of milliseconds, not negative',
        )
      }
      const signal = createSignal()
      setTimeout(() => abort(signal, domException('TimeoutError', 'The operation timed out')), ms)
      return signal
    }

    static any(signals: Iterable<AbortSignal>): AbortSignal {
      const list = Array.from(signals)
      if (!list.every(isSignal)) throw new TypeError('AbortSignal.any: every item must be an AbortSignal')
      return any(list)
    }

    get aborted(): boolean {
      return this.#state.aborted
    }

    get reason(): unknown {
      return this.#state.reason
    }

    override addEventListener(type: string, callback: unknown, options: unknown = {}): void {
      super.addEventListener(type, callback, options)
      for (const source of this.#state.sources) stateOf(source).pinned.add(this as unknown as AbortSignal)
    }

    throwIfAborted(): void {
      if (this.#state.aborted) throw this.#state.reason
    }
  }

  const { addEventListener, removeEventListener, throwIfAborted } = Signal.prototype
  const createSignal = (): AbortSignal => new Signal(token) as unknown as AbortSignal

  function abort(signal: AbortSignal, reason: unknown): void {
    const state = stateOf(signal)
    if (state.aborted) return
    const why = reason === undefined ? domException('AbortError', 'This operation was aborted') : reason
    // All that follow are aborted before any listener runs.
    const reached = [signal]
    state.aborted = true
    state.reason = why
    for (const reference of state.dependents) {
      const dependent = reference.deref()
      if (dependent === undefined || stateOf(dependent).aborted) continue
      stateOf(dependent).aborted = true
      stateOf(dependent).reason = why
      release(dependent)
      reached.push(dependent)
    }
    state.dependents = []
    release(signal)
    for (const one of reached) events.fire(one, new events.Event('abort'))
  }

  /** What has aborted follows nobody. */
  function release(signal: AbortSignal): void {
    const state = stateOf(signal)
    for (const source of state.sources) stateOf(source).pinned.delete(signal)
    state.sources = []
  }

  function any(signals: readonly AbortSignal[]): AbortSignal {
    const result = createSignal()
    const state = stateOf(result)
    const first = signals.find((signal) => stateOf(signal).aborted)
    if (first !== undefined) {
      state.aborted = true
      state.reason = stateOf(first).reason
      return result
    }
    for (const signal of signals) {
      // A dependent signal is flattened to what it depends on, so that chains do not grow.
      const { sources } = stateOf(signal)
      for (const source of sources.length === 0 ? [signal] : sources) {
        if (state.sources.includes(source)) continue
        state.sources.push(source)
        const followed = stateOf(source)
        followed.dependents = followed.dependents.filter((reference) => reference.deref() !== undefined)
        followed.dependents.push(new WeakRef(result))
      }
    }
    return result
  }

  class AbortController {
    #signal: AbortSignal | undefined

    // Made when asked for: most controllers of a request are only there in case.
    get signal(): AbortSignal {
      return (this.#signal ??= createSignal())
    }

    abort(reason: unknown = undefined): void {
      abort(this.signal, reason)
    }
  }

  return {
    AbortSignal: Signal as unknown as AbortKit['AbortSignal'],
    AbortController,
    isSignal,
    createSignal,
    abort,
    any,
    throwIfAborted: (signal) => Reflect.apply(throwIfAborted, signal, []),
    onAbort(signal, listener) {
      const heard = (): void => listener(stateOf(signal).reason)
      Reflect.apply(addEventListener, signal, ['abort', heard, { once: true }])
      return () => Reflect.apply(removeEventListener, signal, ['abort', heard])
    },
  }
}
