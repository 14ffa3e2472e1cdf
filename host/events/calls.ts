/**
 * The calls of handlers that run, oldest first. All of a subscription have the same time, so one timer, for the oldest, is enough;
 * and an AbortController is made only for those who ask for their signal.
 */
import type { EventKind } from '../../guest-sdk/events/event.ts'
import type { BusEvent } from './bus-event.ts'
import type { Delivery, HandlerContext } from './types.ts'

export class Call implements HandlerContext {
  readonly tenant: string
  readonly kind: EventKind = 'ephemeral'
  readonly attempt: number
  readonly event: BusEvent
  /** All of them; undefined: only `event`. */
  readonly batch: readonly Delivery[] | undefined
  readonly startMs: number
  /** Nobody waits for it any more. */
  isOver = false
  before: Call | undefined
  after: Call | undefined
  #abort: AbortController | undefined
  #reason: unknown

  constructor(event: BusEvent, attempt: number, batch: readonly Delivery[] | undefined, startMs: number) {
    this.tenant = event.tenant
    this.event = event
    this.attempt = attempt
    this.batch = batch
    this.startMs = startMs
  }

  get signal(): AbortSignal {
    if (this.#abort === undefined) {
      this.#abort = new AbortController()
      if (this.#reason !== undefined) this.#abort.abort(this.#reason)
    }
    return this.#abort.signal
  }

  abort(reason: Error): void {
    this.#reason ??= reason
    this.#abort?.abort(this.#reason)
  }
}

export class RunningCalls {
  readonly #timeoutMs: number
  readonly #onTimeout: (call: Call) => void
  #first: Call | undefined
  #last: Call | undefined
  #timer: NodeJS.Timeout | undefined
  #size = 0

  constructor(timeoutMs: number, onTimeout: (call: Call) => void) {
    this.#timeoutMs = timeoutMs
    this.#onTimeout = onTimeout
  }

  get size(): number {
    return this.#size
  }

  add(call: Call): void {
    call.before = this.#last
    if (this.#last === undefined) this.#first = call
    else this.#last.after = call
    this.#last = call
    this.#size++
    // It may fire when the list is long empty, and is set again then if it must: cheaper than one for each call.
    if (this.#timer === undefined) this.#arm(this.#timeoutMs)
  }

  /** False: it was over already. */
  end(call: Call): boolean {
    if (call.isOver) return false
    call.isOver = true
    if (call.before === undefined) this.#first = call.after
    else call.before.after = call.after
    if (call.after === undefined) this.#last = call.before
    else call.after.before = call.before
    this.#size--
    return true
  }

  abortAll(reason: Error): void {
    for (let call = this.#first; call !== undefined; call = call.after) call.abort(reason)
  }

  stop(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
  }

  #arm(ms: number): void {
    this.#timer = setTimeout(() => this.#look(), Math.max(ms, 1))
    this.#timer.unref()
  }

  #look(): void {
    this.#timer = undefined
    const nowMs = performance.now()
    for (let call = this.#first; call !== undefined; call = this.#first) {
      const leftMs = call.startMs + this.#timeoutMs - nowMs
      if (leftMs > 0) {
        if (this.#timer === undefined) this.#arm(Math.ceil(leftMs))
        return
      }
      this.#onTimeout(call)
      // Whoever is called must end it; a list that does not get shorter would hold this loop for ever.
      this.end(call)
    }
  }
}
