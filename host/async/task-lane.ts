/**
 * Places for tasks of one sort (functions on the event loop, jobs on threads) and the queue before them. Invariants: at
 * most `places` run and `queueLength` wait; a task settles exactly once; its place is free again only when its work has
 * really ended, so that cancelled work which goes on is still counted.
 */
import { VelaError } from '../core/errors.ts'
import { createFairQueue } from './fair-queue.ts'

/** What a task is told about itself. */
export interface TaskContext {
  /** Aborts when the task is cancelled, its deadline has passed or the host stops. */
  readonly signal: AbortSignal
  /** Until when there is use for a result (epoch milliseconds); Infinity: for ever. */
  readonly deadlineMs: number
}

export interface SpawnOptions {
  /** Cancels the task. */
  readonly signal?: AbortSignal | undefined
  /** Until when there is use for a result (epoch milliseconds). */
  readonly deadlineMs?: number | undefined
}

/** A task that was spawned; whoever spawned it owns it. */
export interface Task<Result> {
  /**
   * What the task gave. Rejects with what it threw, or with VELA_TASK_CANCELED, _TIMEOUT or _OVERLOADED: at once, though
   * work that does not listen to its signal may go on. A rejection that nobody awaits is not reported.
   */
  readonly result: Promise<Result>
  /** Resolves when nothing of it runs any more. */
  readonly ended: Promise<void>
  /** Cancels it; without effect when it is over. */
  cancel(reason?: string): void
}

/** A bound that some tasks of a lane share. */
export interface TaskGroupBound {
  readonly most: number
  running: number
}

export interface LaneWork<Result> {
  /** Who waits: the queue takes the keys in turn. */
  readonly key: string
  readonly bound?: TaskGroupBound | undefined
  start(context: TaskContext): Promise<Result>
}

export type TaskOutcome = 'ok' | 'failed' | 'canceled' | 'timeout' | 'refused'

export interface Lane {
  readonly running: number
  readonly waiting: number
  spawn<Result>(work: LaneWork<Result>, options?: SpawnOptions): Task<Result>
  /** No new tasks; resolves when none is left or `deadlineMs` (a duration) has passed. */
  drain(deadlineMs: number): Promise<void>
  /** No new tasks; cancels what is there. */
  close(): void
}

export interface LaneOptions {
  readonly places: number
  readonly queueLength: number
  readonly onEnd: (outcome: TaskOutcome) => void
}

interface Entry {
  readonly key: string
  readonly bound: TaskGroupBound | undefined
  start(): void
  cancel(reason: string): void
  refuse(): void
}

const LONGEST_TIMER_MS = 2_147_483_647

export function createLane({ places, queueLength, onEnd }: LaneOptions): Lane {
  const queue = createFairQueue<Entry>(queueLength)
  const running = new Set<Entry>()
  let closed = false
  let onIdle: (() => void) | undefined

  const mayGo = ({ bound }: Entry): boolean => bound === undefined || bound.running < bound.most

  const pump = (): void => {
    while (running.size < places) {
      const entry = queue.take(mayGo)
      if (entry === undefined) break
      begin(entry)
    }
    if (running.size === 0 && queue.length === 0) onIdle?.()
  }

  const begin = (entry: Entry): void => {
    running.add(entry)
    if (entry.bound !== undefined) entry.bound.running++
    entry.start()
  }

  const release = (entry: Entry): void => {
    running.delete(entry)
    if (entry.bound !== undefined) entry.bound.running--
    pump()
  }

  /** False: it is full, and nobody has more waiting than whoever comes. */
  const enqueue = (entry: Entry): boolean => {
    if (queue.push(entry.key, entry)) return true
    queue.makeRoom(entry.key)?.refuse()
    return queue.push(entry.key, entry)
  }

  const spawn = <Result>(work: LaneWork<Result>, options: SpawnOptions = {}): Task<Result> => {
    const { signal, deadlineMs = Infinity } = options
    const result = Promise.withResolvers<Result>()
    const ended = Promise.withResolvers<void>()
    result.promise.catch(() => undefined)
    const controller = new AbortController()
    let timer: NodeJS.Timeout | undefined
    let over = false
    let begun = false

    /** True for the first end. */
    const settle = (outcome: TaskOutcome): boolean => {
      if (over) return false
      over = true
      clearTimeout(timer)
      signal?.removeEventListener('abort', onAbort)
      onEnd(outcome)
      return true
    }
    const stop = (outcome: 'canceled' | 'timeout' | 'refused', error: VelaError): void => {
      if (!settle(outcome)) return
      result.reject(error)
      controller.abort(error)
      queue.remove(work.key, entry)
      if (!begun) ended.resolve()
      if (running.size === 0 && queue.length === 0) onIdle?.()
    }
    const cancel = (reason: string): void => stop('canceled', new VelaError('VELA_TASK_CANCELED', reason))
    const onAbort = (): void => cancel(reasonOf(signal?.reason))
    const entry: Entry = {
      key: work.key,
      bound: work.bound,
      cancel,
      refuse: () =>
        stop(
          'refused',
          new VelaError('VELA_TASK_OVERLOADED', `${queueLength} tasks wait already; retry later`),
        ),
      start() {
        begun = true
        work
          .start({ signal: controller.signal, deadlineMs })
          .then(
            (value) => settle('ok') && result.resolve(value),
            (thrown: unknown) => settle('failed') && result.reject(thrown),
          )
          .finally(() => {
            release(entry)
            ended.resolve()
          })
      },
    }
    const leftMs = deadlineMs - Date.now()
    if (closed) cancel('The host stops')
    else if (signal?.aborted === true) onAbort()
    else if (!(leftMs > 0))
      stop('timeout', new VelaError('VELA_TASK_TIMEOUT', 'The deadline had passed already'))
    else {
      signal?.addEventListener('abort', onAbort, { once: true })
      if (leftMs <= LONGEST_TIMER_MS)
        timer = setTimeout(
          () =>
            stop('timeout', new VelaError('VELA_TASK_TIMEOUT', `Not done within ${Math.ceil(leftMs)} ms`)),
          leftMs,
        ).unref()
      if (running.size < places && queue.length === 0 && mayGo(entry)) begin(entry)
      else if (enqueue(entry)) pump()
      else entry.refuse()
    }
    return {
      result: result.promise,
      ended: ended.promise,
      cancel: (reason = 'The task was cancelled') => cancel(reason),
    }
  }

  return {
    get running() {
      return running.size
    },
    get waiting() {
      return queue.length
    },
    spawn,
    async drain(deadlineMs) {
      closed = true
      const { promise, resolve } = Promise.withResolvers<void>()
      const timer = setTimeout(resolve, deadlineMs)
      onIdle = resolve
      if (running.size === 0 && queue.length === 0) resolve()
      await promise
      clearTimeout(timer)
    },
    close() {
      closed = true
      for (const entry of [...queue.takeAll(), ...running]) entry.cancel('The host stops')
    },
  }
}

const reasonOf = (reason: unknown): string =>
  reason instanceof Error && reason.name !== 'AbortError' ? reason.message : 'The task was cancelled'
