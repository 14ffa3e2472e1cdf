/**
 * What a service can import from `@vela/guest-sdk`. Inside a guest the runtime provides this module
 * (guest-sdk/kernel/sdk.ts), so this file is for compilers and editors: it has the types, and running it anywhere
 * else says so at once instead of failing later in a stranger way.
 */
import type {
  Deferred,
  Future as FutureInstance,
  FutureConstructor,
  ScopeOptions,
  SelectFunction,
  TaskGroupFunction,
  Waitable,
} from './types/async.ts'
import type { Broadcast, BroadcastOptions, Channel, ChannelOptions } from './types/channels.ts'
import type { ActorContext, ActorDirective, ActorId } from './types/actors.ts'
import type {
  BindingFunction,
  ContainerFunction,
  LazyFunction,
  OptionalFunction,
  ProvideFunction,
  Token,
} from './types/di.ts'
import type { EventMiddlewareFunction } from './types/events.ts'
import type { Context } from './types/handlers.ts'
import type { GuestRequest, GuestResponse } from './types/web.ts'
import type { ServerWebSocket } from './types/websocket.ts'

export type * from './types/async.ts'
export type * from './types/channels.ts'
export type {
  ActorContext,
  ActorDirective,
  ActorEntries,
  ActorId,
  ActorListOptions,
  ActorNamespace,
  ActorOptions,
  ActorStorage,
  ActorStub,
  ActorTransaction,
  AskOptions,
} from './types/actors.ts'
export type * from './types/di.ts'
export type { VelaError, VelaErrorCode } from './types/errors.ts'
export type {
  EventBatch,
  EventBinding,
  EventMessage,
  EventMiddleware,
  EventMiddlewareFunction,
  EventMiddlewares,
  EventPublished,
  EventPublishOptions,
  EventSchema,
  EventSpan,
  EventSubjects,
  MiddlewareEvent,
} from './types/events.ts'
export type { Context, ExportedHandler, ScheduledController, StopReason } from './types/handlers.ts'
export type * from './types/kv.ts'
export type * from './types/services.ts'
export type { Bytes, GuestRequest, GuestResponse, JsonValue } from './types/web.ts'
export type * from './types/workers.ts'
export type { ServerWebSocket, WebSocketEnd, WebSocketPair } from './types/websocket.ts'

/**
 * Base of a named entry, also of the default export; each call gets an instance of its own. Its methods are reached as
 * `Api.quote`: by `runtime.invoke`, by `vela invoke`, and by services that were granted `{"entrypoint": "Api"}`.
 *
 * @example
 * export class Api extends WorkerEntrypoint<Env> {
 *   quote(sku: string): number {
 *     return this.env.PRICES[sku] ?? 0
 *   }
 * }
 */
export abstract class WorkerEntrypoint<Env = Readonly<Record<string, unknown>>> {
  protected readonly ctx: Context
  protected readonly env: Env
  constructor(ctx: Context, env: Env) {
    this.ctx = ctx
    this.env = env
  }
}

/**
 * Base of a class of actors: objects with a name, a mailbox and a durable state, of which at most one lives at a time. Public methods
 * are reached through a grant (`ActorNamespace`); those below are called by the runtime, if they are there.
 *
 * @example
 * export class Counter extends Actor {
 *   async increment(): Promise<number> {
 *     const count = ((await this.ctx.storage.get<number>('count')) ?? 0) + 1
 *     await this.ctx.storage.put('count', count)
 *     return count
 *   }
 * }
 */
export abstract class Actor<Env = Readonly<Record<string, unknown>>> {
  protected readonly ctx: ActorContext
  protected readonly env: Env
  constructor(ctx: ActorContext, env: Env) {
    this.ctx = ctx
    this.env = env
  }
}

