/**
 * A deployment that can be called: its queue, and its replica while it has one. It gets a replica when the first call
 * comes, gives it up when idle (hibernates), and gets another when the isolate or its cell is lost.
 * Its state is where it stands: no replica (idle), `starting` (loading), `replica` (serving), `ended`.
 */
import { HANDLER } from '../../guest-sdk/kernel/messages.ts'
import type { Limits } from '../../sandbox/protocol/limits.ts'
import { toVelaError, VelaError, type ErrorCode } from '../core/errors.ts'
import type { Call } from './call.ts'
import type { Cell, LoadPayload } from './cell.ts'
import type { Perform } from './guest-calls.ts'
import { callHook } from './hook-call.ts'
import { isInnocent, Replica, type ReplicaEnd } from './replica.ts'
import { createRunQueue } from './run-queue.ts'
import { createStart, discard, type Start } from './replica-start.ts'
import { readDescription, type Description } from './start-outcome.ts'
import { createStrikes } from './strikes.ts'

export interface LiveDeploymentDeps {
  readonly limits: Limits
  /** An earlier load of the same version waited for nothing. */
  readonly startsAtOnce?: boolean
  readonly acquireCell: () => Promise<Cell> | Cell
  /** Fetches what a load needs; synchronous when it is at hand. `armed`: with the engine's timer. */
  readonly prepare: (armed: boolean) => Promise<LoadPayload> | LoadPayload
  /** Carries out what the guest asks of its capabilities. */
  readonly perform: Perform
  readonly onLog: (level: number, text: string) => void
  /** The isolate ended against its will. */
  readonly onFault: (end: ReplicaEnd, pauseMs: number) => void
}

export interface LiveDeployment {
  /** Synchronous up to the cell's next batch. A call that cannot be taken gets `failed` before this returns. */
  dispatch(call: Call): void
  /** Loads now; resolves when calls can be served, rejects with a VELA_DEPLOY_START_* error. */
  start(): Promise<Description>
  /** No new calls; resolves when what is in flight has ended or `deadlineMs` has passed, and the guest has stopped. */
  drain(reason: string, deadlineMs: number): Promise<void>
  /** Gives up the isolate if nothing needs it; the next call brings another. True when it did. */
  hibernate(): boolean
  /** Fails what is over its wall limit. Called a few times each second. */
  tick(nowMs: number): void
  /** Its last load waited for nothing. */
  readonly startsAtOnce: boolean
  readonly state: 'loaded' | 'idle' | 'paused'
  readonly inFlight: number
  readonly queueLength: number
  /** Monotonic milliseconds. */
  readonly lastUsedMs: number
}

/** Entries until a deployment counts as having a history, so that the engine's timer need not be armed. */
const PROBATION_ENTRIES = 50

