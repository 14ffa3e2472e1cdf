/**
 * A pool of workers: isolates of one deployment, each in another cell of its tenant, that run its exported functions in
 * parallel. Workers are started when there is work for them and given up when idle; the next task goes to the least
 * busy. A task that had no effect yet outlives the worker it was given to; one that had fails alone.
 */
import { createFairQueue } from '../../async/fair-queue.ts'
import { VelaError } from '../../core/errors.ts'
import type { WorkerIsolates } from './isolates.ts'
import type { TaskSpec } from './task-call.ts'
import { createTaskStats } from './task-stats.ts'
import { createWorker, type PoolTask, type Worker } from './worker.ts'

export interface WorkerTask {
  /**
   * The encoded result. Rejects with what the function threw (GuestFacingError), the code of the limit it broke,
   * VELA_CELL_LOST, VELA_TASK_CANCELED, or VELA_TASK_OVERLOADED.
   */
  readonly result: Promise<string>
  /** Nobody waits for it; what does not end soon is ended with its cell. */
  cancel(reason: string): void
}

export interface WorkerPool {
  /** `key`: whoever waits; the queue takes them in turn. */
  run(spec: TaskSpec, key: string): WorkerTask
  /** Cancels what is there and gives up the workers. */
  close(): void
}

/** Short tasks go to a worker so many at a time that they take about this long. */
const SLICE_MS = 8
const MOST_AT_A_TIME = 64
/** Work that is worth another worker's start. */
const GROW_MS = 10
const NO_GROWTH_MS = 1_000
const TICK_MS = 50

