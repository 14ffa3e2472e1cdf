/**
 * Types of the `events` capability: publishing to subjects of the tenant, and what handlers of events are given. docs/events.md says what
 * is promised of ephemeral and durable events.
 */

import type { RetryOptions } from './async.ts'

export interface EventPublishOptions {
  /** Durable events of one key are handled in order. At most 256 characters. */
  readonly key?: string | null
  /** Made by the host if left out. A durable event whose id was stored within the last two minutes is not stored again. At most 128 printable ASCII characters. */
  readonly id?: string | null
  /** At most 16; names of 1 to 20 characters of a–z and 0–9, values of at most 256 characters. */
  readonly headers?: Readonly<Record<string, string>> | null
}

export interface EventPublished {
  readonly id: string
  /** Of a durable event: its place in the tenant's log. */
  readonly sequence?: number
  /** Its id was stored a short while ago already, and it was not stored again. */
  readonly duplicate?: boolean
  /** A middleware of the host ended it: it was not published. */
  readonly skipped?: boolean
}

/** What may be published: any subject with any data, or the subjects of `Subjects` with theirs. */
export type EventSubjects = Readonly<Record<string, unknown>>

/**
 * A binding of events: `"capabilities": {"events": {"ORDERS": {"publish": ["orders.*"]}}}` is `env.ORDERS`.
 *
 * @example
 * interface Env { readonly ORDERS: EventBinding<{ 'orders.placed': Order }> }
 * await env.ORDERS.publish('orders.placed', order, { key: order.customer })
 */
export interface EventBinding<Subjects extends object = EventSubjects> {
  /**
   * Durable: resolves when the event is stored. Ephemeral: when it is on its way. What is published in one entry leaves together, so publish
   * many and wait for all. `data` is more than JSON (undefined, Date, Map, Set, bigint, bytes, Error, RegExp), at most 256 KiB in encoded
   * form. What the turn does not wait for is published all the same.
   *
   * Rejects with `VELA_EVENT_BAD_SUBJECT`, `VELA_EVENT_INVALID`, `VELA_EVENT_TOO_LARGE`, `VELA_VALUE_NOT_CLONEABLE`, `VELA_EVENTS_OVERLOADED`
   * (wait a little), `VELA_EVENTS_FULL`, `VELA_EVENTS_UNAVAILABLE`, `VELA_CAPABILITY_*`, and with an `AbortError` when its turn is over.
   */
  publish<Subject extends keyof Subjects & string>(
    subject: Subject,
    data: Subjects[Subject],
    options?: EventPublishOptions,
  ): Promise<EventPublished>
  /** Cloudflare's producer of a queue: publishes the one subject that the binding has. `delaySeconds` is refused. */
  send(body: Subjects[keyof Subjects], options?: object): Promise<void>
  sendBatch(messages: Iterable<{ readonly body: Subjects[keyof Subjects] }>, options?: object): Promise<void>
}

/** An event, as a handler gets it. Frozen in what it is: `with` gives another. */
export interface EventMessage<Data = unknown> {
  readonly id: string
  readonly subject: string
  /** `tenant/service`, `host`, or the URI of somebody outside. */
  readonly source: string
  /** When it was published (epoch milliseconds). */
  readonly timeMs: number
  readonly timestamp: Date
  readonly key: string | null
  readonly headers: Readonly<Record<string, string>>
  /** Which try of it this is, from 1. */
  readonly attempts: number
  readonly data: Data
  /** The same, by Cloudflare's name. */
  readonly body: Data
  /** It is handled, whatever the handler throws later. The first word counts. */
  ack(): void
  /** Again, please, even if the handler succeeds; after so many seconds (at most 12 hours), else as the subscription says. */
  retry(options?: { readonly delaySeconds?: number }): void
  /** The same event with these parts in the place of its own. */
  with(changes: {
    readonly data?: unknown
    readonly key?: string | null
    readonly headers?: Readonly<Record<string, string>>
  }): EventMessage<Data>
}

/** What `queue` gets: events of one subscription. */
export interface EventBatch<Data = unknown> {
  /** The name of the binding, or the subscription's `queue`. */
  readonly queue: string
  readonly messages: readonly EventMessage<Data>[]
  /** Those of which nothing has been said yet. */
  ackAll(): void
  retryAll(options?: { readonly delaySeconds?: number }): void
}

/** What is published or handled, as middlewares see it. Never changed: `with` gives another. */
export type MiddlewareEvent = Pick<
  EventMessage,
  'id' | 'subject' | 'source' | 'timeMs' | 'key' | 'headers' | 'data'
> & { with(changes: EventChangesOf): MiddlewareEvent }

interface EventChangesOf {
  readonly data?: unknown
  readonly key?: string | null
  readonly headers?: Readonly<Record<string, string>>
}

/**
 * A function around a publish or a handling: `next()` runs what is inside, with another event if one is given. Who returns without calling
 * it has ended it: nothing is published, or the event counts as handled. What it throws is what the publisher gets, or the
 * handler's failure.
 */
export type EventMiddleware = (
  event: MiddlewareEvent,
  next: (event?: MiddlewareEvent) => Promise<unknown>,
  context: unknown,
) => unknown

/** What zod, valibot, arktype and others have: https://standardschema.dev */
export interface EventSchema {
  readonly '~standard': {
    readonly version: 1
    readonly vendor: string
    readonly validate: (value: unknown) => unknown
  }
}

export interface EventSpan {
  readonly traceId: string
  readonly spanId: string
  /** null: the trace begins here. */
  readonly parentId: string | null
  readonly sampled: boolean
  readonly subject: string
  readonly eventId: string
  readonly startMs: number
  readonly endMs: number
  /** What it threw. */
  readonly error: unknown
}

export interface EventMiddlewares {
  /** The binding with the middlewares around its `publish`. */
  binding<Subjects extends object>(binding: EventBinding<Subjects>): Pick<EventBinding<Subjects>, 'publish'>
  /** The handler with the middlewares around it. */
  handler<Event extends EventMessage, Env, Ctx>(
    handle: (event: Event, env: Env, ctx: Ctx) => unknown,
  ): (event: Event, env: Env, ctx: Ctx) => Promise<unknown>
}

/** Makes middlewares of functions, the first outermost; and the ready-made ones. */
export interface EventMiddlewareFunction {
  (around: {
    readonly publish?: readonly EventMiddleware[]
    readonly handle?: readonly EventMiddleware[]
  }): EventMiddlewares
  /** Only for events whose subject matches the pattern. */
  on(pattern: string, middleware: EventMiddleware): EventMiddleware
  /** The data must be as the schema says, and goes on as its output; `VELA_EVENT_INVALID`, which makes a durable event a dead letter at once. */
  validate(schema: EventSchema): EventMiddleware
  /** Puts something in the place of data, key or headers; headers are added. */
  enrich(
    change: (event: MiddlewareEvent) => EventChangesOf | undefined | Promise<EventChangesOf | undefined>,
  ): EventMiddleware
  /** What is not kept is not published, or counts as handled. */
  filter(keeps: (event: MiddlewareEvent) => boolean | Promise<boolean>): EventMiddleware
  /** W3C Trace Context in the header `traceparent`. */
  trace(options?: { readonly onSpan?: (span: EventSpan) => void }): EventMiddleware
  /** Does again what is inside while the event waits, within the turn. */
  retry(options: RetryOptions): EventMiddleware
}
