/**
 * One ephemeral subscription of this host: its queue, the calls of its handler that run, and what becomes of those that fail. Every
 * event that is accepted ends exactly once: handled, failed for good, or dropped; whatever a handler that was given up says later is
 * not heard.
 */
import { VelaError } from '../core/errors.ts'
import type { Budget } from './budget.ts'
import type { BusEvent } from './bus-event.ts'
import { Call, RunningCalls } from './calls.ts'
import type { Dispatcher, Runnable } from './dispatcher.ts'
import { createTeller, type OnFailure } from './failure.ts'
import { pauseMs, type Settings } from './options.ts'
import { EventQueue } from './queue.ts'
import type {
  Delivery,
  ErrorDecision,
  EventHandlerBatch,
  EventMeter,
  FailReason,
  Outcome,
  Subscription,
  SubscriptionStats,
} from './types.ts'

export interface LocalDeps {
  readonly budget: Budget
  readonly dispatcher: Dispatcher
  readonly meter: EventMeter
  readonly onFailure: OnFailure
  /** Takes it out of the places where events look for it. */
  readonly onEnd: (subscription: LocalSubscription) => void
  readonly whenReady: () => Promise<void>
}

/** What is called: for one event at a time, or for several. What it returns may be a promise. */
export type Body =
  | { readonly one: (call: Call) => unknown; readonly batch?: undefined }
  | { readonly one?: undefined; readonly batch: EventHandlerBatch }

export class LocalSubscription implements Subscription, Runnable {
  readonly tenant: string
  readonly pattern: string
  readonly kind = 'ephemeral'
  readonly settings: Settings
  isQueued = false
  readonly #deps: LocalDeps
  readonly #one: ((call: Call) => unknown) | undefined
  readonly #batch: EventHandlerBatch | undefined
  readonly #queue: EventQueue
  readonly #calls: RunningCalls
  #tell: ((event: BusEvent, attempt: number, error: unknown) => void) | undefined
  #isEnded = false
  #delivered = 0
  #failed = 0
  #dropped = 0

