/**
 * The receiving half of every channel: values that came and nobody has taken, or receivers that wait and have got none; never
 * both. Where the values come from, and what room one that is taken makes, is for its owner.
 */
import { defineProperty } from '../async/intrinsics.ts'
import { isFailure, settle, wait } from './channel-contract.ts'
import type { Bind, Cancel, ReceiveEnd, SignalLike, Waiter, WaitOptions } from './channel-contract.ts'
import { Ring, WaitingList } from './fifo.ts'

export interface InboxHooks<Raw, Value> {
  /** Runs as a value is taken; what it throws goes to whoever takes it. */
  readonly read: (raw: Raw) => Value
  /** A value was taken out of what stood here. */
  readonly taken: () => void
  /** Somebody began to wait, or gave up waiting. */
  readonly wants: () => void
}

interface Receiver<Value> extends Waiter {
  resolve(value: Value): void
}

interface End {
  readonly error: () => unknown
  readonly isFailure: boolean
}

export class Inbox<Raw, Value> implements ReceiveEnd<Value> {
  readonly #hooks: InboxHooks<Raw, Value>
  readonly #values = new Ring<Raw>()
  readonly #receivers = new WaitingList<Receiver<Value>>()
  readonly #listeners = new WaitingList<() => void>()
  #end: End | undefined
  /** For those who poll, told as the others were. */
  #news: (() => unknown) | undefined

  constructor(hooks: InboxHooks<Raw, Value>) {
    this.#hooks = hooks
  }

  get size(): number {
    return this.#values.size
  }

  /** A value that comes now stands here, for nobody waits to be given it. */
  get stands(): boolean {
    return this.#receivers.size === 0
  }

  /** Somebody waits for a value. */
  get isWanted(): boolean {
    return this.#receivers.size > 0 || this.#listeners.size > 0
  }

  get isEnded(): boolean {
    return this.#end !== undefined
  }

  /** Gives it to who waits longest. False: nobody did, and it stands here. */
  put(raw: Raw): boolean {
    const receiver = this.#receivers.shift()
    if (receiver !== undefined) {
      settle(receiver)
      try {
        receiver.resolve(this.#hooks.read(raw))
      } catch (thrown) {
        receiver.reject(thrown)
      }
      return true
    }
    this.#values.push(raw)
    this.#news = undefined
    if (this.#listeners.size > 0) this.#listeners.each((listener) => listener())
    return false
  }

  receive(options: WaitOptions | undefined = undefined, bind: Bind | undefined = undefined): Promise<Value> {
    let cancel: Cancel | undefined
    const promise = new Promise<Value>((resolve, reject) => {
      const signal = options?.signal
      if (signal?.aborted === true) return reject(signal.reason)
      if (this.#values.size > 0) return resolve(this.#take())
      if (this.#end !== undefined) return reject(this.#end.error())
      cancel = this.#wait({ resolve, reject, done: false, release: () => undefined }, signal, bind)
    })
    if (cancel !== undefined) void defineProperty(promise, 'cancel', { value: cancel })
    return promise
  }

  poll(): { readonly ready: true; readonly value: Value } | undefined {
    if (this.#values.size > 0) return { ready: true, value: this.#take() }
    const error = this.#end?.error ?? this.#news
    this.#news = undefined
    if (error !== undefined) throw error()
    return undefined
  }

  subscribe(listener: () => void): () => void {
    const place = this.#listeners.add(listener)
    this.#hooks.wants()
    return () => {
      if (!place.listed) return
      this.#listeners.remove(place)
      this.#hooks.wants()
    }
  }

  [Symbol.asyncIterator](): AsyncIterableIterator<Value> {
    return this.values()
  }

  /** `onReturn`: the loop was left before the end, or its signal has aborted. */
  values(
    options: WaitOptions | undefined = undefined,
    bind: Bind | undefined = undefined,
    onReturn: () => void = () => undefined,
  ): AsyncIterableIterator<Value> {
    const signal = options?.signal
    const next = (): Promise<IteratorResult<Value>> =>
      new Promise((resolve, fail) => {
        const reject = (reason: unknown): void => {
          if (signal?.aborted === true) onReturn()
          fail(reason)
        }
        if (signal?.aborted === true) return reject(signal.reason)
        if (this.#values.size > 0) return resolve({ done: false, value: this.#take() })
        const end = this.#end
        if (end !== undefined) return end.isFailure ? reject(end.error()) : resolve(DONE)
        const receiver: IterationWaiter<Value> = {
          resolve: (value) => resolve({ done: false, value }),
          reject,
          finish: () => resolve(DONE),
          done: false,
          release: () => undefined,
        }
        this.#wait(receiver, signal, bind)
      })
    const iterator: AsyncIterableIterator<Value> = {
      next,
      return: () => {
        onReturn()
        return Promise.resolve(DONE)
      },
      [Symbol.asyncIterator]: () => iterator,
    }
    return iterator
  }

  /** No more values come; those that stand here can still be taken. `reason` is what it was closed with. */
  end(error: () => unknown, reason: unknown): void {
    if (this.#end !== undefined) return
    this.#end = { error, isFailure: isFailure(reason) }
    this.tell(error, isFailure(reason))
  }

  /** Those who wait now get an error, or their loops end; who comes later waits again. */
  tell(error: () => unknown, fails: boolean): void {
    for (let receiver = this.#receivers.shift(); receiver !== undefined; receiver = this.#receivers.shift()) {
      settle(receiver)
      const { finish } = receiver as Partial<IterationWaiter<Value>>
      if (finish !== undefined && !fails) finish()
      else receiver.reject(error())
    }
    if (this.#listeners.size > 0) this.#news = error
    this.#listeners.each((listener) => listener())
  }

  /** Loses the value that stands here longest. */
  drop(): void {
    this.#values.shift()
  }

  /** Forgets the values that stand here. */
  clear(): void {
    this.#values.clear()
  }

  #take(): Value {
    const raw = this.#values.shift()
    this.#hooks.taken()
    return this.#hooks.read(raw)
  }

  #wait(receiver: Receiver<Value>, signal: SignalLike | undefined, bind: Bind | undefined): Cancel {
    const cancel = wait(this.#receivers, receiver, signal, bind, this.#hooks.wants)
    this.#hooks.wants()
    return cancel
  }
}

interface IterationWaiter<Value> extends Receiver<Value> {
  finish(): void
}

const DONE: IteratorReturnResult<undefined> = { done: true, value: undefined }
