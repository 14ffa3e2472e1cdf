/**
 * Wakes actors when their alarms are due. The store holds the alarms; here is one timer for the earliest of them. An alarm
 * stays in the store until its handler has gone well, so that it comes at least once, whatever ends in between; what
 * fails is tried again after 2, 4, 8 … seconds and, after the last time, is a dead letter.
 * Threat: a service with very many alarms at one time. Each has few under way at once, and the others' come between.
 */
import { VelaError } from '../../core/errors.ts'
import { within } from '../../core/within.ts'
import type { ActorStore, DueAlarm } from './store/store.ts'

export interface AlarmsDeps {
  readonly store: Pick<ActorStore, 'claimAlarms' | 'endAlarm' | 'retryAlarm'>
  /** Resolves when the handler has gone well and what it wrote is stored. */
  readonly deliver: (alarm: DueAlarm) => Promise<void>
  /** It was tried as often as it may be. */
  readonly onDead: (alarm: DueAlarm, reason: string) => void
  readonly onFailure: (thrown: unknown) => void
  /** Milliseconds since the epoch. */
  readonly now: () => number
  /** Before the first retry; each further one waits twice as long. 2 s if left out. */
  readonly backoffMs?: number
}

export interface Alarms {
  /** From now on alarms are delivered. */
  start(): void
  /** An alarm was set for this time. */
  wake(atMs: number): void
  /** No alarm is begun any more; resolves when none is under way, or after `withinMs`. What is then still under way rings again after a restart. */
  stop(withinMs: number): Promise<void>
}

const MAX_RETRIES = 6
const MAX_AT_ONCE = 256
const MAX_OF_SERVICE = 32
/** Taken at once, of whichever service; so one with room for fewer is passed over. */
const BATCH = 16
const BACKOFF_MS = 2_000
/** For what is no fault of the handler: the service is paused, or has too much to do. */
const LATER_MS = 5_000
/** Timers go no further than some weeks; looking now and then costs nothing. */
const LONGEST_MS = 3_600_000
const NOT_ITS_FAULT: ReadonlySet<string> = new Set([
  'VELA_CELL_OVERLOADED',
  'VELA_CELL_START_FAILED',
  'VELA_ACTOR_MAILBOX_FULL',
  'VELA_GUEST_QUARANTINED',
  'VELA_GATEWAY_DRAINING',
  'VELA_TENANT_QUOTA_EXCEEDED',
])

export function createAlarms(deps: AlarmsDeps): Alarms {
  const { store, now } = deps
  const backoffMs = deps.backoffMs ?? BACKOFF_MS
  /** Under way, by the number of their service. */
  const underWay = new Map<number, number>()
  const running = new Set<Promise<void>>()
  let timer: NodeJS.Timeout | undefined
  let timerAtMs = Infinity
  let looking = false
  /** Something was set while the store was asked. */
  let again = Infinity
  let state: 'new' | 'on' | 'off' = 'new'

  const schedule = (atMs: number): void => {
    if (state !== 'on' || atMs >= timerAtMs) return
    clearTimeout(timer)
    timerAtMs = atMs
    timer = setTimeout(look, Math.min(Math.max(0, atMs - now()), LONGEST_MS)).unref()
  }

  /** Once the store is closed nothing can be kept, nor needs to be. */
  const report = (thrown: unknown): void => {
    if (state !== 'off') deps.onFailure(thrown)
  }

  const look = (): void => {
    timerAtMs = Infinity
    clearTimeout(timer)
    if (state !== 'on') return
    if (looking) {
      // What came free meanwhile may be room for a service that this look leaves out.
      again = Math.min(again, now())
      return
    }
    if (running.size >= MAX_AT_ONCE) return
    looking = true
    again = Infinity
    const busy = [...underWay]
      .filter(([, count]) => count > MAX_OF_SERVICE - BATCH)
      .map(([service]) => service)
    store
      .claimAlarms(now(), Math.min(BATCH, MAX_AT_ONCE - running.size), busy)
      .then(
        ({ alarms, nextMs }) => {
          for (const alarm of alarms) begin(alarm)
          return nextMs ?? Infinity
        },
        (thrown: unknown) => {
          report(thrown)
          return now() + LATER_MS
        },
      )
      .then((nextMs) => {
        looking = false
        const soonest = Math.min(nextMs, again)
        if (soonest < Infinity) schedule(soonest)
      })
      .catch(report)
  }

  const begin = (alarm: DueAlarm): void => {
    underWay.set(alarm.service, (underWay.get(alarm.service) ?? 0) + 1)
    const work: Promise<void> = ring(alarm)
      .catch(report)
      .finally(() => {
        running.delete(work)
        const left = (underWay.get(alarm.service) ?? 1) - 1
        if (left === 0) underWay.delete(alarm.service)
        else underWay.set(alarm.service, left)
        // One that had to wait for room may be due.
        if (left <= MAX_OF_SERVICE - BATCH || running.size === MAX_AT_ONCE - 1) schedule(now())
      })
    running.add(work)
  }

  const ring = async (alarm: DueAlarm): Promise<void> => {
    try {
      await deps.deliver(alarm)
    } catch (thrown) {
      return await failed(alarm, thrown)
    }
    await store.endAlarm(alarm)
  }

  const failed = async (alarm: DueAlarm, thrown: unknown): Promise<void> => {
    // The host goes down: the alarm stays as it is, for the next one.
    if (state === 'off') return await store.retryAlarm(alarm, alarm.dueMs, alarm.retries)
    if (thrown instanceof VelaError && NOT_ITS_FAULT.has(thrown.code)) {
      const atMs = now() + LATER_MS
      await store.retryAlarm(alarm, atMs, alarm.retries)
      return schedule(atMs)
    }
    if (alarm.retries >= MAX_RETRIES) {
      deps.onDead(alarm, thrown instanceof Error ? `${thrown.name}: ${thrown.message}` : String(thrown))
      return void (await store.endAlarm(alarm))
    }
    const atMs = now() + backoffMs * 2 ** alarm.retries
    await store.retryAlarm(alarm, atMs, alarm.retries + 1)
    schedule(atMs)
  }

  return {
    start() {
      if (state !== 'new') return
      state = 'on'
      schedule(now())
    },
    wake(atMs) {
      if (looking) again = Math.min(again, atMs)
      else schedule(atMs)
    },
    async stop(withinMs) {
      state = 'off'
      clearTimeout(timer)
      if (running.size === 0 || withinMs <= 0) return
      await within(withinMs, Promise.allSettled(running))
    },
  }
}
