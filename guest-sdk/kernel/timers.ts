/**
 * setTimeout and setInterval over the turn's own clock. The kernel keeps the queue and tells the host only when
 * the earliest timer is due; the host comes back with a later time. Bounded by the deployment's `timers` limit.
 * Timers do not keep a service awake: while no turn is in flight none fires.
 */
import type { Clock } from './determinism.ts'
import { NumberMap, ReflectApply, ceil, defineProperty } from './primordials.ts'

interface Timer {
  readonly id: number
  callback: unknown
  readonly args: unknown[]
  readonly everyMs: number
  dueMs: number
  sequence: number
  cleared: boolean
}

export interface Timers {
  set(callback: unknown, delayMs: unknown, args: unknown[], repeat: boolean): number
  clear(id: unknown): void
  /** One of the kernel's own, due at a time that a guest may have had a say in (at most in 24 days): outside the limit, and out of the guest's reach. Returns what cancels it. */
  wakeAt(atMs: number, callback: () => void): () => void
  /** Runs the earliest timer that is due. True when another one is due. */
  fireNext(): boolean
  isDue(): boolean
  /**
   * The next due time when it has changed since the last call; 0 means none, undefined means unchanged. With `wakeMs`
   * it is that time, said anew whatever was said before.
   */
  takeChange(wakeMs: number | undefined): number | undefined
  limit: number
}

/** The id of a timer that nobody can name. */
const KERNELS = 0
const LONGEST_DELAY_MS = 2_147_483_647
const MOST_CALLED_OFF = 64

export function createTimers(clock: Clock, onError: (thrown: unknown) => void): Timers {
  /** A binary heap by due time, then by order of setting. */
  const heap: Timer[] = []
  const pending = new NumberMap<Timer>()
  let pendingCount = 0
  let nextId = 1
  let sequence = 0
  let announcedMs = 0
  /** Kernel's own that were called off and still stand in the heap. */
  let calledOff = 0

  const before = (a: Timer, b: Timer): boolean =>
    a.dueMs !== b.dueMs ? a.dueMs < b.dueMs : a.sequence < b.sequence

  const push = (timer: Timer): void => {
    let at = heap.length
    defineProperty(heap, at, { value: timer, writable: true, enumerable: true, configurable: true })
    while (at > 0) {
      const parent = (at - 1) >> 1
      if (!before(heap[at] as Timer, heap[parent] as Timer)) break
      swap(at, parent)
      at = parent
    }
  }
  const swap = (a: number, b: number): void => {
    const kept = heap[a] as Timer
    heap[a] = heap[b] as Timer
    heap[b] = kept
  }
  const sink = (from: number): void => {
    for (let at = from; ;) {
      const left = 2 * at + 1
      const right = left + 1
      let least = at
      if (left < heap.length && before(heap[left] as Timer, heap[least] as Timer)) least = left
      if (right < heap.length && before(heap[right] as Timer, heap[least] as Timer)) least = right
      if (least === at) return
      swap(at, least)
      at = least
    }
  }
  const pop = (): Timer => {
    const first = heap[0] as Timer
    const last = heap[heap.length - 1] as Timer
    heap.length -= 1
    if (heap.length === 0) return first
    heap[0] = last
    sink(0)
    return first
  }
  const forget = (timer: Timer): void => {
    timer.cleared = true
    if (timer.id === KERNELS) return
    pending.delete(timer.id)
    pendingCount--
  }
  const dropCleared = (): void => {
    while (heap.length > 0 && (heap[0] as Timer).cleared) {
      if (pop().id === KERNELS) calledOff--
    }
  }
  /** Those that were called off must not fill the heap until they would have been due, which may be in hours. */
  const compact = (): void => {
    if (calledOff < MOST_CALLED_OFF || calledOff * 2 < heap.length) return
    const { length } = heap
    let kept = 0
    for (let at = 0; at < length; at++) {
      const timer = heap[at] as Timer
      if (!timer.cleared) heap[kept++] = timer
    }
    heap.length = kept
    for (let at = kept >> 1; at-- > 0;) sink(at)
    calledOff = 0
  }

  const timers: Timers = {
    limit: 1000,
    set(callback, delayMs, args, repeat) {
      if (pendingCount >= timers.limit) {
        throw new RangeError(
          `A service may have ${timers.limit} timers pending; clear some, or raise limits.timers`,
        )
      }
      const asked = Math.trunc(Number(delayMs))
      const delay = asked >= 1 && asked <= LONGEST_DELAY_MS ? asked : 1
      const timer = {
        id: nextId++,
        sequence: sequence++,
        callback,
        args,
        everyMs: repeat ? delay : 0,
        dueMs: clock.nowMs + delay,
        cleared: false,
      }
      push(timer)
      pending.set(timer.id, timer)
      pendingCount++
      return timer.id
    },
    clear(id) {
      const timer = pending.get(Number(id))
      if (timer === undefined) return
      forget(timer)
      dropCleared()
    },
    wakeAt(atMs, callback) {
      const latestMs = clock.nowMs + LONGEST_DELAY_MS
      const soonMs = atMs > clock.nowMs ? atMs : clock.nowMs
      const timer: Timer = {
        id: KERNELS,
        sequence: sequence++,
        callback,
        args: [],
        everyMs: 0,
        dueMs: soonMs <= latestMs ? soonMs : latestMs,
        cleared: false,
      }
      push(timer)
      return () => {
        if (timer.cleared) return
        timer.cleared = true
        // What it would have called may hold much.
        timer.callback = undefined
        calledOff++
        compact()
      }
    },
    isDue() {
      dropCleared()
      return heap.length > 0 && (heap[0] as Timer).dueMs <= clock.nowMs
    },
    fireNext() {
      if (!timers.isDue()) return false
      const timer = pop()
      if (timer.everyMs > 0) {
        timer.sequence = sequence++
        timer.dueMs = clock.nowMs + timer.everyMs
        push(timer)
      } else {
        forget(timer)
      }
      try {
        if (typeof timer.callback === 'function') ReflectApply(timer.callback, undefined, timer.args)
      } catch (thrown) {
        onError(thrown)
      }
      return timers.isDue()
    },
    takeChange(wakeMs) {
      if (wakeMs !== undefined) return (announcedMs = wakeMs)
      dropCleared()
      // The host takes whole milliseconds and nothing else.
      const dueMs = heap.length === 0 ? 0 : ceil((heap[0] as Timer).dueMs)
      if (dueMs === announcedMs) return undefined
      announcedMs = dueMs
      return dueMs
    },
  }
  return timers
}
