/**
 * Reads ahead for a consumer: first what its cursor left open, then the log from its position on, as far as there is room, and dead
 * letters that are to be tried again. One read at a time. Invariant: events come in the order of the log.
 */
import type { Item } from './lanes.ts'
import type { Cursor, DurableLog, OpenEvent, StoredEvent } from './log.ts'
import type { Progress } from './progress.ts'

export interface ReaderDeps {
  readonly log: DurableLog
  readonly tenant: string
  readonly consumer: string
  readonly pattern: string
  readonly cursor: Cursor
  readonly progress: Progress
  /** Events that may still be begun. */
  readonly room: () => number
  /** Characters that may be held. */
  readonly ahead: () => number
  readonly take: (stored: StoredEvent, attempts: number, dueMs: number, isReplay: boolean) => void
  readonly onRead: () => void
  readonly onFailure: (what: string, thrown: unknown) => void
}

export interface Reader {
  wake(): void
  wakeReplays(): void
  /** There may be room again. */
  goOn(): void
  /** An event that was taken needs no room any more. */
  finished(item: Item): void
  stop(): void
}

const PAGE_EVENTS = 256
const REPLAYS = 32
const FIRST_RETRY_MS = 100
const MAX_RETRY_MS = 10_000

export function createReader(deps: ReaderDeps): Reader {
  const { log, tenant, consumer, pattern, progress, room, ahead, take, onRead, onFailure } = deps
  const replaying = new Set<number>()
  let open: readonly OpenEvent[] = deps.cursor.state.open
  let characters = 0
  let isReading = false
  /** Something may be there that no read has seen. */
  let isBehind = true
  let areReplaysBehind = true
  let isStopped = false
  let retryMs = FIRST_RETRY_MS
  let timer: NodeJS.Timeout | undefined

  const hold = (stored: StoredEvent): void => {
    characters += stored.event.text.length
  }

  const readOpen = async (): Promise<void> => {
    const sequences = open.map(({ sequence }) => sequence)
    const found = await log.readAt(tenant, sequences, ahead())
    if (isStopped) return
    const last = found.at(-1)?.sequence ?? Infinity
    const bySequence = new Map(found.map((stored) => [stored.sequence, stored]))
    for (const { sequence, attempts, dueMs } of open) {
      if (sequence > last) break
      const stored = bySequence.get(sequence)
      // The log has let go of it: it was too old.
      if (stored === undefined) progress.finish(sequence)
      else {
        hold(stored)
        take(stored, attempts, dueMs, false)
      }
    }
    open = open.filter(({ sequence }) => sequence > last)
  }

  const readAhead = async (): Promise<void> => {
    const limit = Math.min(room(), PAGE_EVENTS)
    isBehind = false
    const page = await log.read(tenant, pattern, progress.readTo, limit, ahead() - characters)
    if (isStopped) return
    for (const stored of page.events) {
      progress.begin(stored.sequence)
      hold(stored)
      take(stored, 0, 0, false)
    }
    progress.scanned(page.last)
    if (!page.atEnd) isBehind = true
  }

  const readReplays = async (): Promise<void> => {
    areReplaysBehind = false
    const letters = await log.listReplay(tenant, consumer, REPLAYS)
    if (isStopped) return
    for (const letter of letters) {
      if (replaying.has(letter.sequence)) continue
      replaying.add(letter.sequence)
      hold(letter)
      take({ sequence: letter.sequence, event: letter.event }, 0, 0, true)
    }
  }

  const next = (): (() => Promise<void>) | undefined => {
    if (isStopped) return undefined
    if (open.length > 0) return readOpen
    if (areReplaysBehind && replaying.size === 0) return readReplays
    return isBehind && room() > 0 && characters < ahead() ? readAhead : undefined
  }

  const readAll = async (): Promise<void> => {
    try {
      for (let step = next(); step !== undefined; step = next()) {
        await step()
        if (!isStopped) onRead()
      }
      retryMs = FIRST_RETRY_MS
    } catch (thrown) {
      if (isStopped) return
      isBehind = true
      areReplaysBehind = true
      onFailure('read events', thrown)
      timer = setTimeout(read, retryMs)
      timer.unref()
      retryMs = Math.min(2 * retryMs, MAX_RETRY_MS)
    } finally {
      isReading = false
    }
  }

  const read = (): void => {
    timer = undefined
    if (isReading || next() === undefined) return
    isReading = true
    void readAll()
  }

  return {
    wake() {
      isBehind = true
      if (timer === undefined) read()
    },
    wakeReplays() {
      areReplaysBehind = true
      if (timer === undefined) read()
    },
    goOn() {
      if (timer === undefined) read()
    },
    finished({ stored, isReplay }) {
      characters -= stored.event.text.length
      if (!isReplay) progress.finish(stored.sequence)
      else if (replaying.delete(stored.sequence) && replaying.size === 0) areReplaysBehind = true
    },
    stop() {
      isStopped = true
      clearTimeout(timer)
    },
  }
}
