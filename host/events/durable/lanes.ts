/**
 * What a consumer has read and not handled yet, in lanes by key: a lane gives its next event when the one before is settled, and waits
 * as long as that is to be retried. Events without a key wait for nobody. Invariant: of one key at most one batch is under way, and
 * within it they stand in the order of the log.
 */
import type { StoredEvent } from './log.ts'

export interface Item {
  readonly stored: StoredEvent
  /** Attempts that have ended. */
  attempts: number
  /** To be handled alone: a batch that it was in was lost. */
  solo: boolean
  /** A dead letter that is tried again. */
  readonly isReplay: boolean
}

export interface BatchBounds {
  readonly events: number
  readonly characters: number
  /** Several of one key. */
  readonly sameKeyTogether: boolean
}

export interface Lanes {
  /** In the order of the log. */
  add(item: Item, dueMs: number): void
  /** What may be handled now, as one batch; empty if nothing may. Their lanes are held until `release`. */
  take(bounds: BatchBounds): Item[]
  /** Of one key (or one event without): these are to be tried again, from `dueMs` on. */
  release(key: string | null, again: readonly Item[], dueMs: number): void
  /** Nothing becomes ready any more. */
  stop(): void
}

interface Lane {
  readonly key: string | null
  /** In order; never empty while the lane is ready or delayed. */
  readonly items: Item[]
}

export interface LanesDeps {
  readonly now: () => number
  readonly onReady: () => void
}

export function createLanes({ now, onReady }: LanesDeps): Lanes {
  const lanes = new Map<string, Lane>()
  const ready: Lane[] = []
  const delayed = new Map<Lane, NodeJS.Timeout>()

  const schedule = (lane: Lane, dueMs: number): void => {
    const waitMs = dueMs === 0 ? 0 : dueMs - now()
    if (waitMs <= 0) {
      ready.push(lane)
      return
    }
    const timer = setTimeout(() => {
      delayed.delete(lane)
      ready.push(lane)
      onReady()
    }, waitMs)
    timer.unref()
    delayed.set(lane, timer)
  }

  const laneFor = (key: string | null): Lane => {
    const lane: Lane = { key, items: [] }
    if (key !== null) lanes.set(key, lane)
    return lane
  }

  return {
    add(item, dueMs) {
      const { key } = item.stored.event
      const known = key === null ? undefined : lanes.get(key)
      if (known !== undefined) {
        known.items.push(item)
        return
      }
      const lane = laneFor(key)
      lane.items.push(item)
      schedule(lane, dueMs)
    },

    take({ events, characters, sameKeyTogether }) {
      const batch: Item[] = []
      let left = characters
      const fits = (item: Item): boolean =>
        batch.length === 0 ||
        (batch.length < events &&
          !item.solo &&
          batch[0]?.solo === false &&
          item.stored.event.text.length <= left)
      while (batch.length < events) {
        const lane = ready[0]
        const first = lane?.items[0]
        if (lane === undefined || first === undefined || !fits(first)) break
        ready.shift()
        do {
          const item = lane.items.shift() as Item
          batch.push(item)
          left -= item.stored.event.text.length
        } while (sameKeyTogether && lane.items[0] !== undefined && fits(lane.items[0]))
      }
      return batch
    },

    release(key, again, dueMs) {
      const lane = key === null ? laneFor(null) : (lanes.get(key) ?? laneFor(key))
      lane.items.unshift(...again)
      if (lane.items.length > 0) schedule(lane, again.length > 0 ? dueMs : 0)
      else if (key !== null) lanes.delete(key)
    },

    stop() {
      for (const timer of delayed.values()) clearTimeout(timer)
      delayed.clear()
      ready.length = 0
    },
  }
}
