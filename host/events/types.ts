/**
 * The event bus as everybody sees it: the host's own code, the capability that guests have, the engine of durable events beneath
 * it, and the transport to other hosts. Nothing crosses tenants: each call names one, and subjects are the tenant's own.
 */
import type { EventHeaders, EventKind } from '../../guest-sdk/events/event.ts'
import type { EventMiddleware } from '../../guest-sdk/events/middleware.ts'
import type { VelaError } from '../core/errors.ts'
import type { BusEvent } from './bus-event.ts'

export type { BusEvent } from './bus-event.ts'

export interface EventBus {
  /**
   * `data`: what the value codec can carry, not to be changed any more. Durable: resolves when it is stored. Ephemeral: when it is on its
   * way. Rejects with VELA_EVENT_BAD_SUBJECT, _INVALID, _TOO_LARGE, VELA_VALUE_NOT_CLONEABLE, VELA_EVENTS_OVERLOADED, _FULL,
   * _UNAVAILABLE, and with what a middleware throws.
   */
  publish(tenant: string, subject: string, data: unknown, options?: PublishOptions): Promise<PublishResult>
  /** An event that is there already, checked by whoever made it (checkSubject, checkKey …; its size is checked here). */
  publishEvent(event: BusEvent, kind: EventKind): Promise<PublishResult>
  /** The same for several, in order; one result or error for each. No promise if there is nothing to wait for. */
  publishAll(
    events: readonly BusEvent[],
    kind: EventKind,
  ): readonly Published[] | Promise<readonly Published[]>
  /** How many ephemeral subscriptions of this host get an event of the subject; of a group one does. */
  reach(tenant: string, subject: string): number
  /** One call of `handler` for each event. Throws VELA_EVENT_BAD_SUBJECT; VELA_EVENT_INVALID for options; VELA_EVENTS_OVERLOADED. */
  subscribe(tenant: string, pattern: string, handler: EventHandler, options?: SubscribeOptions): Subscription
  /** One call of `handler.handle` for several events. */
  subscribeBatch(
    tenant: string,
    pattern: string,
    handler: EventHandlerBatch,
    options?: BatchOptions,
  ): Subscription
  /** Around every publish and every handling from now on, inside those that are there. Returns what removes it. */
  use(middleware: BusMiddleware): () => void
  /** Ends the tenant's subscriptions and forgets what waits for them; durable events of the tenant are deleted. */
  deleteTenant(tenant: string): Promise<void>
  /** Ends what the tenant has in this host. What is stored stays: another host deleted the tenant, and what it stored with it. */
  leaveTenant(tenant: string): Promise<void>
  status(): BusStatus
  /** Resolves when nothing waits or runs any more, or after that long (milliseconds). Publishing goes on meanwhile. */
  drain(deadlineMs: number): Promise<void>
  /** Ends all subscriptions, aborts what runs; refuses everything from now on. */
  close(): Promise<void>
}

/** What an embedder has of it: `runtime.events`. */
export type HostEvents = Pick<
  EventBus,
  'publish' | 'publishEvent' | 'publishAll' | 'subscribe' | 'subscribeBatch' | 'use' | 'status'
>

export interface PublishOptions {
  /** `ephemeral` if left out. */
  readonly kind?: EventKind
  readonly key?: string | null
  /** Made by the bus if left out. Durable events with an id that was stored a short while ago are acknowledged and not stored again. */
  readonly id?: string
  readonly headers?: EventHeaders
  /** `host` if left out. */
  readonly source?: string
}

export interface PublishResult {
  readonly id: string
  /** Durable: its place in the tenant's log. */
  readonly sequence?: number
  /** Durable: the id was known already. */
  readonly duplicate?: boolean
  /** A middleware ended it: it was not published. */
  readonly skipped?: boolean
}

export type Published = PublishResult | VelaError

export interface HandlerContext {
  readonly tenant: string
  readonly kind: EventKind
  /** From 1. */
  readonly attempt: number
  /** Aborts at the timeout, and when the bus is closed. */
  readonly signal: AbortSignal
}

export type EventHandler = (event: BusEvent, context: HandlerContext) => void | Promise<void>

export interface Delivery {
  readonly event: BusEvent
  /** From 1. */
  readonly attempt: number
}

export interface EventHandlerBatch {
  /** One outcome for each, in order. Rejects: nothing is known of any of them (the cell was lost). */
  handle(batch: readonly Delivery[], signal: AbortSignal): Promise<readonly Outcome[]>
}

export type Outcome =
  | 'ack'
  | { readonly retry: true; readonly delayMs?: number; readonly error: HandlerError }
  /** Never to be tried again. */
  | { readonly dead: true; readonly error: HandlerError }

export interface HandlerError {
  readonly name: string
  readonly message: string
  readonly code?: string
}

/** What becomes of an event whose handler failed: `retry` tries again and, after `retries`, does as `log` (durable: dead letter). */
export type ErrorDecision =
  /** Count it and write it to the host's log. Durable: it counts as handled. */
  | 'log'
  /** Count it. */
  | 'ignore'
  | 'retry'
  /** Durable: a dead letter at once. Ephemeral: as `log`. */
  | 'dead'
  /** End the subscription. Ephemeral only. */
  | 'unsubscribe'

