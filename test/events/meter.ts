/** A meter that can be read, for tests. */
import type { EventMeter } from '../../host/events/types.ts'

export interface CountingMeter extends EventMeter {
  readonly counts: Readonly<Record<string, number>>
}

export function countingMeter(): CountingMeter {
  const counts: Record<string, number> = {}
  const add = (name: string, count: number): void => {
    counts[name] = (counts[name] ?? 0) + count
  }
  return {
    counts,
    published: () => add('published', 1),
    delivered: (count) => add('delivered', count),
    dropped: (reason, count) => add(`dropped ${reason}`, count),
    failed: (reason) => add(`failed ${reason}`, 1),
    degraded: () => add('degraded', 1),
  }
}
