/**
 * Starts and stops what a host consists of, in the order of its dependencies; docs/lifecycle.md describes it.
 * Invariants: a component is stopped exactly when its start was begun, in reverse order, whatever else fails;
 * every hook has a deadline, so that no component can keep a host from starting or from ending; the state is one
 * word, kept here.
 */
import { type ErrorCode, toVelaError, VelaError } from './errors.ts'
import { orderComponents } from './lifecycle-order.ts'
import type { Log } from './log.ts'

export type LifecycleState = 'new' | 'starting' | 'ready' | 'draining' | 'stopped' | 'failed'
export type HookName = 'onStart' | 'onReady' | 'onDrain' | 'onStop'

/** The signal aborts when the hook's deadline passes, and for `onStart` and `onReady` also when a stop is asked for. */
export type Hook = (signal: AbortSignal) => void | Promise<void>

export interface Component {
  readonly name: string
  readonly dependsOn?: readonly string[]
  /** Make it work: open, connect, listen. What it depends on has started. */
  readonly onStart?: Hook
  /** Everything has started; begin to take work from outside. */
  readonly onReady?: Hook
  /** Take no new work and finish what is in flight. */
  readonly onDrain?: Hook
  /** Release everything. Runs if `onStart` was begun, even when that failed. */
  readonly onStop?: Hook
  /** Instead of the lifecycle's `hookTimeoutMs`. */
  readonly timeoutMs?: Partial<Record<HookName, number>>
}

export interface Lifecycle {
  readonly state: LifecycleState
  /** Only before `start`; names are unique. */
  add(component: Component): void
  /** Rejects with the first cause (others in `details.causes`) after having stopped what was started. */
  start(): Promise<void>
  /** Idempotent: later calls get the promise of the first. Rejects after the last hook if any failed. */
  stop(): Promise<void>
  /** Called after each change of state, until the returned function is called. */
  onChange(listener: (state: LifecycleState) => void): () => void
}

export interface LifecycleDeps {
  readonly log: Pick<Log, 'debug' | 'info' | 'error'>
}

export interface LifecycleOptions {
  readonly hookTimeoutMs: number
}

