/**
 * What of one isolate may last: the turns that carry a WebSocket or an event stream. They are counted together, outlive
 * `wallMs`, and messages of clients wait here, not with the guest, until an entry takes them: a few at a time, in turn.
 * A client that sends faster than its guest takes is no longer read; what waits is bounded by a window for each.
 */
import { BODY, SOCKET_MESSAGE_COST, SOCKET_WINDOW, TO_GUEST } from '../../guest-sdk/kernel/messages.ts'
import type { SocketLink } from './call.ts'
import type { Turn } from './turn-table.ts'

export interface GuestSockets {
  /** WebSockets and event streams that are open. */
  readonly size: number
  /** Those among them of pinned calls. */
  readonly pinnedSize: number
  /** Whether messages wait for an entry. */
  readonly isWaiting: boolean
  /** The turn lasts from now on; false: as many do as may. */
  endure(turn: Turn): boolean
  /** `onRoom`: after `receive` said false, more may come. Undefined: as many are open as may. */
  open(turn: Turn, onRoom: () => void): SocketLink | undefined
  /** Messages for an entry, as text and bodies. */
  take(most: number): { readonly count: number; readonly messages: string; readonly bodies: string }
  /** It lasts no longer: `wallMs` counts, from now, for what the guest still does. */
  end(turn: Turn): void
  /** The turn is over. */
  remove(turn: Turn): void
  /** Asks everybody to go. */
  shut(code: number, reason: string): void
  clear(): void
}

export interface GuestSocketsDeps {
  readonly limit: number
  readonly wake: () => void
  /** A turn lasts from now on: that is room for another. */
  readonly onEndure: () => void
}

interface Item {
  readonly head: string
  readonly body: string
  readonly cost: number
}

interface Queue {
  readonly turn: Turn
  readonly items: Item[]
  /** Messages that wait here, and those that the guest was given and has not taken. */
  waiting: number
  given: number
  full: boolean
  over: boolean
  readonly onRoom: () => void
}

/** One entry takes no more of messages (characters), so that a frame can hold it. */
const MOST_ENTRY_BYTES = 4 * 1024 * 1024

export function createGuestSockets({ limit, wake, onEndure }: GuestSocketsDeps): GuestSockets {
  const lasting = new Set<Turn>()
  let pinned = 0
  const queues = new Map<Turn, Queue>()
  /** Those that have something to say, in the order of their turns to say it. */
  const ready = new Set<Queue>()

  const endure = (turn: Turn): boolean => {
    if (lasting.size >= limit) return false
    if (turn.lasts) return true
    lasting.add(turn)
    if (turn.pinned) pinned++
    turn.lasts = true
    onEndure()
    return true
  }

  const end = (turn: Turn): void => {
    if (!lasting.delete(turn)) return
    if (turn.pinned) pinned--
    turn.lasts = false
    turn.wallFromMs = performance.now()
  }

  const push = (queue: Queue, item: Item): void => {
    queue.items.push(item)
    ready.add(queue)
    wake()
  }

  const checkRoom = (queue: Queue): void => {
    if (!queue.full || queue.over || queue.waiting + queue.given > SOCKET_WINDOW / 2) return
    queue.full = false
    queue.onRoom()
  }

  return {
    get size() {
      return lasting.size
    },
    get pinnedSize() {
      return pinned
    },
    get isWaiting() {
      return ready.size > 0
    },
    endure,
    end,
    open(turn, onRoom) {
      if (!endure(turn)) return undefined
      const queue: Queue = { turn, items: [], waiting: 0, given: 0, full: false, over: false, onRoom }
      queues.set(turn, queue)
      return {
        receive(isText, bytes) {
          if (queue.over) return true
          const cost = bytes.length + SOCKET_MESSAGE_COST
          const kind = isText ? BODY.text : BODY.bytes
          queue.waiting += cost
          push(queue, {
            head: `[${TO_GUEST.message},${turn.id},${kind},${bytes.length}]`,
            body: bytes,
            cost,
          })
          queue.full ||= queue.waiting + queue.given >= SOCKET_WINDOW
          return !queue.full
        },
        taken(amount) {
          // A cell that has been taken over may claim more than it was given.
          queue.given = Math.max(0, queue.given - amount)
          checkRoom(queue)
        },
        closed(code, how, reason) {
          if (queue.over) return
          queue.over = true
          end(turn)
          const head = `[${TO_GUEST.closed},${turn.id},${code},${how},${reason.length}]`
          push(queue, { head, body: reason, cost: 0 })
        },
      }
    },
    take(most) {
      let messages = ''
      let bodies = ''
      let count = 0
      while (count < most && bodies.length < MOST_ENTRY_BYTES) {
        const { done, value: queue } = ready.values().next()
        if (done === true) break
        ready.delete(queue)
        const item = queue.items.shift()
        if (item === undefined) continue
        // Each has its turn: behind all others.
        if (queue.items.length > 0) ready.add(queue)
        messages = messages === '' ? item.head : `${messages},${item.head}`
        bodies += item.body
        queue.waiting -= item.cost
        queue.given += item.cost
        count++
        checkRoom(queue)
      }
      return { count, messages, bodies }
    },
    remove(turn) {
      end(turn)
      const queue = queues.get(turn)
      if (queue === undefined) return
      queue.over = true
      queues.delete(turn)
      ready.delete(queue)
    },
    shut(code, reason) {
      for (const turn of lasting) turn.call.shut?.(code, reason)
    },
    clear() {
      for (const queue of queues.values()) queue.over = true
      queues.clear()
      ready.clear()
      lasting.clear()
      pinned = 0
    },
  }
}
