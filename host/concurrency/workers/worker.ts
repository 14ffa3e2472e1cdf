/**
 * One worker of a pool: an isolate of the service, in a cell of its own, and the tasks it has been given. They are run one
 * after the other, so of those it has the first alone can have begun: when the isolate is lost the first fails and
 * the others, which had no effect, go back to the pool.
 */
import { VelaError, type ErrorCode } from '../../core/errors.ts'
import type { WorkerIsolates } from './isolates.ts'
import { createTaskCall, taskError, type TaskCall, type TaskSpec } from './task-call.ts'
import type { TaskStats } from './task-stats.ts'

/** A task of the pool; it settles once. */
export interface PoolTask extends TaskSpec {
  /** Whose it is, among those who wait. */
  readonly key: string
  /** Nobody waits for it any more. */
  readonly over: boolean
  resolve(text: string): void
  reject(error: unknown): void
}

export interface Worker {
  /** It holds a cell. */
  readonly active: boolean
  /** Tasks that it has. */
  readonly load: number
  /** What it has ends at once, so that more may stand behind it. */
  readonly streams: boolean
  /** Its isolate is at work, if only for what a task left to waitUntil. */
  readonly inFlight: boolean
  /** It broke its limits too often and is on pause. */
  readonly paused: boolean
  /** Gets it a cell; false if there is none to be had now. */
  activate(): boolean
  take(task: PoolTask): void
  /** The task is over: its work is to end. */
  drop(task: PoolTask): void
  /** Gives up isolate and cell if it has nothing to do; true if it did. */
  rest(): boolean
  tick(nowMs: number): void
  close(): void
}

export interface WorkerDeps {
  readonly isolates: WorkerIsolates
  readonly stats: TaskStats
  /** It can take more, or has given something up. */
  readonly onChange: () => void
  /** A task that had no effect, to be given to another worker. */
  readonly putBack: (task: PoolTask) => void
  /** It could not take the task, which had no effect: put back if another worker can, else rejected with the error. */
  readonly refused: (task: PoolTask, error: VelaError) => void
}

interface Entry {
  readonly task: PoolTask
  readonly call: TaskCall
}

/** What a cancelled task has to end by itself, before its cell is ended for it. */
const GRACE_MS = 50

/** The isolate was lost: what had begun may have had effects. */
const LOST: ReadonlySet<ErrorCode> = new Set([
  'VELA_CELL_LOST',
  'VELA_TURN_EXCEEDED_CPU',
  'VELA_TURN_EXCEEDED_MEMORY',
  'VELA_GUEST_RESPONSE_TOO_LARGE',
])
const REFUSED: ReadonlySet<ErrorCode> = new Set(['VELA_CELL_START_FAILED', 'VELA_GUEST_QUARANTINED'])

