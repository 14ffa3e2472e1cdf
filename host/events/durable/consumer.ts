/**
 * One durable subscription on this host: takes the cursor when this host is the one to run it, runs until it is not any more, and starts
 * again where the cursor says. Invariant: it has at most one runner, and a new one only once the one before is over.
 */
import { VelaError } from '../../core/errors.ts'
import type { EventHandlerBatch, Subscription, SubscriptionStats } from '../types.ts'
import type { DurableLog } from './log.ts'
import type { DurableMeter } from './meter.ts'
import type { ConsumerSettings } from './options.ts'
import { isFenced } from './saver.ts'
import { createRunner, type Runner, type RunnerCounts } from './runner.ts'

/** Which host runs what. */
export interface Assignment {
  isMine(key: string): boolean
  onChange(callback: () => void): () => void
}

export interface ConsumerDeps {
  readonly log: DurableLog
  readonly assignment: Assignment
  readonly tenant: string
  readonly name: string
  readonly pattern: string
  readonly handler: EventHandlerBatch
  readonly settings: ConsumerSettings
  /** Characters that may be read ahead. */
  readonly ahead: () => number
  readonly meter: DurableMeter
  readonly now: () => number
  /** To be awaited before the cursor is taken: another subscription of this name that is ending. */
  readonly before: Promise<void>
  readonly drainMs: number
  readonly onSaved: () => void
  readonly onFailure: (what: string, thrown: unknown) => void
  /** Its end has begun; `done` never rejects. */
  readonly onEnd: (consumer: Consumer, done: Promise<void>) => void
}

export interface Consumer extends Subscription {
  /** Resolves when it runs here, or is not this host's to run: what is published from then on reaches it. */
  readonly ready: Promise<void>
  /** Where it runs. */
  readonly state: ConsumerState
  wakeReplays(): void
  flush(): Promise<void>
  /** Takes no more; resolves when nothing is under way, or after that long (ms). */
  drain(withinMs: number): Promise<void>
  /** Ends at once, also when it is ending already: what is under way is aborted. */
  stop(): void
}

/** `elsewhere`: another host runs it. `starting`: the log has not given the cursor yet. */
export type ConsumerState = 'running' | 'starting' | 'elsewhere' | 'ended'

const FIRST_RETRY_MS = 100
const MAX_RETRY_MS = 10_000

export function createConsumer(deps: ConsumerDeps): Consumer {
  const { log, assignment, tenant, name, pattern, settings } = deps
  const key = `events/${tenant}/${name}`
  const counts: RunnerCounts = { delivered: 0, failed: 0 }
  const ready = Promise.withResolvers<void>()
  let runner: Runner | undefined
  let isStarting = false
  let isDraining = false
  let ending: Promise<void> | undefined
  let last: Runner | undefined
  let retryMs = FIRST_RETRY_MS
  let timer: NodeJS.Timeout | undefined

  const start = async (): Promise<void> => {
    if (isStarting || isDraining || runner !== undefined || ending !== undefined) return
    isStarting = true
    clearTimeout(timer)
    try {
      await deps.before
      const cursor = await log.openCursor(tenant, name, settings.from)
      if (isDraining || ending !== undefined || !assignment.isMine(key)) return
      runner = createRunner({
        ...deps,
        consumer: name,
        cursor,
        counts,
        onFenced() {
          runner = undefined
          again()
        },
      })
      retryMs = FIRST_RETRY_MS
      runner.wake()
    } catch (thrown) {
      deps.onFailure('open the cursor', thrown)
      again()
    } finally {
      isStarting = false
      if (runner !== undefined || isDraining || ending !== undefined || !assignment.isMine(key))
        ready.resolve()
    }
  }

  /** Fenced, or the log is away: whoever this host's to run it is, it is so still. */
  const again = (): void => {
    if (ending !== undefined) return
    clearTimeout(timer)
    timer = setTimeout(look, retryMs)
    timer.unref()
    retryMs = Math.min(2 * retryMs, MAX_RETRY_MS)
  }

  const look = (): void => {
    if (ending !== undefined) return
    if (assignment.isMine(key)) {
      void start()
      return
    }
    // Another host may have it by now; what it does there is what counts.
    runner?.leave()
    runner = undefined
    ready.resolve()
  }

  const forgetAssignment = assignment.onChange(look)
  const forgetLog = log.onAppended(tenant, () => runner?.wake())

  const end = (): Promise<void> => {
    if (ending !== undefined) return ending
    forgetAssignment()
    forgetLog()
    clearTimeout(timer)
    last = runner
    runner = undefined
    ending = last === undefined ? Promise.resolve() : finish(last)
    ready.resolve()
    deps.onEnd(consumer, ending)
    return ending
  }

  const finish = async (ended: Runner): Promise<void> => {
    try {
      await ended.drain(deps.drainMs)
    } catch (thrown) {
      // Who was fenced has nothing to save.
      if (!isFenced(thrown)) deps.onFailure('save the cursor', thrown)
    }
    ended.stop()
  }

  const consumer: Consumer = {
    tenant,
    pattern,
    kind: 'durable',
    name,
    ready: ready.promise,
    get state() {
      if (ending !== undefined) return 'ended'
      if (runner === undefined) return assignment.isMine(key) ? 'starting' : 'elsewhere'
      return 'running'
    },
    stats: (): SubscriptionStats => ({
      waiting: runner?.waiting ?? 0,
      running: runner?.running ?? 0,
      delivered: counts.delivered,
      failed: counts.failed,
      dropped: 0,
    }),
    wakeReplays: () => runner?.wakeReplays(),
    async flush() {
      await runner?.flush()
    },
    async drain(withinMs) {
      isDraining = true
      await runner?.drain(withinMs)
    },
    unsubscribe: end,
    stop() {
      runner?.stop()
      void end()
      last?.stop()
    },
  }
  look()
  return consumer
}

/** A host alone runs everything. */
export const ALONE: Assignment = { isMine: () => true, onChange: () => () => undefined }

export function nobody(): VelaError {
  return new VelaError(
    'VELA_EVENTS_CONSUMER_NOT_FOUND',
    'There is no such consumer of durable events. "vela events T" lists them.',
  )
}
