/**
 * Structured concurrency: tasks belong to a group, and the group ends after all of them. The first failure cancels
 * the rest and is what the group throws; so nothing runs on that nobody waits for, and no failure is lost.
 */
import { TaskCanceled, type ScopeOptions, type SignalLike, type TaskScope, type Work } from './platform.ts'
import type { Scope, ScopeFactory } from './scope.ts'

export interface Task<Value> {
  /** Its value, or what it threw. A failure has cancelled the group by then. */
  join(): Promise<Value>
  /** Aborts its signal. That it then ends by the reason is no failure of the group. */
  cancel(reason?: unknown): void
}

export interface TaskGroup<Signal> extends TaskScope<Signal> {
  /** Starts a task at once. Throws what cancelled the group, if it is cancelled; TypeError once it has ended. */
  spawn<Value>(work: Work<Signal, Value>, options?: { readonly deadlineMs?: number | undefined }): Task<Value>
  /** Resolves when all tasks so far have ended; throws the first failure. */
  join(): Promise<void>
  /** Cancels all tasks; the group throws the reason when they have ended. */
  cancel(reason?: unknown): void
}

export type RunTaskGroup<Signal> = <Value>(
  body: (group: TaskGroup<Signal>) => Value | PromiseLike<Value>,
  options?: ScopeOptions<Signal>,
) => Promise<Value>

export function createTaskGroups<Signal extends SignalLike>(
  createScope: ScopeFactory<Signal>,
): RunTaskGroup<Signal> {
  return async (body, options) => {
    const scope = createScope(options)
    scope.throwIfAborted()
    const failures: unknown[] = []
    const running = new Set<Promise<void>>()
    let hasEnded = false

    const fail = (thrown: unknown): void => {
      // What only says that the group was cancelled is the consequence, not a cause.
      if (scope.aborted === undefined || !isCancelation(thrown, scope.aborted.reason)) failures.push(thrown)
      scope.abort(thrown)
    }
    const allEnded = async (): Promise<void> => {
      while (running.size > 0) await Promise.all(running)
    }

    const group: TaskGroup<Signal> = {
      get signal() {
        return scope.view.signal
      },
      deadlineMs: scope.deadlineMs,
      spawn(work, { deadlineMs } = {}) {
        if (hasEnded)
          throw new TypeError('The task group has ended; spawn while its body or a task of it runs')
        scope.throwIfAborted()
        const inner = createScope({ deadlineMs }, scope)
        let wasCanceled = false
        // A failure is heard below, so it is never unhandled, whether anybody joins or not.
        const outcome = run(work, inner)
        const ended = outcome.then(
          () => undefined,
          (thrown: unknown) => {
            if (!wasCanceled || !isCancelation(thrown, inner.aborted?.reason)) fail(thrown)
          },
        )
        const tracked = ended.then(() => void running.delete(tracked))
        running.add(tracked)
        return {
          join: () => outcome,
          cancel(reason = canceled('The task was cancelled')) {
            wasCanceled ||= inner.aborted === undefined
            inner.abort(reason)
          },
        }
      },
      async join() {
        await allEnded()
        if (failures.length > 0) throw failures[0]
        scope.throwIfAborted()
      },
      cancel: (reason = canceled('The task group was cancelled')) => scope.abort(reason),
    }

    let result: Awaited<ReturnType<typeof body>> | undefined
    try {
      result = await body(group)
    } catch (thrown) {
      fail(thrown)
    }
    await allEnded()
    hasEnded = true
    const { aborted } = scope
    scope.end()
    if (failures.length > 0) throw withSuppressed(failures)
    if (aborted !== undefined) throw aborted.reason
    return result as Awaited<ReturnType<typeof body>>
  }
}

/** Starts work and ends its scope with it. What it throws at once is a rejection like any other. */
export async function run<Signal, Value>(work: Work<Signal, Value>, scope: Scope<Signal>): Promise<Value> {
  try {
    return await work(scope.view)
  } finally {
    scope.end()
  }
}

const canceled = (message: string): TaskCanceled => new TaskCanceled(message)

/** Operations tell of a cancellation by the signal's reason, or by an error of their own called AbortError. */
export function isCancelation(thrown: unknown, reason: unknown): boolean {
  if (thrown === reason) return true
  return typeof thrown === 'object' && thrown !== null && (thrown as { name?: unknown }).name === 'AbortError'
}

/** The first failure, with those that came after it in `suppressed`. */
function withSuppressed(failures: readonly unknown[]): unknown {
  const [first, ...others] = failures
  if (others.length === 0 || typeof first !== 'object' || first === null) return first
  if (Object.isExtensible(first)) {
    Object.defineProperty(first, 'suppressed', { value: others, writable: true, configurable: true })
  }
  return first
}
