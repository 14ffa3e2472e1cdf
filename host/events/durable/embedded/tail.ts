/**
 * The latest events of the log, in the host's memory: who keeps up reads what it wants here, and asks the store thread for nothing.
 * Holds only what is on the disk. Bounded in bytes; a tenant that has been quiet for longest makes room. What a page of it says is
 * exactly what the store would have said.
 */
import type { ReadPage, StoredEvent } from '../log.ts'
import { createMatch } from '../pattern.ts'

export interface Tail {
  /** In the order of the sequences; a gap between this and what came before forgets what came before. */
  push(tenant: string, stored: readonly StoredEvent[]): void
  /** Undefined: the store must be asked. */
  read(tenant: string, pattern: string, after: number, limit: number, bytes: number): ReadPage | undefined
  drop(tenant: string): void
  readonly bytes: number
}

interface Part {
  /** Ascending, without a gap. */
  events: StoredEvent[]
  bytes: number
}

/** Of the objects around a text, roughly. */
const EVENT_BYTES = 512

export function createTail({ tenantBytes, totalBytes }: { tenantBytes: number; totalBytes: number }): Tail {
  // The quiet ones first.
  const parts = new Map<string, Part>()
  const matchers = new Map<string, (subject: string) => boolean>()
  let total = 0

  const drop = (tenant: string): void => {
    total -= parts.get(tenant)?.bytes ?? 0
    parts.delete(tenant)
  }

  const shorten = (part: Part): void => {
    // By halves: an array that loses its first element again and again is moved as often.
    let gone = 0
    let count = 0
    while (part.bytes - gone > tenantBytes / 2 && count < part.events.length - 1)
      gone += sizeOf(part.events[count++] as StoredEvent)
    part.events = part.events.slice(count)
    part.bytes -= gone
    total -= gone
  }

  const matcherOf = (pattern: string): ((subject: string) => boolean) => {
    const known = matchers.get(pattern)
    if (known !== undefined) return known
    const made = createMatch(pattern)
    if (matchers.size >= 1_000) matchers.clear()
    matchers.set(pattern, made)
    return made
  }

  return {
    push(tenant, stored) {
      const [first] = stored
      if (first === undefined) return
      const known = parts.get(tenant)
      const end = known?.events.at(-1)?.sequence
      if (end !== undefined && end + 1 !== first.sequence) drop(tenant)
      const part = parts.get(tenant) ?? { events: [], bytes: 0 }
      parts.delete(tenant)
      parts.set(tenant, part)
      for (const each of stored) {
        const bytes = sizeOf(each)
        part.events.push(each)
        part.bytes += bytes
        total += bytes
      }
      if (part.bytes > tenantBytes) shorten(part)
      for (const other of parts.keys()) {
        if (total <= totalBytes) break
        drop(other)
      }
    },

    read(tenant, pattern, after, limit, bytes) {
      const events = parts.get(tenant)?.events
      const first = events?.[0]
      const end = events?.at(-1)
      if (events === undefined || first === undefined || end === undefined || after < first.sequence - 1)
        return undefined
      const isMatch = matcherOf(pattern)
      const found: StoredEvent[] = []
      let [last, left] = [after, bytes]
      for (let index = after - first.sequence + 1; index < events.length; index++) {
        const each = events[index] as StoredEvent
        if (isMatch(each.event.subject)) {
          if (found.length > 0 && each.event.text.length > left) return { events: found, last, atEnd: false }
          left -= each.event.text.length
          found.push(each)
        }
        last = each.sequence
        if (found.length >= limit) break
      }
      return { events: found, last, atEnd: last >= end.sequence }
    },

    drop,

    get bytes() {
      return total
    },
  }
}

const sizeOf = ({ event }: StoredEvent): number => EVENT_BYTES + 2 * event.text.length