export function createLiveDeployment(deps: LiveDeploymentDeps): LiveDeployment {
  const { limits } = deps
  const queue = createRunQueue(limits.queueLength)
  const strikes = createStrikes()
  let replica: Replica | undefined
  let cell: Cell | undefined
  let starting: Promise<Description> | undefined
  let ended = false
  /** Drained: what still comes up goes down again. */
  let stopped = false
  let lastUsedMs = performance.now()
  let turnsSinceFault = 0
  let starvedAtMs = -Infinity
  let innocentEnds = 0
  let description: Description | undefined
  /** Its last start waited for nothing and has no hook. */
  let startsAtOnce = deps.startsAtOnce === true
  let onDrained: (() => void) | undefined

  const failAll = (calls: readonly Call[], code: ErrorCode, detail: string): void => {
    for (const call of calls) call.failed(code, detail)
  }

  const checkDrained = (): void => {
    if (onDrained !== undefined && queue.length === 0 && (replica === undefined || replica.turnCount === 0))
      onDrained()
  }

  const untilIdle = async (deadlineMs: number): Promise<void> => {
    const { promise, resolve } = Promise.withResolvers<void>()
    const timer = setTimeout(resolve, deadlineMs)
    onDrained = resolve
    checkDrained()
    await promise
    clearTimeout(timer)
  }

  const gone = (which: Replica, end: ReplicaEnd): void => {
    if (replica === which) {
      replica = undefined
      cell = undefined
    }
    turnsSinceFault = 0
    if (end.reason === 'starved') starvedAtMs = performance.now()
    if (isInnocent(end)) innocentEnds++
    const pauseMs = end.guilty ? strikes.strike(performance.now()) : 0
    if (end.reason !== 'stopped') deps.onFault(end, pauseMs)
    queue.unshift(end.retry)
    if (pauseMs > 0) failAll(queue.takeAll(), 'VELA_GUEST_QUARANTINED', pausedDetail(pauseMs))
    else if (queue.length > 0) wakeUp()
    checkDrained()
  }

  /** Brings a replica for what waits; failures go to the waiting calls. */
  const wakeUp = (): void => {
    load().catch((thrown: unknown) => {
      const error = toVelaError(thrown, 'VELA_CELL_START_FAILED')
      if (!error.code.startsWith('VELA_DEPLOY_')) return failAll(queue.takeAll(), error.code, error.message)
      // What the guest says about it is the tenant's: it goes to the log, not to whoever called.
      const report = { name: 'Start failed', message: error.message, stack: error.details['stack'] }
      deps.onLog(LOG_ERROR, `\n\u0000${JSON.stringify(report)}`)
      failAll(queue.takeAll(), 'VELA_GUEST_THREW', 'The service does not start')
    })
  }

  const load = async (): Promise<Description> => {
    starting ??= startFairly().finally(() => {
      starting = undefined
    })
    return await starting
  }

  /** A start that ended for no fault of its own is tried once more. */
  const startFairly = async (): Promise<Description> => {
    const before = innocentEnds
    try {
      return await startReplica()
    } catch (thrown) {
      if (innocentEnds === before || ended) throw thrown
      return await startReplica()
    }
  }

  const createReplica = (home: Cell, payload: LoadPayload, start: Start | undefined): Replica => {
    const fresh: Replica = new Replica({
      limits,
      payload,
      queue,
      perform: deps.perform,
      wake: () => home.wake(fresh),
      armed: () => {
        const now = performance.now()
        // The engine's timer runs on the wall clock: on a machine this busy only the stopwatch, which reads CPU time, is fair.
        if (now - starvedAtMs < STARVED_MS) return false
        return turnsSinceFault < PROBATION_ENTRIES || strikes.isSuspect(now)
      },
      onLoaded: (value, atOnce) => {
        description = readDescription(value)
        startsAtOnce = atOnce && !description.start
        start?.onLoaded(description)
      },
      onLog: deps.onLog,
      onTurnEnd: () => {
        turnsSinceFault++
        lastUsedMs = performance.now()
        if (queue.length > 0) home.wake(fresh)
        else if (onDrained !== undefined) checkDrained()
      },
      onGone: (end) => {
        start?.onGone(end)
        gone(fresh, end)
      },
    })
    return fresh
  }

  const isArmed = (): boolean => performance.now() - starvedAtMs >= STARVED_MS

  /** undefined: there is none at hand, or none to be had; an ordinary start waits, or says why. */
  const acquireNow = (): Cell | undefined => {
    try {
      const home = deps.acquireCell()
      return home instanceof Promise ? undefined : home
    } catch {
      return undefined
    }
  }

  const serve = (fresh: Replica, home: Cell): void => {
    replica = fresh
    cell = home
    fresh.accepting = true
    home.wake(fresh)
  }

  /**
   * A version that started without waiting for anything will do so again: its calls travel with it. Should it fail this
   * time, they had no effect and are tried again behind an ordinary start.
   */
  const startAtOnce = (): boolean => {
    if (!startsAtOnce || ended) return false
    const payload = deps.prepare(isArmed())
    const home = payload instanceof Promise ? undefined : acquireNow()
    if (payload instanceof Promise || home === undefined) return false
    startsAtOnce = false
    const fresh = createReplica(home, payload, undefined)
    home.load(fresh)
    serve(fresh, home)
    return true
  }

  const startReplica = async (): Promise<Description> => {
    const [home, payload] = await Promise.all([deps.acquireCell(), deps.prepare(isArmed())])
    const start = createStart(limits.wallMs)
    const fresh = createReplica(home, payload, start)
    const found = await start.run(fresh, home)
    if (stopped) {
      discard(fresh, home)
      throw new VelaError('VELA_CELL_LOST', 'The service stopped while it was starting')
    }
    serve(fresh, home)
    return found
  }

  return {
    dispatch(call) {
      if (ended) return call.failed('VELA_CELL_LOST', 'This version of the service has been replaced')
      lastUsedMs = call.startedMs
      const pausedUntil = strikes.pausedUntilMs(lastUsedMs)
      if (pausedUntil > 0)
        return call.failed('VELA_GUEST_QUARANTINED', pausedDetail(pausedUntil - lastUsedMs))
      if (!queue.push(call)) {
        return call.failed('VELA_CELL_OVERLOADED', `${limits.queueLength} calls wait already; retry later`)
      }
      if (replica !== undefined) cell?.wake(replica)
      else if (starting === undefined && !startAtOnce()) wakeUp()
    },
    start: load,
    async drain(reason, deadlineMs) {
      if (ended) return
      ended = true
      await starting?.catch(() => undefined)
      await untilIdle(deadlineMs)
      // What lasts would do so for ever.
      replica?.shut(reason === 'replaced')
      await untilIdle(Math.min(deadlineMs, SHUT_MS))
      failAll(queue.takeAll(), 'VELA_CELL_LOST', 'The service stopped before it could take the call')
      stopped = true
      const last = replica
      const home = cell
      replica = undefined
      if (last === undefined || home === undefined || last.gone) return
      if (description?.stop === true) {
        await Promise.race([
          callHook(last, () => home.wake(last), HANDLER.stop, reason).catch(() => undefined),
          new Promise((resolve) => setTimeout(resolve, Math.min(deadlineMs, STOP_HOOK_MS)).unref()),
        ])
      }
      discard(last, home)
    },
    hibernate() {
      if (replica === undefined || cell === undefined || replica.turnCount > 0 || queue.length > 0)
        return false
      const resting = replica
      const home = cell
      replica = undefined
      cell = undefined
      discard(resting, home)
      return true
    },
    tick(nowMs) {
      failAll(
        queue.takeOlderThan(nowMs - limits.wallMs),
        'VELA_TURN_EXCEEDED_WALL',
        'The call waited too long',
      )
      replica?.expire(nowMs, limits.wallMs)
    },
    get startsAtOnce() {
      return startsAtOnce
    },
    get state() {
      if (strikes.pausedUntilMs(performance.now()) > 0) return 'paused'
      return replica === undefined ? 'idle' : 'loaded'
    },
    get inFlight() {
      return replica?.turnCount ?? 0
    },
    get queueLength() {
      return queue.length
    },
    get lastUsedMs() {
      return lastUsedMs
    },
  }
}

const LOG_ERROR = 3
const STARVED_MS = 5_000
const STOP_HOOK_MS = 5_000
/** For a guest to hear of closed sockets. */
const SHUT_MS = 1_000

const pausedDetail = (pauseMs: number): string =>
  `The service broke its limits too often; it is paused for ${Math.ceil(pauseMs / 1000)} s`
