/**
 * A Future is work that has not begun: it starts when somebody waits for it, at most once, and can be given up. Those
 * made from another (`map`, `andThen`, `all`) start it when they start, and give it up when nobody else waits for it.
 */
import { deferred, quiet, type Deferred } from './deferred.ts'
import { TaskCanceled, type ScopeOptions, type SignalLike, type TaskScope, type Work } from './platform.ts'
import { checkRetry, tryAgain, type RetryOptions } from './retry.ts'
import type { Scope, ScopeFactory } from './scope.ts'
import { run } from './task-group.ts'
import type { Waiting } from './waiting.ts'

export interface Future<Value, Signal> extends PromiseLike<Value> {
  /** Starts it without waiting. */
  start(): this
  /** Gives it up: its signal aborts, and whoever waits gets the reason. Before its start it will never start. */
  cancel(reason?: unknown): void
  readonly state: State
  /** The value changed by a function; a promise that it returns is waited for. */
  map<Next>(change: (value: Value) => Next | PromiseLike<Next>): Future<Next, Signal>
  /** Work that needs the value of this. It is given its scope, so that it can be given up, too. */
  andThen<Next>(
    next: (value: Value, scope: TaskScope<Signal>) => Next | PromiseLike<Next>,
  ): Future<Next, Signal>
  /** Does the work again when it fails. */
  retry(options: RetryOptions): Future<Value, Signal>
}

type State = 'idle' | 'running' | 'fulfilled' | 'rejected'
type Item<Value> = PromiseLike<Value> | Value

export interface FutureClass<Signal> {
  new <Value>(work: Work<Signal, Value>, options?: ScopeOptions<Signal>): Future<Value, Signal>
  readonly prototype: Future<unknown, Signal>
  /** All values, in order. The first failure gives up the rest. */
  all<Value>(list: readonly Item<Value>[]): Future<Value[], Signal>
  /** What settles first; the rest is given up. */
  race<Value>(list: readonly Item<Value>[]): Future<Value, Signal>
}

export function createFutureClass<Signal extends SignalLike>(
  createScope: ScopeFactory<Signal>,
  sleep: Waiting<Signal>['sleep'],
  random: () => number,
): FutureClass<Signal> {
  type View = TaskScope<Signal>

  class LazyFuture<Value> implements Future<Value, Signal> {
    readonly #work: Work<Signal, Value>
    /** The whole work anew, with that of the futures it was made from. */
    readonly #anew: Work<Signal, Value>
    readonly #options: ScopeOptions<Signal>
    readonly #outcome: Deferred<Value> = deferred<Value>()
    #scope: Scope<Signal> | undefined
    #state: State = 'idle'
    /** How many wait for it; those who just await it never stop to. */
    #waiting = 0

    constructor(
      work: Work<Signal, Value>,
      options: ScopeOptions<Signal> = {},
      anew: Work<Signal, Value> = work,
    ) {
      if (typeof work !== 'function') throw new TypeError('Future: the work must be a function')
      this.#work = work
      this.#anew = anew
      this.#options = options
      void quiet(this.#outcome.promise)
    }

    static all<One>(list: readonly Item<One>[]): LazyFuture<One[]> {
      return LazyFuture.#of(list, (started) => Promise.all(started) as Promise<One[]>)
    }

    static race<One>(list: readonly Item<One>[]): LazyFuture<One> {
      return LazyFuture.#of(list, (started) => Promise.race(started) as Promise<One>)
    }

    /** Starts all items, and gives up what is left of them when there is an outcome. */
    static #of<One, Result>(
      list: readonly Item<One>[],
      combine: (started: readonly (PromiseLike<One> | One)[]) => Promise<Result>,
    ): LazyFuture<Result> {
      const items = [...list]
      const workOf = (isAnew: boolean) => async (outer: View) => {
        const scope = createScope(outer)
        try {
          return await combine(items.map((item) => LazyFuture.#obtain(item, scope.view, isAnew)))
        } finally {
          scope.abort(new TaskCanceled('Nobody needs it any more'))
        }
      }
      return new LazyFuture(workOf(false), {}, workOf(true))
    }

    static #obtain<One>(item: Item<One>, scope: View, isAnew: boolean): PromiseLike<One> | One {
      if (!LazyFuture.#is(item)) return item as PromiseLike<One> | One
      return isAnew ? quiet(Promise.resolve(item.#anew(scope))) : quiet(item.#wait(scope))
    }

    static #is(value: unknown): value is LazyFuture<never> {
      return typeof value === 'object' && value !== null && #work in value
    }

    get state(): State {
      return this.#state
    }

    start(): this {
      if (this.#state !== 'idle') return this
      this.#state = 'running'
      const scope = createScope(this.#options)
      this.#scope = scope
      scope.onAbort((reason) => this.#settle('rejected', () => this.#outcome.reject(reason)))
      if (scope.aborted !== undefined) return this
      run(this.#work, scope).then(
        (value) => this.#settle('fulfilled', () => this.#outcome.resolve(value)),
        (thrown: unknown) => this.#settle('rejected', () => this.#outcome.reject(thrown)),
      )
      return this
    }

    cancel(reason: unknown = new TaskCanceled('The future was cancelled')): void {
      if (this.#scope !== undefined) this.#scope.abort(reason)
      else if (this.#state === 'idle') this.#settle('rejected', () => this.#outcome.reject(reason))
    }

    // oxlint-disable-next-line unicorn/no-thenable -- to await a future is to start it
    then<Result1 = Value, Result2 = never>(
      fulfilled?: ((value: Value) => Result1 | PromiseLike<Result1>) | null,
      rejected?: ((reason: unknown) => Result2 | PromiseLike<Result2>) | null,
    ): Promise<Result1 | Result2> {
      this.#waiting++
      return this.start().#outcome.promise.then(fulfilled, rejected)
    }

    map<Next>(change: (value: Value) => Next | PromiseLike<Next>): LazyFuture<Next> {
      return this.andThen((value) => change(value))
    }

    andThen<Next>(next: (value: Value, scope: View) => Next | PromiseLike<Next>): LazyFuture<Next> {
      return new LazyFuture(
        async (scope) => await next(await this.#wait(scope), scope),
        {},
        async (scope) => {
          const value = await this.#anew(scope)
          if (scope.signal.aborted) throw scope.signal.reason
          return await next(value, scope)
        },
      )
    }

    retry(options: RetryOptions): LazyFuture<Value> {
      checkRetry(options)
      return new LazyFuture(
        (scope) =>
          tryAgain(async () => await this.#anew(scope), options, {
            sleep: (ms) => sleep(ms, scope),
            random,
          }),
        this.#options,
      )
    }

    /** Its outcome for another future, which stops waiting when its scope aborts. */
    async #wait(view: View): Promise<Value> {
      const scope = createScope(view)
      this.#waiting++
      scope.onAbort((reason) => {
        if (--this.#waiting === 0) this.cancel(reason)
      })
      try {
        const value = await this.start().#outcome.promise
        scope.throwIfAborted()
        return value
      } finally {
        scope.end()
      }
    }

    #settle(state: State, tell: () => void): void {
      if (this.#state === 'fulfilled' || this.#state === 'rejected') return
      this.#state = state
      tell()
    }
  }
  return LazyFuture as unknown as FutureClass<Signal>
}
