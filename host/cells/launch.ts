/**
 * Starts replicas of a deployment: the first one, which calls wait for, and others beside it. A version that started
 * without waiting for anything will do so again: its first calls travel with it. Should it fail this time, they had no
 * effect and are tried again behind an ordinary start.
 */
import { VelaError } from '../core/errors.ts'
import type { Cell, LoadPayload } from './cell.ts'
import type { LiveDeploymentDeps } from './deployment-contract.ts'
import type { History } from './history.ts'
import { Replica, type ReplicaEnd } from './replica.ts'
import type { Post, ReplicaSet } from './replica-set.ts'
import { createStart, discard, type Start } from './replica-start.ts'
import { createRunQueue } from './run-queue.ts'
import { readDescription, type Description } from './start-outcome.ts'

/** A replica with all that belongs to it. */
export interface LivePost extends Post {
  readonly replica: Replica
  readonly cell: Cell
}

export interface LauncherDeps {
  readonly deployment: LiveDeploymentDeps
  readonly history: History
  readonly set: ReplicaSet<LivePost>
  /** What comes up now is not wanted any more. */
  readonly isStopped: () => boolean
  readonly onTurnEnd: (post: LivePost) => void
  /** It may never have served. */
  readonly onGone: (post: LivePost, end: ReplicaEnd) => void
}

export interface Launcher {
  /** Resolves when one more serves; rejects with VELA_DEPLOY_START_* or VELA_CELL_*. */
  start(): Promise<Description>
  /** As `start`, but one that ended for no fault of its own is tried once more, and whoever asks meanwhile waits for the same. */
  first(): Promise<Description>
  /** False: it has to be started the ordinary way. */
  startAtOnce(): boolean
  /** The start of `first` that is under way. */
  readonly starting: Promise<Description> | undefined
  readonly description: Description | undefined
  /** Its last start waited for nothing and has no hook. */
  readonly startsAtOnce: boolean
}

export function createLauncher(deps: LauncherDeps): Launcher {
  const { deployment, history, set } = deps
  const { limits } = deployment
  const coming = new Set<number>()
  let starting: Promise<Description> | undefined
  let description: Description | undefined
  let startsAtOnce = deployment.startsAtOnce === true

  const createPost = (
    index: number,
    cell: Cell,
    payload: LoadPayload,
    start: Start | undefined,
  ): LivePost => {
    const queue = createRunQueue(limits.queueLength)
    let isLoaded = false
    const replica: Replica = new Replica({
      limits,
      payload,
      queue,
      hasRoom: () => set.hasRoom(),
      refill: (most) => set.refill(post, most),
      onLeftover: () => set.leaveOver(post),
      perform: deployment.perform,
      wake: () => cell.wake(replica),
      armed: () => history.needsTimer(),
      onLoaded: (value, atOnce) => {
        isLoaded = true
        description = readDescription(value)
        startsAtOnce = atOnce && !description.start
        start?.onLoaded(description)
      },
      isUp() {
        if (isLoaded) return true
        // Its module waits this time: calls that came with it are for the ordinary start.
        replica.cellLost('stopped', cell.outstanding)
        cell.drop(replica)
        return false
      },
      onLog: deployment.onLog,
      onTurnEnd: () => deps.onTurnEnd(post),
      onRoom: () => set.advance(post),
      onGone: (end) => {
        start?.onGone(end)
        deps.onGone(post, end)
      },
    })
    const post: LivePost = {
      index,
      pid: cell.pid,
      queue,
      replica,
      cell,
      home: replica.home,
      get busy() {
        return cell.outstanding !== 0
      },
      get sharedTurns() {
        return replica.sharedTurns
      },
      get turnCount() {
        return replica.turnCount
      },
      get pinnedCount() {
        return replica.pinnedCount
      },
      wake: () => cell.wake(replica),
    }
    return post
  }

  const serve = (post: LivePost): void => {
    post.replica.accepting = true
    set.add(post)
  }

  const freeIndex = (): number => {
    let index = 0
    while (coming.has(index) || set.posts.some((post) => post.index === index)) index++
    return index
  }

  /** undefined: there is none at hand, or none to be had; an ordinary start waits, or says why. */
  const acquireNow = (index: number): Cell | undefined => {
    try {
      return atHand(deployment.acquireCell(index))
    } catch {
      return undefined
    }
  }

  const start = async (): Promise<Description> => {
    const index = freeIndex()
    coming.add(index)
    try {
      const [given, payload] = await Promise.all([
        deployment.acquireCell(index),
        deployment.prepare(history.timerIsFair()),
      ])
      // One that stood empty while the code was fetched may have been ended for that.
      const cell = given.alive ? given : await deployment.acquireCell(index)
      const outcome = createStart(limits.wallMs)
      const post = createPost(index, cell, payload, outcome)
      const found = await outcome.run(post.replica, cell)
      if (deps.isStopped()) {
        discard(post.replica, cell)
        throw new VelaError('VELA_CELL_LOST', 'The service stopped while it was starting')
      }
      serve(post)
      return found
    } finally {
      coming.delete(index)
    }
  }

  const startFairly = async (): Promise<Description> => {
    const before = history.innocentEnds
    try {
      return await start()
    } catch (thrown) {
      if (history.innocentEnds === before || deps.isStopped()) throw thrown
      return await start()
    }
  }

  return {
    start,
    async first() {
      starting ??= startFairly().finally(() => {
        starting = undefined
      })
      return await starting
    },
    startAtOnce() {
      if (!startsAtOnce) return false
      const index = freeIndex()
      const payload = atHand(deployment.prepare(history.timerIsFair()))
      const cell = payload === undefined ? undefined : acquireNow(index)
      if (payload === undefined || cell === undefined) return false
      startsAtOnce = false
      const post = createPost(index, cell, payload, undefined)
      cell.load(post.replica)
      serve(post)
      return true
    },
    get starting() {
      return starting
    },
    get description() {
      return description
    },
    get startsAtOnce() {
      return startsAtOnce
    },
  }
}

/** undefined: it has to be waited for. Whoever does asks again, and hears of it if it fails. */
function atHand<Value extends object>(value: Value | Promise<Value>): Value | undefined {
  if (!(value instanceof Promise)) return value
  value.catch(() => undefined)
  return undefined
}
