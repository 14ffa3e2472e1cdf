/**
 * Removes from the log what every consumer has passed: a while after cursors moved, and sooner when much was appended. A tenant without
 * consumers keeps its events for those that come with `from: 'all'`, until they take most of its room: then the older half goes.
 */
import type { DurableLog } from './log.ts'
import { neededFrom } from './progress.ts'

export interface Trimmer {
  /** A cursor of the tenant moved. */
  moved(tenant: string): void
  /** So much was appended. */
  appended(tenant: string, characters: number): void
  /** The log is full. */
  full(tenant: string): void
  forget(tenant: string): void
  close(): Promise<void>
}

export interface TrimmerDeps {
  readonly log: DurableLog
  /** Saves what the tenant's consumers on this host have handled. */
  readonly flush: (tenant: string) => Promise<void>
  readonly everyMs: number
  readonly onFailure: (thrown: unknown) => void
}

/** Appended since the last time. */
const PRESSURE_CHARACTERS = 4 * 1024 * 1024
const KEPT_FOR_NOBODY = 0.75
/** Before a round that somebody waits for: a publisher that is refused again and again must not keep it going. */
const URGENT_MS = 20

export function createTrimmer({ log, flush, everyMs, onFailure }: TrimmerDeps): Trimmer {
  const due = new Set<string>()
  const pressed = new Map<string, number>()
  let running: Promise<void> | undefined
  let soon: NodeJS.Timeout | undefined
  let isUrgent = false
  let isClosed = false

  const trim = async (tenant: string): Promise<void> => {
    pressed.delete(tenant)
    await flush(tenant)
    const cursors = await log.cursors(tenant)
    const { first, last, bytes, quotaBytes } = await log.usage(tenant)
    const below =
      cursors.length > 0
        ? Math.min(...cursors.map(({ state }) => neededFrom(state)))
        : bytes > KEPT_FOR_NOBODY * quotaBytes
          ? first + Math.ceil((last + 1 - first) / 2)
          : 0
    if (below > first) await log.trim(tenant, below)
  }

  const run = async (): Promise<void> => {
    // Cursors move by the saving that is done here, which must not keep it going.
    const round = [...due]
    due.clear()
    for (const tenant of round) {
      if (isClosed) return
      try {
        await trim(tenant)
      } catch (thrown) {
        if (!isClosed) onFailure(thrown)
      }
    }
  }

  const start = (): void => {
    if (due.size === 0 || isClosed) return
    running ??= run().finally(() => {
      running = undefined
      if (isUrgent) startSoon()
    })
  }

  const startSoon = (): void => {
    if (isClosed) return
    soon ??= setTimeout(() => {
      soon = undefined
      isUrgent = false
      start()
    }, URGENT_MS).unref()
  }

  const hurry = (tenant: string): void => {
    due.add(tenant)
    isUrgent = true
    if (running === undefined) startSoon()
  }

  const timer = setInterval(start, everyMs)
  timer.unref()
  return {
    moved: (tenant) => void due.add(tenant),
    appended(tenant, characters) {
      const sum = (pressed.get(tenant) ?? 0) + characters
      pressed.set(tenant, sum)
      if (sum < PRESSURE_CHARACTERS) return
      pressed.delete(tenant)
      hurry(tenant)
    },
    full: hurry,
    forget(tenant) {
      due.delete(tenant)
      pressed.delete(tenant)
    },
    async close() {
      isClosed = true
      clearInterval(timer)
      clearTimeout(soon)
      await running
    },
  }
}