/** What a class of actors may have beside its methods; Durable Objects have most of them by the same names. */
export interface ActorHandlers {
  fetch?(request: GuestRequest): GuestResponse | Promise<GuestResponse>
  /** The alarm is due. If it throws, it is tried again, up to 6 times, after 2 s and then twice as long each time. */
  alarm?(info: { readonly retryCount: number; readonly scheduledTime: number }): void | Promise<void>
  /** Before it leaves memory for a reason other than a crash. Not to be relied on for durability. */
  onPassivate?(): void | Promise<void>
  /**
   * Another version of the class (`static options.version`) wrote the state. Runs on an instance of its own before the first message; what it
   * writes is stored whole with the new version. If it throws, nothing is, and messages reject with `VELA_ACTOR_UPGRADE_FAILED`.
   */
  upgrade?(oldState: Map<string, unknown>, fromVersion: number): void | Promise<void>
  /** A child that escalates has failed. `escalate` stops it. */
  onChildFailure?(child: ActorId, error: unknown): ActorDirective | Promise<ActorDirective>
  webSocketMessage?(socket: ServerWebSocket, message: string | ArrayBuffer): void | Promise<void>
  webSocketClose?(
    socket: ServerWebSocket,
    code: number,
    reason: string,
    wasClean: boolean,
  ): void | Promise<void>
  webSocketError?(socket: ServerWebSocket, error: unknown): void | Promise<void>
}

/** The same as `Actor`, by the name that Workers have. */
export const DurableObject: typeof Actor = Actor
export type DurableObject<Env = Readonly<Record<string, unknown>>> = Actor<Env>

/**
 * Vars, secrets and capabilities of the service, the same as the handlers' `env`, but of no turn in particular: what is
 * called through it is not ended with a request. Frozen.
 */
export const env: Readonly<Record<string, unknown>> = onlyInsideAGuest()

/**
 * A promise whose outcome is decided from outside, for what calls back later.
 *
 * @example
 * const opened = deferred<void>()
 * socket.addEventListener('open', () => opened.resolve())
 * await opened.promise
 */
export const deferred: <Value = void>() => Deferred<Value> = onlyInsideAGuest()

/**
 * Work that has not begun: it starts when it is first awaited, at most once, and can be given up.
 *
 * @example
 * const quotes = Future.race([cheap, fast].map((url) => new Future(({ signal }) => fetch(url, { signal }))))
 * const response = await quotes
 */
export const Future: FutureConstructor = onlyInsideAGuest()
export type Future<Value> = FutureInstance<Value>

/**
 * Runs `body` and the tasks that it spawns, and ends when all of them have. The first failure cancels the rest and is what the
 * group rejects with; failures after it stand in its `suppressed`, a list. With `ctx` as options the group is cancelled when
 * nobody waits for the turn any more.
 *
 * Rejects with what was thrown first, with the reason of a cancellation (`AbortError`, `VELA_TASK_CANCELED`), or at
 * `deadlineMs` with `TimeoutError` (`VELA_TASK_TIMEOUT`). A task that does not heed its signal delays the end.
 *
 * @example
 * const [user, orders] = await taskGroup(async (group) => {
 *   const user = group.spawn(({ signal }) => fetch(userUrl, { signal }).then((response) => response.json()))
 *   const orders = group.spawn(({ signal }) => fetch(ordersUrl, { signal }).then((response) => response.json()))
 *   return [await user.join(), await orders.join()]
 * }, ctx)
 */
export const taskGroup: TaskGroupFunction = onlyInsideAGuest()

/**
 * Resolves after `ms` milliseconds; its timer counts for `limits.timers`. Rejects with the signal's reason when that aborts,
 * and clears the timer. `RangeError` for a negative time, or for one timer too many.
 *
 * @example
 * await sleep(250, { signal: ctx.signal })
 */
export const sleep: (ms: number, options?: Pick<ScopeOptions, 'signal'>) => Promise<void> = onlyInsideAGuest()

