/**
 * Tasks, futures and waiting, as services see them. The library behind it is guest-sdk/async; a test holds these types
 * against it.
 */
import type { GuestAbortSignal } from './web.ts'

/** What work is given, and what it can hand on: `fetch(url, { signal: task.signal })`, `taskGroup(body, task)`. */
export interface TaskScope {
  /** Aborts when nobody wants the work any more, or its time is over; `reason` says which. */
  readonly signal: GuestAbortSignal
  /** When its time is over (milliseconds since the epoch); Infinity if nothing has set an end. */
  readonly deadlineMs: number
}

/** Takes a `TaskScope`, too, and `ctx`: what is begun with them ends with them. */
export interface ScopeOptions {
  /** Cancels the work when it aborts. A signal of a `TaskScope` brings its deadline with it: the earlier one counts. */
  readonly signal?: GuestAbortSignal | undefined
  /** Ends the work then (milliseconds since the epoch): `Date.now() + 2_000`. */
  readonly deadlineMs?: number | undefined
}

/** Work as a function: called once, with the scope that says when to stop. */
export type Work<Value> = (scope: TaskScope) => Value | PromiseLike<Value>

/** What can be waited for. A function or a Future is given up when it is not needed; a plain promise cannot be. */
export type Waitable<Value> = Work<Value> | PromiseLike<Value>

/** See `deferred`. */
export interface Deferred<Value> {
  readonly promise: Promise<Value>
  /** Only the first call of `resolve` or `reject` counts. */
  resolve(value: Value | PromiseLike<Value>): void
  reject(reason: unknown): void
}

/** One task of a group. */
export interface Task<Value> {
  /** Its value; or rejects with what it threw, which has cancelled the group by then. */
  join(): Promise<Value>
  /** Aborts its signal, with an `AbortError` (`VELA_TASK_CANCELED`) if no reason is given. That is no failure of the group. */
  cancel(reason?: unknown): void
}

/** What the body of `taskGroup` is given: a scope that tasks can be started in. */
export interface TaskGroup extends TaskScope {
  /**
   * Starts a task now. Throws what has cancelled the group if it is cancelled, and `TypeError` once it has ended.
   * `deadlineMs` (milliseconds since the epoch) ends the task with a `TimeoutError` (`VELA_TASK_TIMEOUT`), a failure
   * like any other.
   */
  spawn<Value>(work: Work<Value>, options?: { readonly deadlineMs?: number | undefined }): Task<Value>
  /** Resolves when every task so far has ended; rejects with the first failure. */
  join(): Promise<void>
  /** Cancels all tasks. The group rejects with the reason once they have ended. */
  cancel(reason?: unknown): void
}

/** See `taskGroup`. */
export interface TaskGroupFunction {
  <Value>(body: (group: TaskGroup) => Value | PromiseLike<Value>, options?: ScopeOptions): Promise<Value>
}

/** How `Future.retry` does it. `RangeError` for what makes no sense. */
export interface RetryOptions {
  /** How often the work is done at most, the first time included. */
  readonly times: number
  /** The pause after the first failure (milliseconds); 100 if not given. */
  readonly backoffMs?: number | undefined
  /** What each further pause is multiplied by, at least 1; 2 if not given. */
  readonly factor?: number | undefined
  /** The longest pause (milliseconds); 30,000 if not given. */
  readonly maxBackoffMs?: number | undefined
  /** The part of a pause that is left to chance, from 0 to 1; 0 if not given. */
  readonly jitter?: number | undefined
  /** Whether a failure is worth another try; if not given, each is. */
  readonly retryIf?: ((error: unknown) => boolean) | undefined
}

/**
 * Work that has not begun. It starts when it is first awaited, at most once; who awaits it later gets the same outcome.
 *
 * @example
 * const price = new Future(({ signal }) => fetch(url, { signal })).andThen((response) => response.json())
 * const offer = await price.retry({ times: 3, backoffMs: 50 })
 */
export interface Future<Value> extends PromiseLike<Value> {
  /** Starts it without waiting. */
  start(): this
  /**
   * Gives it up: its signal aborts, and who waits gets the reason, an `AbortError` (`VELA_TASK_CANCELED`) if none is given.
   * One that has not begun never will. What it was made from is given up with it, unless somebody else waits for that.
   */
  cancel(reason?: unknown): void
  readonly state: 'idle' | 'running' | 'fulfilled' | 'rejected'
  /** The value changed by a function. */
  map<Next>(change: (value: Value) => Next | PromiseLike<Next>): Future<Next>
  /** Further work that needs the value. */
  andThen<Next>(next: (value: Value, scope: TaskScope) => Next | PromiseLike<Next>): Future<Next>
  /** Does the whole work again when it fails, that of the futures it was made from included. */
  retry(options: RetryOptions): Future<Value>
}

export interface FutureConstructor {
  /** `TypeError` if the work is no function. The options hold from its start. */
  new <Value>(work: Work<Value>, options?: ScopeOptions): Future<Value>
  /** All values, in the order of the list. The first failure gives up the rest. */
  all<Value>(list: readonly (PromiseLike<Value> | Value)[]): Future<Value[]>
  /** What settles first. The rest is given up. */
  race<Value>(list: readonly (PromiseLike<Value> | Value)[]): Future<Value>
  readonly prototype: Future<unknown>
}

/** A source that `select` can wait for without taking what it does not want, such as the receiving end of a channel. */
export interface Selectable<Value> {
  /** Takes a value if there is one; throws when there will never be one again. */
  poll(): { readonly ready: true; readonly value: Value } | undefined
  /** Calls back whenever `poll` may have another answer than before; returns what ends that. */
  subscribe(listener: () => void): () => void
}

/** What `select` resolves to for these sources. */
export type Selected<Sources> = {
  [Key in keyof Sources]: {
    readonly key: Key
    readonly value: Sources[Key] extends Selectable<infer Value>
      ? Value
      : Sources[Key] extends (...args: never) => infer Result
        ? Awaited<Result>
        : Awaited<Sources[Key]>
  }
}[keyof Sources]

/** See `select`. */
export interface SelectFunction {
  <Sources extends Readonly<Record<string, Selectable<unknown> | Waitable<unknown>>>>(
    sources: Sources,
    options?: ScopeOptions,
  ): Promise<Selected<Sources>>
}
