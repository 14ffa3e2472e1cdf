/**
 * What waits for one ephemeral subscription: bounded in number by its capacity and in size by its tenant's budget, with what is tried
 * again in front. What is held counts until it is released: while it waits, between two tries, and while it is handled.
 */
import { Ring } from '../../guest-sdk/concurrency/fifo.ts'
import type { Budget } from './budget.ts'
import type { BusEvent } from './bus-event.ts'
import type { Delivery, DropReason, Overflow } from './types.ts'

export interface QueueOptions {
  readonly capacity: number
  readonly overflow: Overflow
  /** Whether events are kept as their text. */
  readonly isEncoding: boolean
}

export interface QueueDeps {
  readonly budget: Budget
  readonly onDropped: (reason: DropReason, count: number) => void
  /** Something may be taken that could not before. */
  readonly onReady: () => void
}

export class EventQueue {
  readonly #deps: QueueDeps
  readonly #options: QueueOptions
  /** Made when something is tried again, as most never do. */
  #again: Ring<Delivery> | undefined
  readonly #fresh = new Ring<BusEvent>()
  #timers: Map<Delivery, NodeJS.Timeout> | undefined
  /** Of what has not been tried yet; only this may be dropped for others. */
  #freshCharacters = 0

  constructor(deps: QueueDeps, options: QueueOptions) {
    this.#deps = deps
    this.#options = options
  }

  /** What could be taken now. */
  get size(): number {
    return (this.#again?.size ?? 0) + this.#fresh.size
  }

  /** What counts against the capacity. */
  get load(): number {
    return this.size + (this.#timers?.size ?? 0)
  }

  hasRoom(event: BusEvent): boolean {
    return this.load < this.#options.capacity && this.#costOf(event) <= this.#deps.budget.free
  }

  /** False: it was dropped. */
  offer(event: BusEvent): boolean {
    const cost = this.#costOf(event)
    if (!(this.load < this.#options.capacity && this.#deps.budget.take(cost)) && !this.#makeRoom(cost))
      return false
    this.#fresh.push(event)
    this.#freshCharacters += cost
    return true
  }

  /** Only while `size` is not 0, as for `shift`: which try of it is the next. */
  get attempt(): number {
    // What is tried again is at the front, so its number is the first's.
    return this.#returned?.first.attempt ?? 1
  }

  /** Likewise: the size of its text. */
  get nextCharacters(): number {
    return (this.#returned?.first.event ?? this.#fresh.first).text.length
  }

  /** What is taken stays held until `release`. */
  shift(): BusEvent {
    return this.#returned?.shift().event ?? this.#shiftFresh()
  }

  /** It is held still, and comes back after that long. */
  comeBack(delivery: Delivery, delayMs: number): void {
    const timers = (this.#timers ??= new Map())
    const again = (this.#again ??= new Ring())
    const timer = setTimeout(() => {
      timers.delete(delivery)
      again.push(delivery)
      this.#deps.onReady()
    }, delayMs)
    timer.unref()
    timers.set(delivery, timer)
  }

  release(event: BusEvent): void {
    this.#deps.budget.give(this.#costOf(event))
  }

  /** Drops everything. */
  clear(): void {
    const count = this.load
    while (this.size > 0) this.release(this.shift())
    for (const [{ event }, timer] of this.#timers ?? []) {
      clearTimeout(timer)
      this.release(event)
    }
    this.#timers?.clear()
    if (count > 0) this.#deps.onDropped('unsubscribed', count)
  }

  /** What is tried again, if there is any. */
  get #returned(): Ring<Delivery> | undefined {
    return this.#again === undefined || this.#again.size === 0 ? undefined : this.#again
  }

  #costOf(event: BusEvent): number {
    return this.#options.isEncoding ? event.text.length + event.besides : event.characters
  }

  #makeRoom(cost: number): boolean {
    const { budget, onDropped } = this.#deps
    const { capacity, overflow } = this.#options
    const reason = overflow === 'reject' ? 'rejected' : this.load < capacity ? 'bytes' : 'overflow'
    // Nothing is dropped in vain, when what others hold leaves no room anyway.
    const mayHelp = overflow === 'drop-oldest' && budget.free + this.#freshCharacters >= cost
    while (mayHelp && this.#fresh.size > 0) {
      this.release(this.#shiftFresh())
      onDropped(reason, 1)
      if (this.load < capacity && budget.take(cost)) return true
    }
    onDropped(reason, 1)
    return false
  }

  #shiftFresh(): BusEvent {
    const event = this.#fresh.shift()
    this.#freshCharacters -= this.#costOf(event)
    return event
  }
}
