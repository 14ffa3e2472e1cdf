/**
 * A bounded channel within one isolate, or within the host: values go from many senders to a receiver, by reference and in
 * the order of each sender. A sender waits while it is full; nothing is ever dropped.
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
} from './channel-contract.ts'
import { WaitingList } from './fifo.ts'
import { Inbox } from './inbox.ts'

export interface ChannelOptions {
  /** Values that may stand in it; 100 if left out. */
  readonly capacity?: number
}

export interface Channel<Value> extends SendEnd<Value>, ReceiveEnd<Value> {
  /** False: it is full, or closed. */
  trySend(value: Value): boolean
  /**
   * No more can be sent, and who waits to send is refused; what stands in it can still be received. Loops over it then end, or
   * throw if the reason is an error. Closing again does nothing.
   */
  close(reason?: unknown): void
  readonly closed: boolean
  /** Values that stand in it. */
  readonly size: number
  readonly capacity: number
}

interface Sender<Value> extends Waiter {
  readonly value: Value
  resolve(): void
}

const identity = <Value>(value: Value): Value => value
const nothing = (): void => undefined

export function createChannel<Value>(
  platform: ChannelPlatform,
  options: ChannelOptions | undefined = undefined,
): Channel<Value> {
  const capacity = checkCapacity(options?.capacity ?? DEFAULT_CAPACITY)
  const senders = new WaitingList<Sender<Value>>()
  const closedError = (): unknown =>
    platform.createError('VELA_CHANNEL_CLOSED', closedMessage(reason), reason)
  let closed = false
  let reason: unknown
  const inbox = new Inbox<Value, Value>({
    read: identity,
    taken: () => {
      const sender = senders.shift()
      if (sender === undefined) return
      settle(sender)
      inbox.put(sender.value)
      sender.resolve()
    },
    wants: nothing,
  })

  return {
    capacity,
    get size() {
      return inbox.size
    },
    get closed() {
      return closed
    },
    send: (value, options) =>
      new Promise((resolve, reject) => {
        const signal = options?.signal
        if (signal?.aborted === true) return reject(signal.reason)
        if (closed) return reject(closedError())
        if (inbox.size < capacity) {
          inbox.put(value)
          return resolve()
        }
        wait(senders, { value, resolve, reject, done: false, release: nothing }, signal, undefined)
      }),
    trySend(value) {
      if (closed || inbox.size >= capacity) return false
      inbox.put(value)
      return true
    },
    receive: (options) => inbox.receive(options),
    poll: () => inbox.poll(),
    subscribe: (listener) => inbox.subscribe(listener),
    values: (options) => inbox.values(options),
    [Symbol.asyncIterator]: () => inbox.values(),
    close(why) {
      if (closed) return
      closed = true
      reason = why
      for (let sender = senders.shift(); sender !== undefined; sender = senders.shift()) {
        settle(sender)
        sender.reject(closedError())
      }
      inbox.end(closedError, why)
    },
  }
}
