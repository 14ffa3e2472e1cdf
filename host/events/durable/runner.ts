/**
 * Runs one consumer on this host as long as it holds the cursor: reads ahead, hands batches to the handler, and settles what comes back.
 * Invariants: an event is finished only when its handler said so or its dead letter is stored; of one key at most one batch is under
 * way; what is read ahead is bounded, in events and in characters; nothing here waits for another consumer.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { VelaError } from '../../core/errors.ts'
import { within } from '../../core/within.ts'
import type { EventHandlerBatch } from '../types.ts'
import { createAttempts } from './attempts.ts'
import { createLanes, type Item } from './lanes.ts'
import type { Cursor, DurableLog, StoredEvent } from './log.ts'
import type { DurableMeter } from './meter.ts'
import type { ConsumerSettings } from './options.ts'
import { createProgress } from './progress.ts'
import { createReader } from './reader.ts'
import { createSaver } from './saver.ts'
import { AGAIN, judge, judgeLost, wasNotTaken, type Verdict } from './verdicts.ts'

export interface RunnerDeps {
  readonly log: DurableLog
  readonly tenant: string
  readonly consumer: string
  readonly pattern: string
  readonly handler: EventHandlerBatch
  readonly settings: ConsumerSettings
  readonly cursor: Cursor
  /** Characters that may be read ahead. */
  readonly ahead: () => number
  readonly counts: RunnerCounts
  readonly meter: DurableMeter
  readonly now: () => number
  readonly onSaved: () => void
  /** Somebody else has the cursor, or it is worth nothing any more; this runner has stopped. */
  readonly onFenced: () => void
  /** The log did not do what it should; it is tried again. */
  readonly onFailure: (what: string, thrown: unknown) => void
}

/** Of the consumer, over all its runners. */
export interface RunnerCounts {
  delivered: number
  failed: number
}

export interface Runner {
  /** There may be something new. */
  wake(): void
  /** There may be dead letters to try again. */
  wakeReplays(): void
  /** Resolves when no batch is under way, or after that long (ms), with what was handled saved. Takes no more from here on. */
  drain(withinMs: number): Promise<void>
  /** Takes no more, aborts what is under way and forgets it; saves nothing. */
  stop(): void
  /** The same, but what was handled before is saved if it still may be. */
  leave(): void
  flush(): Promise<void>
  readonly running: number
  readonly waiting: number
}

const MAX_HOLD_MS = 30_000

