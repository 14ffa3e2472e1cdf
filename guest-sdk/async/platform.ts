/**
 * What the library needs of where it runs, so that guests and hosts share it: signals that the platform's own operations
 * understand, timers, a clock. The library itself has no power: in a guest it is as much the guest's as code of its own.
 */

/** As much of an AbortSignal as is read here. */
export interface SignalLike {
  readonly aborted: boolean
  readonly reason: unknown
}

export interface AsyncPlatform<Signal extends SignalLike> {
  createAbort(): { readonly signal: Signal; abort(reason: unknown): void }
  /** Calls back once, when it aborts, and not if it has already; returns what ends that. */
  onAbort(signal: Signal, listener: (reason: unknown) => void): () => void
  setTimeout(callback: () => void, ms: number): unknown
  clearTimeout(timer: unknown): void
  /** Epoch milliseconds. */
  now(): number
  /** From 0 up to 1. */
  random(): number
}

/** What every piece of work is given, and what all that it begins can be given in turn: `fetch(url, task)`. */
export interface TaskScope<Signal> {
  /** Aborts when nobody wants the work any more, or its time is over. */
  readonly signal: Signal
  /** When its time is over (epoch milliseconds); Infinity: never. */
  readonly deadlineMs: number
}

export interface ScopeOptions<Signal> {
  /** Cancels the work when it aborts. A signal of this library brings its deadline with it. */
  readonly signal?: Signal | undefined
  /** Ends the work then (epoch milliseconds), unless something it belongs to ends earlier. */
  readonly deadlineMs?: number | undefined
}

export type Work<Signal, Value> = (scope: TaskScope<Signal>) => Value | PromiseLike<Value>

/** Somebody did not want it any more: `name` is AbortError, `code` VELA_TASK_CANCELED. */
export class TaskCanceled extends Error {
  override readonly name = 'AbortError'
  readonly code = 'VELA_TASK_CANCELED'
}

/** Its deadline has passed: `name` is TimeoutError, `code` VELA_TASK_TIMEOUT. */
export class TaskTimeout extends Error {
  override readonly name = 'TimeoutError'
  readonly code = 'VELA_TASK_TIMEOUT'
}

/** The longest that a timer of any platform takes at once. */
const LONGEST_DELAY_MS = 2_147_483_647

/** Calls back after that time, however long; returns what ends that. Infinity: never. */
export function after(
  platform: Pick<AsyncPlatform<never>, 'setTimeout' | 'clearTimeout' | 'now'>,
  ms: number,
  callback: () => void,
): () => void {
  if (ms === Infinity) return () => undefined
  const dueMs = platform.now() + ms
  const arm = (leftMs: number): unknown =>
    platform.setTimeout(
      () => {
        const restMs = dueMs - platform.now()
        if (leftMs > LONGEST_DELAY_MS && restMs > 0) timer = arm(restMs)
        else callback()
      },
      Math.min(leftMs, LONGEST_DELAY_MS),
    )
  let timer = arm(ms)
  return () => platform.clearTimeout(timer)
}
