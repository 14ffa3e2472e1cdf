/**
 * When handlers run: never within a publish, all that is ready in one microtask after it, each subscription a few at a time in turn.
 * Threat: handlers that publish would keep the microtasks going for ever, and starve sockets and timers; so after some time the
 * rest waits for the event loop to come round, and so does a publisher who awaits what it publishes.
 */
import { Ring } from '../../guest-sdk/concurrency/fifo.ts'

export interface Runnable {
  /** It stands in the dispatcher's queue. The dispatcher's own note. */
  isQueued: boolean
  /** Starts at most so many calls and returns how many. */
  pump(most: number): number
  /** It could start another now. */
  readonly isReady: boolean
}

export interface Dispatcher {
  /** `pump` will be called soon. */
  ready(runnable: Runnable): void
  /** A clock for timeouts (milliseconds, monotonic), some microseconds old; right within `pump`. */
  readonly nowMs: number
  /** While the rest waits for the event loop: resolves when it has come round. */
  readonly turn: Promise<void> | undefined
}

/** Calls that one subscription starts before the next has its turn. */
const TURN = 16
/** Calls between two looks at the clock. */
const CALLS_PER_LOOK = 32
/** How long microtasks go on without the event loop. */
const LONGEST_MS = 10

export function createDispatcher(): Dispatcher {
  const queue = new Ring<Runnable>()
  let isScheduled = false
  let calls = 0
  let nowMs = performance.now()
  let loopMs = nowMs
  let turn: PromiseWithResolvers<void> | undefined

  const flush = (): void => {
    nowMs = performance.now()
    while (queue.size > 0) {
      const runnable = queue.shift()
      calls += runnable.pump(TURN)
      runnable.isQueued = false
      if (runnable.isReady) enqueue(runnable)
      if (calls < CALLS_PER_LOOK) continue
      calls = 0
      nowMs = performance.now()
      if (nowMs - loopMs < LONGEST_MS) continue
      turn ??= Promise.withResolvers()
      setImmediate(afterLoop)
      return
    }
    isScheduled = false
  }

  const afterLoop = (): void => {
    loopMs = performance.now()
    turn?.resolve()
    turn = undefined
    flush()
  }

  const enqueue = (runnable: Runnable): void => {
    runnable.isQueued = true
    queue.push(runnable)
  }

  return {
    get nowMs() {
      return nowMs
    },
    get turn() {
      return turn?.promise
    },
    ready(runnable) {
      if (runnable.isQueued) return
      enqueue(runnable)
      if (isScheduled) return
      isScheduled = true
      queueMicrotask(flush)
    },
  }
}
