/**
 * The broadcast form of a channel: every receiver gets every value sent while it is there, and stands in a bounded queue of its
 * own. A slow one makes senders wait, or loses its oldest values and is told how many.
 */
import {
  checkCapacity,
  closedMessage,
  DEFAULT_CAPACITY,
  settle,
  wait,
  type ChannelPlatform,
  type ReceiveEnd,
  type SendEnd,
  type Waiter,
  type WaitOptions,
} from './channel-contract.ts'
import { WaitingList, type Place } from './fifo.ts'
import { Inbox } from './inbox.ts'

export interface BroadcastOptions {
  /** Values that may stand before each receiver; 100 if left out. */
  readonly capacity?: number
  /** What happens when a receiver has that many before it: senders wait (default), or its oldest is dropped. */
  readonly slow?: 'wait' | 'drop'
}

export interface Broadcast<Value> extends SendEnd<Value>, AsyncIterable<Value> {
  /** False: a receiver is full, or it is closed. */
  trySend(value: Value): boolean
  /** A place at which every value from now on arrives. */
  receiver(): BroadcastReceiver<Value>
  /** For a loop with a receiver of its own that a signal ends; it then throws the reason. */
  values(options?: WaitOptions): AsyncIterableIterator<Value>
  close(reason?: unknown): void
  readonly closed: boolean
  readonly receivers: number
  readonly capacity: number
}

export interface BroadcastReceiver<Value> extends ReceiveEnd<Value> {
  /** Values that it has lost for being slow. */
  readonly dropped: number
  /** Values that stand before it. */
  readonly size: number
  /** It gets no more, and holds up nobody. */
  close(): void
}

interface Sender<Value> extends Waiter {
  readonly value: Value
  resolve(): void
}

interface Cursor<Value> {
  readonly inbox: Inbox<Value, Value>
  dropped: number
}

const nothing = (): void => undefined

export function createBroadcast<Value>(
  platform: ChannelPlatform,
  options: BroadcastOptions | undefined = undefined,
): Broadcast<Value> {
  const capacity = checkCapacity(options?.capacity ?? DEFAULT_CAPACITY)
  const drops = options?.slow === 'drop'
  const cursors = new WaitingList<Cursor<Value>>()
  const senders = new WaitingList<Sender<Value>>()
  /** Receivers without room, so that asking for room costs nothing. */
  let full = 0
  let closed = false
  let reason: unknown
  const closedError = (): unknown =>
    platform.createError('VELA_CHANNEL_CLOSED', closedMessage(reason), reason)

  const give = (value: Value): void =>
    cursors.each((cursor) => {
      const { inbox } = cursor
      if (drops && inbox.size === capacity) {
        inbox.drop()
        cursor.dropped++
      }
      // Before it is put: who hears of it there may take it at once.
      if (!drops && inbox.stands && inbox.size === capacity - 1) full++
      inbox.put(value)
    })

  const admit = (): void => {
    while (full === 0) {
      const sender = senders.shift()
      if (sender === undefined) return
      settle(sender)
      give(sender.value)
      sender.resolve()
    }
  }

  const receiver = (): BroadcastReceiver<Value> => {
    let place: Place<Cursor<Value>> | undefined
    const leave = (): void => {
      if (place === undefined || !place.listed) return
      cursors.remove(place)
      if (!drops && inbox.size === capacity) full--
      inbox.clear()
      inbox.end(closedError, reason)
      admit()
    }
    const inbox = new Inbox<Value, Value>({
      read: (value) => value,
      taken: () => {
        // It had one more before it was taken.
        if (drops || place?.listed !== true || inbox.size !== capacity - 1) return
        full--
        admit()
      },
      wants: nothing,
    })
    const cursor: Cursor<Value> = { inbox, dropped: 0 }
    if (closed) inbox.end(closedError, reason)
    else place = cursors.add(cursor)
    return {
      get dropped() {
        return cursor.dropped
      },
      get size() {
        return inbox.size
      },
      receive: (options) => inbox.receive(options),
      poll: () => inbox.poll(),
      subscribe: (listener) => inbox.subscribe(listener),
      values: (options) => inbox.values(options, undefined, leave),
      [Symbol.asyncIterator]: () => inbox.values(undefined, undefined, leave),
      close: leave,
    }
  }

  return {
    capacity,
    get receivers() {
      return cursors.size
    },
    get closed() {
      return closed
    },
    send: (value, options) =>
      new Promise((resolve, reject) => {
        const signal = options?.signal
        if (signal?.aborted === true) return reject(signal.reason)
        if (closed) return reject(closedError())
        if (full === 0) {
          give(value)
          return resolve()
        }
        wait(senders, { value, resolve, reject, done: false, release: nothing }, signal, undefined)
      }),
    trySend(value) {
      if (closed || full > 0) return false
      give(value)
      return true
    },
    receiver,
    values: (options) => receiver().values(options),
    [Symbol.asyncIterator]: () => receiver().values(),
    close(why) {
      if (closed) return
      closed = true
      reason = why
      for (let sender = senders.shift(); sender !== undefined; sender = senders.shift()) {
        settle(sender)
        sender.reject(closedError())
      }
      cursors.each(({ inbox }, place) => {
        cursors.remove(place)
        inbox.end(closedError, why)
      })
    },
  }
}
