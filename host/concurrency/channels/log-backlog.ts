/**
 * A log: each receiver has a cursor and gets every value from when it came. No cursor is more than the capacity behind, so the log is
 * no longer than that: a slow one holds up the senders, or is moved on over what it has missed.
 */
import { CALL_CHARACTERS } from '../../../guest-sdk/concurrency/remote-line.ts'
import type { Backlog, Reader } from './backlog.ts'
import type { Budget } from './budget.ts'
import { costOf, cut, join, type Chunk } from './chunk.ts'

interface Cursor {
  /** The first value it has not consumed. */
  at: number
  /** What it was handed: from here, so many. */
  from: number
  handed: number
}

export interface LogBacklogOptions {
  readonly capacity: number
  /** A slow receiver misses its oldest values; else it holds up the senders. */
  readonly drops: boolean
  readonly budget: Budget
  /** A receiver has missed so many values. */
  readonly onDrop: (count: number) => void
}

export function createLogBacklog({ capacity, drops, budget, onDrop }: LogBacklogOptions): Backlog {
  const cursors = new Map<Reader, Cursor>()
  const log = new Map<number, Chunk>()
  let tail = 0
  let head = 0

  const slowest = (): number => {
    let least = head
    for (const { at } of cursors.values()) if (at < least) least = at
    return least
  }

  const trim = (): void => {
    const least = slowest()
    for (; tail < least; tail++) {
      const chunk = log.get(tail)
      log.delete(tail)
      if (chunk !== undefined) budget.give(costOf(chunk))
    }
  }

  /** No cursor stays before `at`. */
  const moveOn = (at: number): void => {
    for (const cursor of cursors.values()) {
      if (cursor.at >= at) continue
      // What was handed out and is still being taken has not been missed.
      const known = Math.min(cursor.from + cursor.handed, at)
      onDrop(at - Math.max(cursor.at, known))
      cursor.at = at
    }
    trim()
  }

  return {
    get used() {
      return drops ? 0 : head - slowest()
    },
    get isEmpty() {
      return head === slowest()
    },
    relieve(bytes) {
      if (!drops) return false
      // All at once: each move looks at every receiver.
      let lacking = budget.lacking(bytes)
      let at = tail
      for (; at < head && lacking > 0; at++) lacking -= costOf(log.get(at) as Chunk)
      if (lacking > 0) return false
      moveOn(at)
      return true
    },
    push(chunk) {
      let paid = costOf(chunk)
      for (let rest: Chunk | undefined = chunk; rest !== undefined;) {
        const [one, others]: readonly [Chunk | undefined, Chunk | undefined] = cut(rest, 1)
        rest = others
        if (one === undefined || cursors.size === 0) continue
        log.set(head++, one)
        paid -= costOf(one)
      }
      budget.give(paid)
      if (drops) moveOn(head - capacity)
      if (cursors.size === 0) tail = head
    },
    join: (reader) => void cursors.set(reader, { at: head, from: head, handed: 0 }),
    leave(reader) {
      cursors.delete(reader)
      trim()
    },
    share: () => Infinity,
    hasFor: (reader) => (cursors.get(reader)?.at ?? head) < head,
    hand(reader, most) {
      const cursor = cursors.get(reader)
      if (cursor === undefined) return undefined
      const parts: Chunk[] = []
      let bytes = 0
      for (let at = cursor.at; at < head && parts.length < most; at++) {
        const chunk = log.get(at)
        if (chunk === undefined || (parts.length > 0 && bytes + chunk.bytes.length > CALL_CHARACTERS)) break
        parts.push(chunk)
        bytes += chunk.bytes.length + 1
      }
      cursor.from = cursor.at
      cursor.handed = parts.length
      return join(parts)
    },
    consume(reader, count) {
      const cursor = cursors.get(reader)
      if (cursor === undefined) return
      cursor.at = Math.max(cursor.at, cursor.from + Math.min(count, cursor.handed))
      cursor.handed = 0
      trim()
    },
    clear() {
      cursors.clear()
      trim()
    },
  }
}