  constructor(deps: LocalDeps, tenant: string, pattern: string, body: Body, settings: Settings) {
    this.#deps = deps
    this.tenant = tenant
    this.pattern = pattern
    this.settings = settings
    this.#one = body.one
    this.#batch = body.batch
    this.#queue = new EventQueue(
      {
        budget: deps.budget,
        onDropped: (reason, count) => {
          this.#dropped += count
          deps.meter.dropped(reason, count)
        },
        onReady: () => this.#readySoon(),
      },
      { ...settings, isEncoding: this.isEncoding },
    )
    this.#calls = new RunningCalls(settings.timeoutMs, (call) => {
      const error = new VelaError(
        'VELA_TASK_TIMEOUT',
        `The handler of ${pattern} took longer than ${settings.timeoutMs} ms`,
      )
      call.abort(error)
      this.#callFailed(call, error, 'timeout')
    })
  }

  get name(): string {
    return this.settings.name
  }

  get ready(): Promise<void> {
    return this.#deps.whenReady()
  }

  get isEncoding(): boolean {
    return this.#batch !== undefined
  }

  get isReady(): boolean {
    return this.#queue.size > 0 && this.#calls.size < this.settings.concurrency
  }

  hasRoom(event: BusEvent): boolean {
    return this.#queue.hasRoom(event)
  }

  /** An event was turned away on its account. */
  refuse(): void {
    this.#dropped++
    this.#deps.meter.dropped('rejected', 1)
  }

  /** It is called in a while, or dropped by what `overflow` says. */
  offer(event: BusEvent): void {
    if (this.#isEnded || !this.#queue.offer(event)) return
    this.#readySoon()
  }

  pump(most: number): number {
    let started = 0
    while (started < most && this.isReady) {
      if (this.#one !== undefined) this.#callOne(this.#one)
      else void this.#callBatch(this.#batch as EventHandlerBatch)
      started++
    }
    return started
  }

  unsubscribe(): void {
    if (this.#isEnded) return
    this.#isEnded = true
    this.#deps.onEnd(this)
    this.#queue.clear()
  }

  /** The bus ends: what runs is told. */
  close(reason: Error): void {
    this.unsubscribe()
    this.#calls.abortAll(reason)
    this.#calls.stop()
  }

  stats(): SubscriptionStats {
    return {
      waiting: this.#queue.load,
      running: this.#calls.size,
      delivered: this.#delivered,
      failed: this.#failed,
      dropped: this.#dropped,
    }
  }

  #readySoon(): void {
    if (!this.isQueued && this.isReady) this.#deps.dispatcher.ready(this)
  }

  #callOne(handle: (call: Call) => unknown): void {
    const { attempt } = this.#queue
    const call = new Call(this.#queue.shift(), attempt, undefined, this.#deps.dispatcher.nowMs)
    this.#calls.add(call)
    try {
      const result = handle(call)
      if (typeof result === 'object' && result !== null) void this.#wait(call, result as Promise<unknown>)
      else this.#handled(call)
    } catch (thrown) {
      this.#callFailed(call, thrown, 'threw')
    }
  }

  async #wait(call: Call, result: PromiseLike<unknown>): Promise<void> {
    try {
      await result
    } catch (thrown) {
      return this.#callFailed(call, thrown, 'threw')
    }
    this.#handled(call)
  }

  async #callBatch(handler: EventHandlerBatch): Promise<void> {
    const batch = this.#gather()
    const [first] = batch as [Delivery]
    const call = new Call(first.event, first.attempt, batch, this.#deps.dispatcher.nowMs)
    this.#calls.add(call)
    let outcomes: readonly Outcome[]
    try {
      outcomes = await handler.handle(batch, call.signal)
    } catch (thrown) {
      return this.#callFailed(call, thrown, 'lost')
    }
    if (!this.#calls.end(call)) return
    batch.forEach((delivery, index) => this.#settle(delivery, outcomes[index]))
    this.#readySoon()
  }

  /** What one call takes, so that calls that could run beside it find something too. */
  #gather(): Delivery[] {
    const { concurrency, maxBatch, maxBatchCharacters } = this.settings
    const free = concurrency - this.#calls.size
    const most = Math.min(maxBatch, Math.ceil(this.#queue.size / free))
    const batch: Delivery[] = []
    let characters = 0
    while (batch.length < most) {
      // What would be too much stays for the next call, but one is always taken.
      if (batch.length > 0 && characters + this.#queue.nextCharacters > maxBatchCharacters) break
      const { attempt } = this.#queue
      const event = this.#queue.shift()
      characters += event.text.length
      batch.push({ event, attempt })
    }
    return batch
  }

  #settle(delivery: Delivery, outcome: Outcome | undefined): void {
    if (outcome === 'ack') return this.#acknowledge(delivery.event)
    if (outcome === undefined)
      return this.#failedOnce(delivery, new TypeError('The handler gave no outcome'), 'lost', undefined)
    const error = Object.assign(new Error(outcome.error.message), outcome.error)
    if ('dead' in outcome) this.#failedForGood(delivery, error, 'threw', 'dead')
    else this.#failedOnce(delivery, error, 'threw', outcome.delayMs)
  }

  #handled(call: Call): void {
    if (!this.#calls.end(call)) return
    this.#acknowledge(call.event)
    this.#readySoon()
  }

  #acknowledge(event: BusEvent): void {
    this.#delivered++
    this.#deps.meter.delivered(1)
    this.#queue.release(event)
  }

  #callFailed(call: Call, thrown: unknown, reason: FailReason): void {
    if (!this.#calls.end(call)) return
    if (call.batch === undefined) this.#failedOnce(call, thrown, reason, undefined)
    else for (const delivery of call.batch) this.#failedOnce(delivery, thrown, reason, undefined)
    this.#readySoon()
  }

  #failedOnce(
    { event, attempt }: Delivery,
    thrown: unknown,
    reason: FailReason,
    delayMs: number | undefined,
  ): void {
    const { onError, retries, backoffMs } = this.settings
    let decision: ErrorDecision = 'log'
    let error = thrown
    try {
      decision = typeof onError === 'function' ? (onError(thrown, event, attempt) ?? 'log') : onError
    } catch (another) {
      error = another
    }
    if (decision !== 'retry' || attempt > retries || this.#isEnded)
      return this.#failedForGood({ event, attempt }, error, reason, decision)
    this.#queue.comeBack({ event, attempt: attempt + 1 }, delayMs ?? pauseMs(backoffMs, attempt))
  }

  #failedForGood(
    { event, attempt }: Delivery,
    error: unknown,
    reason: FailReason,
    decision: ErrorDecision,
  ): void {
    this.#failed++
    this.#deps.meter.failed(reason)
    this.#queue.release(event)
    if (decision !== 'ignore')
      (this.#tell ??= createTeller(this, this.#deps.onFailure))(event, attempt, error)
    if (decision === 'unsubscribe') this.unsubscribe()
  }
}
