/**
 * A deployment that can be called. It gets a replica when the first call comes, more of them when it is busy
 * (scaling.ts), gives them up when idle (hibernates), and gets another when the isolate or its cell is lost.
 * Its state is where it stands: no replica (idle), the first one starting, one or several serving, `ended`.
 */
import { availableParallelism } from 'node:os'
import { HANDLER } from '../../guest-sdk/kernel/messages.ts'
import { toVelaError, type ErrorCode } from '../core/errors.ts'
import type { Call } from './call.ts'
import type { LiveDeployment, LiveDeploymentDeps } from './deployment-contract.ts'
import { createHistory } from './history.ts'
import type { Home } from './home.ts'
import { callHook } from './hook-call.ts'
import { createLauncher, type LivePost } from './launch.ts'
import type { ReplicaEnd } from './replica.ts'
import { createReplicaSet } from './replica-set.ts'
import { discard } from './replica-start.ts'
import { createResting } from './resting.ts'
import { createScaling } from './scaling.ts'
import type { Description } from './start-outcome.ts'

export type { LiveDeployment, LiveDeploymentDeps } from './deployment-contract.ts'

export function createLiveDeployment(deps: LiveDeploymentDeps): LiveDeployment {
  const { limits } = deps
  const history = createHistory()
  const set = createReplicaSet<LivePost>({
    queueLength: limits.queueLength,
    concurrency: limits.concurrency,
    onSteal: deps.onSteal,
  })
  let ended = false
  /** Drained: what still comes up goes down again. */
  let stopped = false
  let growing = false
  let lastUsedMs = performance.now()
  let onDrained: (() => void) | undefined

  const launcher = createLauncher({
    deployment: deps,
    history,
    set,
    isStopped: () => stopped,
    onTurnEnd(post) {
      history.turnEnded()
      lastUsedMs = performance.now()
      set.advance(post)
      if (onDrained !== undefined) checkDrained()
    },
    onGone: (post, end) => gone(post, end),
  })
  const resting = createResting({ set, wallMs: limits.wallMs, onRest: deps.onRest })
  const scaling = createScaling({
    // Replicas beyond what may be carried out at a time would stand still.
    most: Math.min(limits.replicas, deps.mostReplicas ?? availableParallelism(), limits.concurrency),
    calmMs: deps.calmMs,
  })

  const failAll = (calls: readonly Call[], code: ErrorCode, detail: string): void => {
    for (const call of calls) call.failed(code, detail)
  }

  const checkDrained = (): void => {
    if (onDrained !== undefined && set.isIdle) onDrained()
  }

  const untilIdle = async (deadlineMs: number): Promise<void> => {
    const { promise, resolve } = Promise.withResolvers<void>()
    const timer = setTimeout(resolve, deadlineMs)
    onDrained = resolve
    checkDrained()
    await promise
    clearTimeout(timer)
  }

  const gone = (post: LivePost, end: ReplicaEnd): void => {
    set.remove(post)
    const pauseMs = history.ended(end)
    if (end.reason !== 'stopped') deps.onFault(end, pauseMs)
    set.putBack([...end.retry, ...post.queue.takeAll()])
    if (pauseMs > 0) failAll(set.takeAll(), 'VELA_GUEST_QUARANTINED', pausedDetail(pauseMs))
    else if (set.open.length === 0 && set.queueLength > 0) wakeUp()
    checkDrained()
  }

  /** Brings a replica for what waits; failures go to the waiting calls. */
  const wakeUp = (): void => {
    launcher.first().catch((thrown: unknown) => {
      const error = toVelaError(thrown, 'VELA_CELL_START_FAILED')
      if (!error.code.startsWith('VELA_DEPLOY_')) return failAll(set.takeWaiting(), error.code, error.message)
      // What the guest says about it is the tenant's: it goes to the log, not to whoever called.
      const report = { name: 'Start failed', message: error.message, stack: error.details['stack'] }
      deps.onLog(LOG_ERROR, `\n\u0000${JSON.stringify(report)}`)
      failAll(set.takeWaiting(), 'VELA_GUEST_THREW', 'The service does not start')
    })
  }

  const grow = (): void => {
    growing = true
    launcher
      .start()
      // The others serve: whoever waits there need not hear of it, and a guest's own words are for a first start.
      .catch(() => scaling.refused(performance.now()))
      .finally(() => {
        growing = false
      })
  }

  const scale = (nowMs: number): void => {
    resting.tick(nowMs)
    if (ended || growing || resting.isRetiring) return
    const verdict = scaling.look({ queueLength: set.queueLength, posts: set.posts }, nowMs)
    if (verdict === 'grow') grow()
    else if (verdict === 'shrink') resting.retire()
  }

  const homes = (): readonly Home[] =>
    ended ? [] : set.open.map(({ home }) => home).filter((home) => !home.resting)

  const stopGuest = async (
    { replica, cell }: LivePost,
    reason: string,
    deadlineMs: number,
  ): Promise<void> => {
    if (replica.gone) return
    if (launcher.description?.stop === true) {
      await Promise.race([
        callHook(replica, () => cell.wake(replica), HANDLER.stop, reason).catch(() => undefined),
        new Promise((resolve) => setTimeout(resolve, Math.min(deadlineMs, STOP_HOOK_MS)).unref()),
      ])
    }
    discard(replica, cell)
  }

  const start = async (): Promise<Description> =>
    set.open.length > 0 && launcher.description !== undefined ? launcher.description : await launcher.first()

  return {
    dispatch(call) {
      if (ended) return call.failed('VELA_CELL_LOST', 'This version of the service has been replaced')
      lastUsedMs = call.startedMs
      const pausedUntil = history.pausedUntilMs(lastUsedMs)
      if (pausedUntil > 0)
        return call.failed('VELA_GUEST_QUARANTINED', pausedDetail(pausedUntil - lastUsedMs))
      if (!set.push(call))
        return call.failed('VELA_CELL_OVERLOADED', `${limits.queueLength} calls wait already; retry later`)
      if (set.open.length === 0 && launcher.starting === undefined && !launcher.startAtOnce()) wakeUp()
    },
    homes,
    start,
    async drain(reason, deadlineMs) {
      if (ended) return
      ended = true
      const leaving = set.posts.map((post) => resting.rest(post, deadlineMs))
      await launcher.starting?.catch(() => undefined)
      await Promise.all([untilIdle(deadlineMs), ...leaving])
      // What lasts would do so for ever.
      for (const { replica } of set.posts) replica.shut(reason === 'replaced')
      await untilIdle(Math.min(deadlineMs, SHUT_MS))
      failAll(set.takeAll(), 'VELA_CELL_LOST', 'The service stopped before it could take the call')
      stopped = true
      const last = [...set.posts]
      for (const post of last) set.remove(post)
      await Promise.all(last.map((post) => stopGuest(post, reason, deadlineMs)))
    },
    hibernate() {
      if (set.posts.length === 0 || ended || growing || !set.isIdle) return false
      for (const post of set.posts.slice()) resting.hibernate(post)
      return true
    },
    tick(nowMs) {
      const old = set.takeOlderThan(nowMs - limits.wallMs)
      failAll(old, 'VELA_TURN_EXCEEDED_WALL', 'The call waited too long')
      for (const { replica } of set.posts) replica.expire(nowMs, limits.wallMs)
      scale(nowMs)
    },
    get startsAtOnce() {
      return launcher.startsAtOnce
    },
    get state() {
      if (history.pausedUntilMs(performance.now()) > 0) return 'paused'
      return set.posts.length === 0 ? 'idle' : 'loaded'
    },
    get inFlight() {
      return set.turnCount
    },
    get replicas() {
      return set.posts.length
    },
    get queueLength() {
      return set.queueLength
    },
    get lastUsedMs() {
      return lastUsedMs
    },
  }
}

const LOG_ERROR = 3
const STOP_HOOK_MS = 5_000
/** For a guest to hear of closed sockets. */
const SHUT_MS = 1_000

const pausedDetail = (pauseMs: number): string =>
  `The service broke its limits too often; it is paused for ${Math.ceil(pauseMs / 1000)} s`
