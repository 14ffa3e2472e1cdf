/**
 * What an end of a channel looks like, wherever the other end is: in the same isolate, in another cell, or in the host.
 * Pure: guests and the host use the same code, so what differs between them is passed in.
 */
import type { Selectable } from '../async/waiting.ts'
import type { WaitingList } from './fifo.ts'

export type ChannelCode = 'VELA_CHANNEL_CLOSED' | 'VELA_CHANNEL_LOST'

export interface ChannelPlatform {
  /** The error that whoever waits or asks gets; `cause` is what `close` was called with. */
  createError(code: ChannelCode, message: string, cause: unknown): unknown
}

/** As much of an AbortSignal as is used. */
export interface SignalLike {
  readonly aborted: boolean
  readonly reason: unknown
  addEventListener(type: 'abort', listener: () => void): void
  removeEventListener(type: 'abort', listener: () => void): void
}

export interface WaitOptions {
  /** Gives up waiting; what was asked for is then not done. */
  readonly signal?: SignalLike | undefined
}

export interface SendEnd<Value> {
  /** Resolves when the value has its place in the channel; waits while it is full. */
  send(value: Value, options?: WaitOptions): Promise<void>
  close(reason?: unknown): void | Promise<void>
}

export interface ReceiveEnd<Value> extends Selectable<Value>, AsyncIterable<Value> {
  /**
   * The next value, in the order of each sender. Rejects with VELA_CHANNEL_CLOSED once it is closed and empty. A promise that
   * waits has a `cancel(reason)`, by which `timeout` and `race` give it up: so it takes no value that nobody hears of.
   */
  receive(options?: WaitOptions): Promise<Value>
  /** For loops that a signal ends: they throw its reason. A value that has not been given out by then stays. */
  values(options?: WaitOptions): AsyncIterableIterator<Value>
}

/** Whom somebody's waiting ends with: calls `cancel` when it does; returns how to end that. */
export type Bind = (cancel: Cancel) => () => void
export type Cancel = (reason: unknown) => void

const unbound = (): void => undefined

/** Puts somebody on a list until `settle`, the signal, what it is bound to or what this returns takes it off again. */
export function wait<Item extends Waiter>(
  list: WaitingList<Item>,
  item: Item,
  signal: SignalLike | undefined,
  bind: Bind | undefined,
  onCancel: () => void = unbound,
): Cancel {
  const cancel: Cancel = (reason) => {
    if (item.done) return
    settle(item)
    item.reject(reason)
    onCancel()
  }
  const onAbort = (): void => cancel(signal?.reason)
  // First of all: it throws if it is no signal, and then nobody may be left on the list who takes what comes.
  signal?.addEventListener('abort', onAbort)
  const place = list.add(item)
  const unbind = bind?.(cancel) ?? unbound
  item.release = () => {
    list.remove(place)
    unbind()
    try {
      signal?.removeEventListener('abort', onAbort)
    } catch {
      // Not a signal of the platform's: whoever waits gets what is due all the same.
    }
  }
  return cancel
}

export interface Waiter {
  reject(reason: unknown): void
  done: boolean
  release: () => void
}

/** It waits no more, and hears of nothing twice. */
export function settle(item: Waiter): void {
  item.done = true
  item.release()
}

export function checkCapacity(capacity: unknown, most: number = MAX_CAPACITY): number {
  if (typeof capacity === 'number' && capacity >= 1 && capacity <= most && capacity % 1 === 0) return capacity
  throw new RangeError(`The capacity of a channel is a whole number from 1 to ${most}`)
}

export const DEFAULT_CAPACITY = 100
const MAX_CAPACITY = 1_000_000

/** What a channel was closed with, as told by the other end; what it says there is its own choice. */
export function reasonOf(text: string, decode: (text: string) => unknown): unknown {
  if (text === '') return undefined
  try {
    return decode(text)
  } catch {
    return undefined
  }
}

/** What is told of a channel that is closed. */
export function closedMessage(reason: unknown): string {
  const text =
    typeof reason === 'string'
      ? reason
      : typeof reason === 'object' && reason !== null && 'message' in reason
        ? reason.message
        : undefined
  return typeof text === 'string' && text !== '' ? `The channel is closed: ${text}` : 'The channel is closed'
}

/** An error makes loops over the channel throw; anything else ends them. */
export const isFailure = (reason: unknown): boolean => reason instanceof Error