export function createRunner(deps: RunnerDeps): Runner {
  const { log, tenant, consumer, handler, settings, counts, meter, now } = deps
  const progress = createProgress(deps.cursor.state)
  const attempts = createAttempts(handler, settings.timeoutMs)
  const abort = new AbortController()
  let running = 0
  let waiting = 0
  let isEnding = false
  let holdMs = 0
  let hold: NodeJS.Timeout | undefined
  let onIdle: (() => void)[] = []

  const stop = (): void => {
    saver.stop()
    abandon()
  }

  const abandon = (): void => {
    isEnding = true
    clearTimeout(hold)
    lanes.stop()
    reader.stop()
    abort.abort()
    attempts.abort(new VelaError('VELA_TASK_CANCELED', 'The consumer ended'))
    becomeIdle()
  }

  const becomeIdle = (): void => {
    for (const resolve of onIdle) resolve()
    onIdle = []
  }

  const saver = createSaver({
    cursor: deps.cursor,
    progress,
    onSaved: deps.onSaved,
    onFenced: () => endHere(),
    onFailure: (thrown) => deps.onFailure('save the cursor', thrown),
  })

  const endHere = (): void => {
    stop()
    deps.onFenced()
  }

  deps.cursor.onLost?.(() => {
    if (!abort.signal.aborted) endHere()
  })

  const lanes = createLanes({ now, onReady: () => dispatch() })

  const reader = createReader({
    ...deps,
    progress,
    room: () => settings.capacity - progress.unfinished,
    take(stored: StoredEvent, attempts, dueMs, isReplay) {
      waiting += 1
      lanes.add({ stored, attempts, solo: false, isReplay }, dueMs)
    },
    onRead() {
      saver.note()
      dispatch()
    },
  })

  const dispatch = (): void => {
    while (running < settings.concurrency && !isEnding && hold === undefined) {
      const batch = lanes.take({
        events: settings.maxBatch,
        characters: settings.maxBatchCharacters,
        sameKeyTogether: settings.sameKeyTogether,
      })
      if (batch.length === 0) break
      running += 1
      waiting -= batch.length
      void run(batch)
    }
    if (running === 0) becomeIdle()
  }

  const run = async (batch: readonly Item[]): Promise<void> => {
    const outcome = await attempts.run(
      batch.map(({ stored, attempts: ended }) => ({ event: stored.event, attempt: ended + 1 })),
    )
    if (abort.signal.aborted) return
    const isNotTaken = 'thrown' in outcome && wasNotTaken(outcome.thrown)
    if (isNotTaken) holdOn()
    else holdMs = 0
    const verdicts = isNotTaken
      ? batch.map(() => AGAIN)
      : 'thrown' in outcome
        ? judgeLost(batch, outcome.thrown, settings)
        : judge(batch, outcome.outcomes, settings)
    for (const [index, item] of batch.entries()) {
      const verdict = verdicts[index]
      if (verdict?.kind === 'dead') await bury(item, verdict.reason)
      else if (verdict?.kind === 'done' && item.isReplay) await exhume(item)
      if (abort.signal.aborted) return
    }
    settle(batch, verdicts)
    running -= 1
    saver.note()
    reader.goOn()
    dispatch()
  }

  /** Its handler's side takes nothing now; the longer, the less often it is asked. */
  const holdOn = (): void => {
    holdMs = Math.min(MAX_HOLD_MS, Math.max(settings.backoffMs, 2 * holdMs, 50))
    clearTimeout(hold)
    hold = setTimeout(() => {
      hold = undefined
      dispatch()
    }, holdMs)
    hold.unref()
  }

  const bury = (item: Item, reason: string): Promise<void> =>
    insist('store a dead letter', async () => {
      const { stored, attempts } = item
      await log.addDead(tenant, {
        ...stored,
        consumer,
        attempts: attempts + 1,
        reason,
        atMs: now(),
        replaying: false,
      })
      meter.dead()
    })

  const exhume = (item: Item): Promise<void> =>
    insist('remove a dead letter', async () => {
      await log.dropDead(tenant, consumer, [item.stored.sequence])
    })

  /** Until it went well, or nobody is interested any more. */
  const insist = async (what: string, act: () => Promise<void>): Promise<void> => {
    for (let waitMs = 100; !abort.signal.aborted; waitMs = Math.min(2 * waitMs, 10_000)) {
      try {
        return await act()
      } catch (thrown) {
        deps.onFailure(what, thrown)
        await sleep(waitMs, undefined, { signal: abort.signal, ref: false }).catch(() => undefined)
      }
    }
  }

  const settle = (batch: readonly Item[], verdicts: readonly Verdict[]): void => {
    const again = new Map<string, { readonly items: Item[]; dueMs: number }>()
    for (const [index, item] of batch.entries()) {
      const { key } = item.stored.event
      const verdict = verdicts[index]
      const held = key === null ? undefined : again.get(key)
      if (key !== null && held === undefined) again.set(key, { items: [], dueMs: 0 })
      if (verdict?.kind !== 'again') {
        counts[verdict?.kind === 'done' ? 'delivered' : 'failed'] += 1
        if (verdict?.kind === 'done') meter.handled()
        reader.finished(item)
        if (key === null) lanes.release(null, [], 0)
        continue
      }
      const dueMs = verdict.afterMs === 0 ? 0 : now() + verdict.afterMs
      waiting += 1
      if (verdict.counted) {
        item.attempts += 1
        counts.failed += 1
        meter.retried()
        if (!item.isReplay)
          progress.failed({ sequence: item.stored.sequence, attempts: item.attempts, dueMs })
      }
      const lane = key === null ? undefined : again.get(key)
      if (lane === undefined) lanes.release(null, [item], dueMs)
      else {
        lane.items.push(item)
        lane.dueMs = Math.max(lane.dueMs, dueMs)
      }
    }
    for (const [key, { items, dueMs }] of again) lanes.release(key, items, dueMs)
  }

  return {
    wake: () => reader.wake(),
    wakeReplays: () => reader.wakeReplays(),
    async drain(withinMs) {
      isEnding = true
      reader.stop()
      lanes.stop()
      if (running > 0) {
        const idle = Promise.withResolvers<void>()
        onIdle.push(idle.resolve)
        await within(withinMs, idle.promise)
      }
      await saver.flush()
    },
    stop,
    leave() {
      abandon()
      // Whoever has the cursor by now refuses it, and handles again what was not saved.
      saver
        .flush()
        .catch(() => undefined)
        .finally(() => saver.stop())
    },
    flush: () => saver.flush(),
    get running() {
      return running
    },
    get waiting() {
      return waiting
    },
  }
}
