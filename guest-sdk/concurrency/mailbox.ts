/**
 * What waits to be handled by an actor: bounded, higher priorities first, in order of arrival within one. For actors of
 * guests and of the host. Threat: in a guest it runs after the guest has patched what it likes, so there are linked
 * objects of its own here and no arrays.
 */

/** What is done with a message for a full mailbox: refuse it, or make room by dropping another. */
export type Overflow = 'reject' | 'drop-oldest' | 'drop-lowest'

export interface MailboxOptions<Item> {
  /** Most messages that wait, 1 to 10,000; 1,000 if left out. */
  readonly capacity?: number
  /**
   * `reject` (default); `drop-oldest`: the one that has waited longest goes, whatever its priority; `drop-lowest`: the youngest of
   * the lowest priority goes, or the new one if none is lower.
   */
  readonly overflow?: Overflow
  /** Is told of each message that was dropped to make room. */
  readonly onDropped?: (item: Item) => void
}

/** Where a message stands; to take it out before its time. */
export interface Slot<Item> {
  readonly item: Item
}

export interface Mailbox<Item> {
  /** How many messages wait. */
  readonly depth: number
  readonly capacity: number
  /** `priority`: a whole number from -10 to 10. Undefined: it is full, and the message was not taken. */
  push(item: Item, priority?: number): Slot<Item> | undefined
  /** Takes the next message. */
  take(): Item | undefined
  /** False: it does not wait any more. */
  remove(slot: Slot<Item>): boolean
}

export const DEFAULT_CAPACITY = 1000
export const MAX_CAPACITY = 10_000
export const MAX_PRIORITY = 10
const OVERFLOWS = ['reject', 'drop-oldest', 'drop-lowest'] as const

interface Entry<Item> extends Slot<Item> {
  /** Undefined: it has been taken. */
  lane: Lane<Item> | undefined
  readonly sequence: number
  previous: Entry<Item> | undefined
  next: Entry<Item> | undefined
}

/** All messages of one priority. */
interface Lane<Item> {
  readonly priority: number
  first: Entry<Item> | undefined
  last: Entry<Item> | undefined
  /** The next lower one that has been used. */
  lower: Lane<Item> | undefined
}

/** What somebody gave as a priority; throws RangeError if it is none. */
export function readPriority(value: unknown): number {
  if (value === undefined) return 0
  if (typeof value === 'number' && value % 1 === 0 && value >= -MAX_PRIORITY && value <= MAX_PRIORITY)
    return value
  throw new RangeError(`priority: a whole number from -${MAX_PRIORITY} to ${MAX_PRIORITY}`)
}

/** Options that somebody gave; throws RangeError or TypeError with what is wrong. */
export function readMailboxOptions(value: unknown): Required<Omit<MailboxOptions<never>, 'onDropped'>> {
  if (value === undefined) return { capacity: DEFAULT_CAPACITY, overflow: 'reject' }
  if (typeof value !== 'object' || value === null) throw new TypeError('mailbox: an object')
  const { capacity = DEFAULT_CAPACITY, overflow = 'reject' } = value as {
    capacity?: unknown
    overflow?: unknown
  }
  if (typeof capacity !== 'number' || capacity % 1 !== 0 || capacity < 1 || capacity > MAX_CAPACITY)
    throw new RangeError(`mailbox.capacity: a whole number from 1 to ${MAX_CAPACITY}`)
  if (overflow !== OVERFLOWS[0] && overflow !== OVERFLOWS[1] && overflow !== OVERFLOWS[2])
    throw new TypeError('mailbox.overflow: "reject", "drop-oldest" or "drop-lowest"')
  return { capacity, overflow }
}

export function createMailbox<Item>(options: MailboxOptions<Item> = {}): Mailbox<Item> {
  const { capacity, overflow } = readMailboxOptions(options)
  const { onDropped } = options
  let top: Lane<Item> | undefined
  let depth = 0
  let sequence = 0

  const laneOf = (priority: number): Lane<Item> => {
    let above: Lane<Item> | undefined
    let lane = top
    while (lane !== undefined && lane.priority > priority) {
      above = lane
      lane = lane.lower
    }
    if (lane !== undefined && lane.priority === priority) return lane
    const made: Lane<Item> = { priority, first: undefined, last: undefined, lower: lane }
    if (above === undefined) top = made
    else above.lower = made
    return made
  }

  const unlink = (entry: Entry<Item>): boolean => {
    const { lane, previous, next } = entry
    if (lane === undefined) return false
    if (previous === undefined) lane.first = next
    else previous.next = next
    if (next === undefined) lane.last = previous
    else next.previous = previous
    entry.lane = undefined
    entry.previous = undefined
    entry.next = undefined
    depth--
    return true
  }

  const oldest = (): Entry<Item> | undefined => {
    let found: Entry<Item> | undefined
    for (let lane = top; lane !== undefined; lane = lane.lower) {
      const { first } = lane
      if (first !== undefined && (found === undefined || first.sequence < found.sequence)) found = first
    }
    return found
  }

  const youngestBelow = (priority: number): Entry<Item> | undefined => {
    let found: Entry<Item> | undefined
    for (let lane = top; lane !== undefined; lane = lane.lower) {
      if (lane.last !== undefined && lane.priority < priority) found = lane.last
    }
    return found
  }

  const makeRoom = (priority: number): boolean => {
    if (overflow === 'reject') return false
    const entry = overflow === 'drop-oldest' ? oldest() : youngestBelow(priority)
    if (entry === undefined) return false
    unlink(entry)
    onDropped?.(entry.item)
    return true
  }

  return {
    get depth() {
      return depth
    },
    capacity,
    push(item, priority = 0) {
      if (depth >= capacity && !makeRoom(priority)) return undefined
      const lane = laneOf(priority)
      const entry: Entry<Item> = { item, lane, sequence: sequence++, previous: lane.last, next: undefined }
      if (lane.last === undefined) lane.first = entry
      else lane.last.next = entry
      lane.last = entry
      depth++
      return entry
    },
    take() {
      for (let lane = top; lane !== undefined; lane = lane.lower) {
        const entry = lane.first
        if (entry === undefined) continue
        unlink(entry)
        return entry.item
      }
      return undefined
    },
    remove: (slot) => unlink(slot as Entry<Item>),
  }
}