export function createLifecycle(deps: LifecycleDeps, options: LifecycleOptions): Lifecycle {
  const { log } = deps
  const components = new Map<string, Component>()
  const listeners = new Set<(state: LifecycleState) => void>()
  const begun = new Set<string>()
  const stopAsked = new AbortController()
  let state: LifecycleState = 'new'
  let starting: Promise<void> | undefined
  let stopping: Promise<void> | undefined

  const enter = (next: LifecycleState): void => {
    state = next
    log.debug('lifecycle', { state: next })
    for (const listener of listeners) {
      try {
        listener(next)
      } catch (error) {
        log.error('lifecycle listener failed', { state: next, error })
      }
    }
  }

  const runHook = async (component: Component, hook: HookName): Promise<void> => {
    const run = component[hook]
    if (run === undefined) return
    const timeoutMs = component.timeoutMs?.[hook] ?? options.hookTimeoutMs
    const deadline = new AbortController()
    const early = hook === 'onStart' || hook === 'onReady'
    const signal = early ? AbortSignal.any([deadline.signal, stopAsked.signal]) : deadline.signal
    const startedAt = performance.now()
    let timer: NodeJS.Timeout | undefined
    try {
      await Promise.race([
        Promise.resolve(run(signal)),
        new Promise<never>((_resolve, reject) => {
          timer = setTimeout(() => {
            const error = hookError(
              'VELA_LIFECYCLE_HOOK_TIMEOUT',
              component,
              hook,
              `did not end in ${timeoutMs} ms`,
            )
            deadline.abort(error)
            reject(error)
          }, timeoutMs)
        }),
      ])
      log.debug('lifecycle hook', {
        component: component.name,
        hook,
        durationMs: Math.round(performance.now() - startedAt),
      })
    } catch (thrown) {
      throw asHookError(thrown, component, hook)
    } finally {
      clearTimeout(timer)
    }
  }

  /**
   * Runs `hook` on each as soon as those it waits for are done. In the forward direction a failure keeps its
   * dependents from running; in the reverse direction nothing keeps anything from running.
   */
  const runInOrder = async (
    hook: HookName,
    names: readonly string[],
    direction: 'forward' | 'reverse',
  ): Promise<VelaError[]> => {
    const failures: VelaError[] = []
    const done = new Map<string, Promise<boolean>>()
    const waitsFor = (name: string): readonly string[] =>
      direction === 'forward'
        ? (components.get(name)?.dependsOn ?? [])
        : names.filter((other) => components.get(other)?.dependsOn?.includes(name))
    const run = async (name: string, component: Component): Promise<boolean> => {
      const before = await Promise.all(
        waitsFor(name).map((other) => done.get(other) ?? Promise.resolve(true)),
      )
      if (
        direction === 'forward' &&
        (before.includes(false) || failures.length > 0 || stopAsked.signal.aborted)
      ) {
        return false
      }
      if (hook === 'onStart') begun.add(name)
      try {
        await runHook(component, hook)
        return true
      } catch (thrown) {
        const error = toVelaError(thrown, 'VELA_LIFECYCLE_HOOK_FAILED')
        log.error('lifecycle hook failed', { component: name, hook, error })
        failures.push(error)
        return false
      }
    }
    for (const name of direction === 'forward' ? names : names.toReversed()) {
      const component = components.get(name)
      if (component !== undefined) done.set(name, run(name, component))
    }
    await Promise.all(done.values())
    return failures
  }

  const stopBegun = async (order: readonly string[]): Promise<VelaError[]> =>
    await runInOrder(
      'onStop',
      order.filter((name) => begun.has(name)),
      'reverse',
    )

  const startAll = async (): Promise<void> => {
    let order: readonly string[]
    try {
      order = orderComponents([...components.values()])
    } catch (error) {
      enter('failed')
      throw error
    }
    enter('starting')
    const failures = await runInOrder('onStart', order, 'forward')
    if (failures.length === 0 && !stopAsked.signal.aborted) {
      failures.push(...(await runInOrder('onReady', order, 'forward')))
      if (failures.length === 0 && !stopAsked.signal.aborted) {
        enter('ready')
        return
      }
      // Some may have taken work already.
      failures.push(...(await runInOrder('onDrain', order, 'reverse')))
    }
    failures.push(...(await stopBegun(order)))
    if (stopAsked.signal.aborted) {
      enter('stopped')
      const message = 'the host was asked to stop while it was starting'
      throw new VelaError('VELA_HOST_NOT_STARTED', message, { details: { causes: failures.map(printCause) } })
    }
    enter('failed')
    throw combine(failures)
  }

  const stopAll = async (): Promise<void> => {
    stopAsked.abort()
    if (starting !== undefined) {
      // A start under way stops what it began; its failure is reported there.
      await starting.catch(() => undefined)
    }
    if (state !== 'ready') {
      if (state === 'new') enter('stopped')
      return
    }
    const order = orderComponents([...components.values()])
    enter('draining')
    const failures = await runInOrder('onDrain', order, 'reverse')
    failures.push(...(await stopBegun(order)))
    enter('stopped')
    if (failures.length > 0) throw combine(failures)
  }

  return {
    get state() {
      return state
    },
    add(component) {
      if (state !== 'new' || starting !== undefined) {
        throw new VelaError('VELA_LIFECYCLE_HOOK_FAILED', `${component.name} was added after the start`)
      }
      if (components.has(component.name)) {
        throw new VelaError('VELA_LIFECYCLE_HOOK_FAILED', `there are two components named ${component.name}`)
      }
      components.set(component.name, component)
    },
    start() {
      if (stopping !== undefined) {
        const message = 'this host was stopped; create another one'
        return Promise.reject(new VelaError('VELA_HOST_NOT_STARTED', message))
      }
      return (starting ??= startAll())
    },
    stop() {
      return (stopping ??= stopAll())
    },
    onChange(listener) {
      listeners.add(listener)
      return () => void listeners.delete(listener)
    },
  }
}

function hookError(
  code: ErrorCode,
  component: Component,
  hook: HookName,
  what: string,
  cause?: unknown,
): VelaError {
  return new VelaError(code, `${component.name}.${hook} ${what}`, {
    cause,
    details: { component: component.name, hook },
  })
}

/** A component's own VelaError (a taken port, a locked store) keeps its code: that is what the operator must know. */
function asHookError(thrown: unknown, component: Component, hook: HookName): VelaError {
  if (thrown instanceof VelaError) return thrown
  const message = thrown instanceof Error ? thrown.message : String(thrown)
  return hookError('VELA_LIFECYCLE_HOOK_FAILED', component, hook, `failed: ${message}`, thrown)
}

const printCause = (error: VelaError): string => `${error.code}: ${error.message}`

function combine(failures: readonly VelaError[]): VelaError {
  const [first, ...others] = failures
  if (first === undefined) return new VelaError('VELA_LIFECYCLE_HOOK_FAILED', 'a lifecycle hook failed')
  if (others.length === 0) return first
  return new VelaError(first.code, [first, ...others].map((error) => error.message).join('; '), {
    cause: new AggregateError(failures, 'several lifecycle hooks failed'),
    details: { ...first.details, causes: failures.map(printCause) },
  })
}
