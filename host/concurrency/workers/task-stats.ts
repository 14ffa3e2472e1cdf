/**
 * What is known of a pool's tasks by their functions: how long one takes, and whether it ends in the entry it begins in.
 * Those that do, and are short, go to a worker several at a time; nothing is gained by it for others.
 */
export interface TaskStats {
  note(name: string, ms: number, atOnce: boolean): void
  /** Milliseconds of one; undefined: not known. */
  averageMs(name: string): number | undefined
  /** All of them so far ended in the entry they began in, and there were some. */
  endsAtOnce(name: string): boolean
}

interface Known {
  count: number
  spentMs: number
  atOnce: boolean
}

/** Functions that are remembered; a module has fewer. */
const MOST_NAMES = 256
/** Of so many the older half counts half. */
const WINDOW = 64

export function createTaskStats(): TaskStats {
  const known = new Map<string, Known>()
  return {
    note(name, ms, atOnce) {
      let entry = known.get(name)
      if (entry === undefined) {
        if (known.size >= MOST_NAMES) return
        known.set(name, (entry = { count: 0, spentMs: 0, atOnce: true }))
      }
      if (entry.count >= WINDOW) {
        entry.count /= 2
        entry.spentMs /= 2
      }
      entry.count++
      entry.spentMs += ms
      entry.atOnce &&= atOnce
    },
    averageMs(name) {
      const entry = known.get(name)
      return entry === undefined ? undefined : entry.spentMs / entry.count
    },
    endsAtOnce: (name) => known.get(name)?.atOnce === true,
  }
}