/**
 * The outcome of `work`, if it comes within `ms` milliseconds; else aborts its signal and rejects at once with
 * `TimeoutError` (`VELA_TASK_TIMEOUT`). Work that is a plain promise goes on unheard.
 *
 * @example
 * const response = await timeout(2_000, ({ signal }) => fetch(url, { signal }))
 */
export const timeout: <Value>(ms: number, work: Waitable<Value>, options?: ScopeOptions) => Promise<Value> =
  onlyInsideAGuest()

/**
 * The outcome of what settles first, be it a failure. The others are given up at once and not waited for. `TypeError` for an
 * empty list.
 *
 * @example
 * const fastest = await race(mirrors.map((url) => ({ signal }) => fetch(url, { signal })))
 */
export const race: <Value>(works: readonly Waitable<Value>[], options?: ScopeOptions) => Promise<Value> =
  onlyInsideAGuest()

/**
 * Waits for the first of several named sources: ends of channels, promises, Futures, functions. Only the one that is chosen is
 * taken from; the others are given up. Of channels that have something already the first in the list is chosen.
 * Rejects with what the first to fail throws, as a closed channel does. `TypeError` if there is no source.
 *
 * @example
 * const { key, value } = await select({ job: jobs, tick: ({ signal }) => sleep(1_000, { signal }) })
 * if (key === 'job') await handle(value)
 */
export const select: SelectFunction = onlyInsideAGuest()

/**
 * A bounded channel within this isolate, for tasks that hand values to each other: who sends waits while it is full.
 * `RangeError` for a capacity that is no whole number from 1 to 1,000,000.
 *
 * @example
 * const results = channel<Result>({ capacity: 8 })
 */
export const channel: <Value = unknown>(options?: ChannelOptions) => Channel<Value> = onlyInsideAGuest()

/**
 * The same for many receivers, each of which gets every value.
 *
 * @example
 * const prices = broadcast<Price>({ capacity: 32, slow: 'drop' })
 * for await (const price of prices) show(price)
 */
export const broadcast: <Value = unknown>(options?: BroadcastOptions) => Broadcast<Value> = onlyInsideAGuest()

/** The parts of a service, wired by tokens; what is wrong with them is said at deploy. */
export const container: ContainerFunction = onlyInsideAGuest()

/** How what a token names is made, and how long it lives. */
export const provide: ProvideFunction = onlyInsideAGuest()

/** A name for something that is injected, with its type: `const ORDERS = token<Orders>('orders')`. */
export const token: <T>(name: string) => Token<T> = onlyInsideAGuest()

/** What `env` has under that name, as something to inject: a capability, a service, a var, a secret. */
export const binding: BindingFunction = onlyInsideAGuest()

/** `undefined` if nobody provides it. */
export const optional: OptionalFunction = onlyInsideAGuest()

/** A function that gives it when it is called: for what is needed later, and to open a circle. */
export const lazy: LazyFunction = onlyInsideAGuest()

/** The `ctx` of the turn, for what has scope `request`. */
export const CONTEXT: Token<Context> = onlyInsideAGuest()

/** The `ctx` of the actor, for what has scope `actor`. */
export const ACTOR: Token<ActorContext> = onlyInsideAGuest()

/**
 * Functions around publishing and handling events: checks, additions, filters, traces, further tries.
 *
 * @example
 * const orders = eventMiddleware({
 *   publish: [eventMiddleware.validate(Order)],
 *   handle: [eventMiddleware.filter(({ data }) => data !== null)],
 * })
 * export const onPlaced = orders.handler(async (event, env: Env) => { … })
 * // in a handler of requests: await orders.binding(env.ORDERS).publish('orders.placed', order)
 */
export const eventMiddleware: EventMiddlewareFunction = onlyInsideAGuest()

function onlyInsideAGuest(): never {
  throw new Error(
    '@vela/guest-sdk exists only inside a Vela service: deploy the service (`vela deploy`) or run it (`vela dev`) ' +
      'instead of importing it here. Types alone can be imported anywhere with `import type`.',
  )
}
