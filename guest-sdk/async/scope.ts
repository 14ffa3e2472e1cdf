/**
 * The tree of what is cancelled together. A scope aborts with its parent, at its deadline, or by itself, and then tells
 * those inside it; when its work is over it lets go of all, so that nothing of it stays: no timer, no listener.
 */
import {
  TaskTimeout,
  after,
  type AsyncPlatform,
  type ScopeOptions,
  type SignalLike,
  type TaskScope,
} from './platform.ts'

export interface Scope<Signal> {
  /** What the work is given. */
  readonly view: TaskScope<Signal>
  readonly aborted: { readonly reason: unknown } | undefined
  readonly deadlineMs: number
  /** It has aborted or ended. */
  readonly isOver: boolean
  abort(reason: unknown): void
  /** Calls back once, at once if it is aborted already; returns what ends that. */
  onAbort(listener: (reason: unknown) => void): () => void
  throwIfAborted(): void
  /** The work is over. */
  end(): void
}

/** `parent`: followed beside `options.signal`. */
export type ScopeFactory<Signal> = (options?: ScopeOptions<Signal>, parent?: Scope<Signal>) => Scope<Signal>

export function createScopes<Signal extends SignalLike>(
  platform: AsyncPlatform<Signal>,
): ScopeFactory<Signal> {
  /** The scopes of signals that were made here: to follow one needs no event, and it brings its deadline. */
  const scopeOfSignal = new WeakMap<Signal, Scope<Signal>>()

  return (options = {}, parent) => {
    const { signal: outer } = options
    const followed = outer === undefined ? undefined : scopeOfSignal.get(outer)
    const inheritedMs = Math.min(parent?.deadlineMs ?? Infinity, followed?.deadlineMs ?? Infinity)
    const deadlineMs = Math.min(deadlineOf(options.deadlineMs), inheritedMs)
    const listeners = new Set<(reason: unknown) => void>()
    let handle: ReturnType<AsyncPlatform<Signal>['createAbort']> | undefined
    let aborted: { readonly reason: unknown } | undefined
    let isOver = false
    const ties: (() => void)[] = []

    const letGo = (): void => {
      isOver = true
      for (const loosen of ties.splice(0)) loosen()
    }
    const abort = (reason: unknown): void => {
      if (isOver) return
      letGo()
      aborted = { reason }
      handle?.abort(reason)
      for (const listener of listeners) listener(reason)
      listeners.clear()
    }

    const scope: Scope<Signal> = {
      view: {
        // Made when asked for: most work never looks at it.
        get signal() {
          if (handle === undefined) {
            handle = platform.createAbort()
            scopeOfSignal.set(handle.signal, scope)
            if (aborted !== undefined) handle.abort(aborted.reason)
          }
          return handle.signal
        },
        deadlineMs,
      },
      get aborted() {
        return aborted
      },
      deadlineMs,
      get isOver() {
        return isOver
      },
      abort,
      onAbort(listener) {
        if (aborted !== undefined) listener(aborted.reason)
        else if (!isOver) listeners.add(listener)
        return () => listeners.delete(listener)
      },
      throwIfAborted() {
        if (aborted !== undefined) throw aborted.reason
      },
      end() {
        if (isOver) return
        letGo()
        listeners.clear()
      },
    }

    try {
      if (parent !== undefined) ties.push(parent.onAbort(abort))
      if (outer !== undefined && !isOver) ties.push(follow(outer, followed, abort))
      // What ends those it follows ends it, too.
      if (!isOver && deadlineMs < inheritedMs) {
        const leftMs = deadlineMs - platform.now()
        if (leftMs <= 0) abort(passed(deadlineMs))
        else ties.push(after(platform, leftMs, () => abort(passed(deadlineMs))))
      }
    } catch (thrown) {
      // No signal, or one timer too many: what was tied already is loosened.
      letGo()
      throw thrown
    }
    return scope
  }

  function follow(
    signal: Signal,
    known: Scope<Signal> | undefined,
    abort: (reason: unknown) => void,
  ): () => void {
    if (known !== undefined) return known.onAbort(abort)
    if (!signal.aborted) return platform.onAbort(signal, abort)
    abort(signal.reason)
    return nothing
  }
}

const nothing = (): void => undefined

const passed = (deadlineMs: number): TaskTimeout =>
  new TaskTimeout(`The deadline has passed (${new Date(deadlineMs).toISOString()})`)

function deadlineOf(deadlineMs: number | undefined): number {
  if (deadlineMs === undefined) return Infinity
  if (typeof deadlineMs !== 'number' || Number.isNaN(deadlineMs)) {
    throw new RangeError('deadlineMs is a time in milliseconds since the epoch, such as Date.now() + 1000')
  }
  return deadlineMs
}