export type ErrorPolicy =
  | ErrorDecision
  | ((error: unknown, event: BusEvent, attempt: number) => ErrorDecision | undefined)

/** What happens to an event that finds the queue full. `reject`: the publisher gets VELA_EVENTS_OVERLOADED, and nobody the event. */
export type Overflow = 'drop-oldest' | 'drop-newest' | 'reject'

export interface SubscribeOptions {
  /** `ephemeral` if left out. */
  readonly kind?: EventKind
  /** Durable: required, and identifies its cursor (`host:name`; with subscribeBatch the name as it is). Else only shown. */
  readonly name?: string
  /** Each event goes to one member of a group, whatever their patterns. */
  readonly group?: string
  /** Calls that run at a time; 64 if left out (batches: 1). 1 also means in order. */
  readonly concurrency?: number
  /** 30,000 if left out. A call that takes longer has failed with VELA_TASK_TIMEOUT, and is waited for no more. */
  readonly timeoutMs?: number
  /** Ephemeral: events that may wait, those between two tries included; 1,000 if left out. Durable: read ahead. */
  readonly capacity?: number
  /** Ephemeral. `drop-oldest` if left out. */
  readonly overflow?: Overflow
  /** Ephemeral: `log` if left out. Durable: `retry`. */
  readonly onError?: ErrorPolicy
  /** Tries after the first; 3 if left out (durable: as docs/events.md says). */
  readonly retries?: number
  /** Before the second try; twice as long before each further one, at most a minute. 100 if left out (durable: as docs/events.md says). */
  readonly backoffMs?: number
  /** Durable: where a new cursor begins; `new` if left out. */
  readonly from?: 'new' | 'all'
}

export interface BatchOptions extends SubscribeOptions {
  /** Events of one call at most; 100 if left out. */
  readonly maxBatch?: number
  /** Characters of their encoded data in one call at most (one event may have more); 256 Ki if left out. */
  readonly maxBatchCharacters?: number
  /**
   * Durable: several events of one key may be in one batch, in order (false if left out). What follows one that failed, of its key and
   * in its batch, is then delivered again whatever its outcome was.
   */
  readonly sameKeyTogether?: boolean
}

export interface Subscription {
  readonly tenant: string
  readonly pattern: string
  readonly kind: EventKind
  readonly name: string
  /** It gets all that is published from here on, also on other hosts. Rejects if a durable one could not be opened. */
  readonly ready: Promise<void>
  /**
   * Nothing is handled any more; what waits is dropped, what runs goes on (its signal does not abort). Durable: the cursor stays, and
   * a promise resolves when what runs has ended. Idempotent.
   */
  unsubscribe(): void | Promise<void>
  stats(): SubscriptionStats
}

export interface SubscriptionStats {
  readonly waiting: number
  readonly running: number
  readonly delivered: number
  readonly failed: number
  readonly dropped: number
}

export interface BusStatus {
  readonly subscriptions: number
  readonly waiting: number
  readonly running: number
  /** Of the encoded data that waits or is handled. */
  readonly heldCharacters: number
  /** null: there are no other hosts. */
  readonly transport: 'connected' | 'lost' | null
}

export interface PublishContext {
  readonly kind: EventKind
}

export interface BusMiddleware {
  /** `undefined`: not published. */
  readonly publish?: EventMiddleware<BusEvent, PublishContext, PublishResult | undefined>
  readonly handle?: EventMiddleware<BusEvent, HandlerContext, void>
}

/** The engine of durable events, behind the bus. Patterns and options come checked, middleware is around `handler` already. */
export interface DurableEvents {
  /** Resolves when it is stored. */
  publish(event: BusEvent): Promise<{ readonly sequence: number; readonly duplicate: boolean }>
  subscribe(
    tenant: string,
    pattern: string,
    handler: EventHandlerBatch,
    options: BatchOptions & { readonly name: string },
  ): Subscription
  deleteTenant(tenant: string): Promise<void>
  /** Ends its subscriptions in this host; what is stored stays. */
  leaveTenant(tenant: string): Promise<void>
  drain(deadlineMs: number): Promise<void>
  close(): Promise<void>
}

/** How ephemeral events reach other hosts, and come back to this one. */
export interface EventTransport {
  readonly connected: boolean
  /** False: it is not connected, or has no room; the bus then serves the subscribers of this host alone. Encodes the event. */
  publish(event: BusEvent): boolean
  /** `group`: one member of all hosts gets each event. Also called while it is not connected. */
  subscribe(
    tenant: string,
    pattern: string,
    group: string | null,
    deliver: (event: BusEvent) => void,
  ): () => void
  /** Resolves when all subscriptions made so far are known to the others; at once while it is not connected. */
  flush(): Promise<void>
}

/** Of ephemeral events. Each method is cheap and never throws; words are the host's own. */
export interface EventMeter {
  published(): void
  delivered(count: number): void
  /** An event did not reach a subscriber. */
  dropped(reason: DropReason, count: number): void
  /** A handler failed for good. */
  failed(reason: FailReason): void
  /** The transport did not take an event; only this host's subscribers got it. */
  degraded(): void
}

export type DropReason = 'overflow' | 'bytes' | 'rejected' | 'unsubscribed'
export type FailReason = 'threw' | 'timeout' | 'lost'