/** `size`: workers at most. */
export function createWorkerPool(isolates: WorkerIsolates, size: number): WorkerPool {
  const queue = createFairQueue<PoolTask>(isolates.queueLength)
  const stats = createTaskStats()
  const workers: Worker[] = []
  /** Where each task is that no longer waits here. */
  const places = new Map<PoolTask, Worker>()
  let ticker: NodeJS.Timeout | undefined
  let stopWaiting: (() => void) | undefined
  /** There was no cell to be had: what there is must do for a while. */
  let noGrowthUntilMs = 0
  let pumping = false
  let closed = false

  const active = (): Worker[] => workers.filter((worker) => worker.active)
  const tasksThere = (): number => queue.length + places.size

  const leastBusy = (): Worker | undefined => {
    let best: Worker | undefined
    for (const worker of workers) {
      if (!worker.active) continue
      if (best === undefined || rank(worker) < rank(best)) best = worker
    }
    return best
  }
  const rank = (worker: Worker): number => worker.load + (worker.paused ? MOST_AT_A_TIME * 2 : 0)

  /** Of a function whose tasks may stand behind one another, how many. */
  const mostOf = ({ name }: PoolTask, fair: number): number => {
    const averageMs = stats.averageMs(name)
    if (averageMs === undefined || !stats.endsAtOnce(name)) return 1
    return Math.max(1, Math.min(MOST_AT_A_TIME, fair, Math.floor(SLICE_MS / averageMs)))
  }

  const grow = (): Worker | undefined => {
    const next = queue.peek()
    const count = active().length
    if (next === undefined || count >= size) return undefined
    if (count > 0 && performance.now() < noGrowthUntilMs) return undefined
    const averageMs = stats.averageMs(next.name)
    const isLittle = stats.endsAtOnce(next.name) && tasksThere() * (averageMs ?? GROW_MS) < GROW_MS
    if (count > 0 && isLittle) return undefined
    let worker = workers.find((other) => !other.active)
    if (worker === undefined) workers.push((worker = createOne()))
    if (worker.activate()) return worker
    // With none at all it waits for its turn; the deadlines of its tasks bound that.
    if (count === 0) stopWaiting ??= isolates.slots.wait(isolates.tenant, onSlot)
    return undefined
  }
  const onSlot = (): void => {
    stopWaiting = undefined
    pump()
  }

  const give = (worker: Worker, task: PoolTask | undefined): void => {
    if (task === undefined) return
    places.set(task, worker)
    worker.take(task)
  }

  /** Another pool of the tenant has no worker at all, and this one can spare some. */
  const sparesOne = (worker: Worker): boolean =>
    isolates.slots.isWanted(isolates.tenant) && active().length > 1 && worker.rest()

  const pump = (): void => {
    if (pumping) return
    pumping = true
    while (queue.length > 0 && !closed) {
      let worker = leastBusy()
      if (worker !== undefined && worker.load === 0 && sparesOne(worker)) continue
      if (worker === undefined || worker.load > 0 || worker.paused) worker = grow() ?? worker
      if (worker === undefined) break
      const { load, streams } = worker
      // Nothing that waits could be given: not worth looking through all of it at the end of each task.
      if (load > 0 && (!streams || load >= MOST_AT_A_TIME)) break
      const fair = Math.ceil(tasksThere() / Math.max(1, active().length))
      const task = queue.take((candidate) => load === 0 || load < mostOf(candidate, fair))
      if (task === undefined) break
      give(worker, task)
    }
    pumping = false
    keepTicking()
  }

  /** Deadlines of what is there, of what it left to waitUntil, and of the calls that they make. */
  const keepTicking = (): void => {
    if (closed || !(places.size > 0 || workers.some(({ inFlight }) => inFlight))) {
      clearInterval(ticker)
      ticker = undefined
      return
    }
    ticker ??= setInterval(() => {
      const nowMs = performance.now()
      for (const worker of workers) worker.tick(nowMs)
      keepTicking()
    }, TICK_MS).unref()
  }

  const createOne = (): Worker =>
    createWorker({
      isolates,
      stats,
      onChange: pump,
      putBack(task) {
        places.delete(task)
        queue.putBack(task.key, task)
      },
      refused(task, error) {
        if (error.code === 'VELA_CELL_START_FAILED') noGrowthUntilMs = performance.now() + NO_GROWTH_MS
        const refusing = places.get(task)
        const other = workers.some((worker) => worker !== refusing && worker.active && !worker.paused)
        if (!other) return task.reject(error)
        places.delete(task)
        queue.putBack(task.key, task)
      },
    })

  return {
    run(spec, key) {
      const { promise, resolve, reject } = Promise.withResolvers<string>()
      promise.catch(() => undefined)
      let over = false
      const settle = (outcome: string, work: () => void): void => {
        if (over) return
        over = true
        isolates.onEnd(outcome)
        work()
        const place = places.get(task)
        places.delete(task)
        if (place === undefined) queue.remove(key, task)
        else place.drop(task)
      }
      const task: PoolTask = {
        ...spec,
        key,
        get over() {
          return over
        },
        resolve: (text) => settle('ok', () => resolve(text)),
        reject: (error) => settle('failed', () => reject(error)),
      }
      const refuse = (code: 'VELA_TASK_CANCELED' | 'VELA_TASK_OVERLOADED', message: string): void =>
        settle(code === 'VELA_TASK_CANCELED' ? 'canceled' : 'refused', () =>
          reject(new VelaError(code, message)),
        )
      if (closed) refuse('VELA_TASK_CANCELED', GONE)
      else if (queue.push(key, task)) pump()
      else
        refuse(
          'VELA_TASK_OVERLOADED',
          `${isolates.queueLength} tasks wait already (limits.queueLength); retry later`,
        )
      return { result: promise, cancel: (reason) => refuse('VELA_TASK_CANCELED', reason) }
    },
    close() {
      if (closed) return
      closed = true
      stopWaiting?.()
      for (const task of [...queue.takeAll(), ...places.keys()])
        task.reject(new VelaError('VELA_TASK_CANCELED', GONE))
      for (const worker of workers) worker.close()
      keepTicking()
    },
  }
}

const GONE = 'The version of the service that ran the task has gone, or its grant has changed'
