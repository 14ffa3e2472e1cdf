/** Waiting with an end: for a time, for work that may take too long, for the first of several. */
import { isThenable, quiet } from './deferred.ts'
import {
  after,
  TaskCanceled,
  type AsyncPlatform,
  type ScopeOptions,
  type SignalLike,
  type Work,
} from './platform.ts'
import type { Scope, ScopeFactory } from './scope.ts'
import { run } from './task-group.ts'

/** What can be waited for and, if it is a function or can be cancelled, given up. */
export type Waitable<Signal, Value> = Work<Signal, Value> | PromiseLike<Value>

/** A source of values that `select` can wait for without taking what it does not want: a channel's receiving end. */
export interface Selectable<Value> {
  /** Takes a value if there is one; throws when there will never be one again. */
  poll(): { readonly ready: true; readonly value: Value } | undefined
  /** Calls back whenever `poll` may give another answer than before; returns what ends that. */
  subscribe(listener: () => void): () => void
}

export type Source<Signal> = Selectable<unknown> | Waitable<Signal, unknown>

/** What `select` gives for these sources. */
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

export interface Waiting<Signal> {
  readonly sleep: (ms: number, options?: Pick<ScopeOptions<Signal>, 'signal'>) => Promise<void>
  readonly timeout: <Value>(
    ms: number,
    work: Waitable<Signal, Value>,
    options?: ScopeOptions<Signal>,
  ) => Promise<Value>
  readonly race: <Value>(
    works: readonly Waitable<Signal, Value>[],
    options?: ScopeOptions<Signal>,
  ) => Promise<Value>
  readonly select: <Sources extends Readonly<Record<string, Source<Signal>>>>(
    sources: Sources,
    options?: ScopeOptions<Signal>,
  ) => Promise<Selected<Sources>>
}

export function createWaiting<Signal extends SignalLike>(
  platform: AsyncPlatform<Signal>,
  createScope: ScopeFactory<Signal>,
): Waiting<Signal> {
  type Start<Value> = (
    resolve: (value: Value) => void,
    reject: (reason: unknown) => void,
    scope: Scope<Signal>,
  ) => () => void

  /** Settles as `start` says or, if that comes first, with what aborts the scope; then stops what was started. */
  const within = <Value>(
    scope: Scope<Signal>,
    start: Start<Value>,
    forgo: () => void = () => undefined,
  ): Promise<Value> =>
    new Promise((resolve, reject) => {
      let stop: (() => void) | undefined
      let isSettled = false
      const settle = (outcome: () => void): void => {
        if (isSettled) return
        isSettled = true
        outcome()
        stop?.()
        scope.end()
      }
      const fail = (reason: unknown): void => settle(() => reject(reason))
      scope.onAbort(fail)
      if (isSettled) return forgo()
      try {
        stop = start((value) => settle(() => resolve(value)), fail, scope)
      } catch (thrown) {
        fail(thrown)
      }
      if (isSettled) stop?.()
    })

  /** Begins one of several and returns what gives it up. */
  const begin = <Value>(
    source: Waitable<Signal, Value>,
    scope: Scope<Signal>,
    resolve: (value: Value) => void,
    reject: (reason: unknown) => void,
  ): (() => void) => {
    const why = (): unknown =>
      scope.aborted === undefined ? new TaskCanceled('Something else was faster') : scope.aborted.reason
    if (typeof source === 'function') {
      const inner = createScope({}, scope)
      run(source, inner).then(resolve, reject)
      return () => {
        if (!inner.isOver) inner.abort(why())
      }
    }
    Promise.resolve(source).then(resolve, reject)
    return () => {
      if (isCancelable(source)) source.cancel(why())
    }
  }

  /** Gives up what is not even begun with, because it is too late already. */
  const forgo = <Value>(source: Waitable<Signal, Value>, scope: Scope<Signal>): void => {
    if (!isCancelable(source)) return
    // That a future is given up is no accident; to hear of it would start it.
    if (source instanceof Promise) void quiet(source)
    source.cancel(scope.aborted?.reason)
  }

  /** Those that have a value now, in their order. */
  const pollAll = (entries: readonly (readonly [string, Source<Signal>])[]): Found | undefined => {
    for (const [key, source] of entries) {
      const taken = isSelectable(source) ? source.poll() : undefined
      if (taken !== undefined) return { key, value: taken.value }
    }
    return undefined
  }

  return {
    sleep(ms, options) {
      checkTime('sleep', ms)
      return within<void>(createScope(options), (resolve) => after(platform, ms, () => resolve(undefined)))
    },
    timeout(ms, work, options = {}) {
      checkTime('timeout', ms)
      const deadlineMs = Math.min(options.deadlineMs ?? Infinity, platform.now() + ms)
      const scope = createScope({ ...options, deadlineMs })
      return within(
        scope,
        (resolve, reject) => begin(work, scope, resolve, reject),
        () => forgo(work, scope),
      )
    },
    race(works, options) {
      const scope = createScope(options)
      return within(
        scope,
        (resolve, reject) => {
          if (works.length === 0) throw new TypeError('race: there must be something to wait for')
          return all(works.map((work) => begin(work, scope, resolve, reject)))
        },
        () => works.forEach((work) => forgo(work, scope)),
      )
    },
    async select(sources, options) {
      const entries = Object.entries(sources)
      if (entries.length === 0) throw new TypeError('select: there must be something to wait for')
      if (options?.signal?.aborted === true) throw options.signal.reason
      const ready = pollAll(entries)
      if (ready !== undefined) return ready as never
      return await within(createScope(options), (resolve, reject, scope) =>
        all(
          entries.map(([key, source]) => {
            const found = (value: unknown): void => resolve({ key, value } as never)
            if (!isSelectable(source)) return begin(source, scope, found, reject)
            let isOver = false
            const end = source.subscribe(() => {
              if (isOver) return
              try {
                const taken = source.poll()
                if (taken === undefined) return
                found(taken.value)
              } catch (thrown) {
                reject(thrown)
              }
            })
            return () => {
              isOver = true
              end()
            }
          }),
        ),
      )
    },
  }
}

interface Found {
  readonly key: string
  readonly value: unknown
}

const all =
  (steps: readonly (() => void)[]): (() => void) =>
  () => {
    for (const step of steps) step()
  }

export const isCancelable = (value: unknown): value is { cancel(reason?: unknown): void } =>
  isThenable(value) && typeof (value as { cancel?: unknown }).cancel === 'function'

const isSelectable = (value: unknown): value is Selectable<unknown> =>
  typeof value === 'object' &&
  value !== null &&
  typeof (value as Partial<Selectable<unknown>>).poll === 'function' &&
  typeof (value as Partial<Selectable<unknown>>).subscribe === 'function'

function checkTime(what: string, ms: unknown): void {
  if (typeof ms === 'number' && ms >= 0) return
  throw new RangeError(`${what}: the time must be a number of milliseconds, not negative`)
}