export function createWorker(deps: WorkerDeps): Worker {
  const { isolates, stats } = deps
  const { tenant, slots } = isolates
  let slot: number | undefined
  const isolate = isolates.create(() => {
    if (slot === undefined) throw new VelaError('VELA_CELL_START_FAILED', 'The worker has no cell')
    return slot
  })
  const entries: Entry[] = []
  let failures: { readonly entry: Entry; readonly code: ErrorCode; readonly detail: string }[] = []
  /** What may have had effects when the first of these failures came. */
  let begun: Entry | undefined
  let settledMs = 0
  let watched: Entry | undefined
  let graceTimer: NodeJS.Timeout | undefined
  let idleTimer: NodeJS.Timeout | undefined
  let forgetIdle: (() => void) | undefined
  let closed = false

  const remove = (entry: Entry): boolean => {
    const index = entries.indexOf(entry)
    if (index >= 0) entries.splice(index, 1)
    return index >= 0
  }

  const changed = (): void => {
    watchHead()
    deps.onChange()
    if (entries.length > 0 || slot === undefined || closed) return
    if (!slots.isWanted(tenant) || !rest()) becomeIdle()
  }

  /** Nobody waits for what runs: it gets a moment to end by itself. */
  const watchHead = (): void => {
    const [head] = entries
    if (head === watched) return
    clearTimeout(graceTimer)
    watched = head?.task.over === true ? head : undefined
    if (watched !== undefined) graceTimer = setTimeout(() => abandon(head as Entry), GRACE_MS)
  }

  const becomeIdle = (): void => {
    stopIdle()
    idleTimer = setTimeout(rest, isolates.idleMs).unref()
    forgetIdle = slots.idle(tenant, rest)
  }
  const stopIdle = (): void => {
    clearTimeout(idleTimer)
    forgetIdle?.()
    forgetIdle = undefined
  }

  const rest = (): boolean => {
    if (slot === undefined || entries.length > 0) return false
    stopIdle()
    // What a task left to waitUntil keeps the isolate for a while longer.
    if (!isolate.live.hibernate() && isolate.live.state === 'loaded') {
      becomeIdle()
      return false
    }
    release()
    return true
  }

  const release = (): void => {
    if (slot === undefined) return
    const free = slot
    slot = undefined
    slots.give(tenant, free)
  }

  /** Ends the isolate for the sake of a task that nobody waits for and that does not end. */
  const abandon = (entry: Entry): void => {
    if (entries[0] !== entry) return
    lose(entry)
    remove(entry)
    changed()
  }

  /** Ends the isolate, in which only `entry` had begun. */
  const lose = (entry: Entry): void => {
    begun = entry
    isolate.abandon()
    if (failures.length === 0) begun = undefined
  }

  const settle = (entry: Entry, atOnce: boolean, outcome: () => void): void => {
    if (!remove(entry)) return
    const nowMs = performance.now()
    // From when it could have been at work: an isolate that had to be started says nothing of the task.
    stats.note(entry.task.name, nowMs - Math.max(entry.call.begunMs ?? nowMs, settledMs), atOnce)
    settledMs = nowMs
    outcome()
    changed()
  }

  /** One loss fails all calls in turn; what began is known only from how they stood before the first of them. */
  const failed = (entry: Entry, code: ErrorCode, detail: string): void => {
    if (failures.length === 0) {
      begun ??= entries[0]
      queueMicrotask(settleFailures)
    }
    failures.push({ entry, code, detail })
  }

  const settleFailures = (): void => {
    const all = failures
    const first = begun
    failures = []
    begun = undefined
    const overdue = all.find(
      ({ entry, code }) => code === 'VELA_TURN_EXCEEDED_WALL' && entry.call.begunMs !== undefined,
    )
    // From the last to the first, since each is put back in front.
    for (const { entry, code, detail } of all.toReversed()) {
      if (!remove(entry) || entry.task.over) continue
      const error = new VelaError(code, detail)
      if (REFUSED.has(code)) deps.refused(entry.task, error)
      else if (LOST.has(code) && entry !== first) deps.putBack(entry.task)
      else entry.task.reject(error)
    }
    if (all.some(({ code }) => code === 'VELA_CELL_START_FAILED') && entries.length === 0) release()
    // It may be at work still, and nothing is to share the isolate with it.
    if (overdue !== undefined) lose(overdue.entry)
    changed()
  }

  return {
    get active() {
      return slot !== undefined
    },
    get load() {
      return entries.length
    },
    get streams() {
      return entries.every(({ task }) => !task.over && stats.endsAtOnce(task.name))
    },
    get inFlight() {
      return isolate.live.inFlight > 0
    },
    get paused() {
      return isolate.live.state === 'paused'
    },
    activate() {
      slot ??= slots.take(tenant)
      return slot !== undefined
    },
    take(task) {
      stopIdle()
      const entry: Entry = {
        task,
        call: createTaskCall(task, {
          value: (text, atOnce) => settle(entry, atOnce, () => task.resolve(text)),
          // What throws may have done so half-way; it says nothing of how others end.
          threw(error) {
            if (!task.over) isolates.threw(error, task.requestId)
            settle(entry, stats.endsAtOnce(task.name), () => task.reject(taskError(error)))
          },
          failed: (code, detail) => failed(entry, code, detail),
        }),
      }
      entries.push(entry)
      isolate.live.dispatch(entry.call.call)
    },
    drop(task) {
      const entry = entries.find((other) => other.task === task)
      if (entry === undefined) return
      entry.call.cancel()
      if (entry.call.begunMs === undefined) remove(entry)
      changed()
    },
    rest,
    tick: (nowMs) => isolate.live.tick(nowMs),
    close() {
      if (closed) return
      closed = true
      stopIdle()
      clearTimeout(graceTimer)
      for (const { call } of entries) call.cancel()
      if (entries.length > 0) isolate.abandon()
      entries.length = 0
      isolate.live.drain('stopped', 0).then(release, release)
    },
  }
}
