/**
 * Types of actors: the context of a class that extends Actor, its storage, and the stubs by which others reach it.
 * docs/actors.md says what is promised of order, delivery and durability.
 */
import type { Fetcher, RemoteMethod } from './services.ts'
import type { ServerWebSocket } from './websocket.ts'

/** Which actor: its class, and its name within that. */
export interface ActorId {
  readonly class: string
  readonly name: string
}

/**
 * What becomes of an actor whose method threw. `resume`: it goes on as it is. `restart`: a new instance, from its durable state. `stop`:
 * it is given up, and so is what waits for it; the next message makes it live again. `escalate`: its parent decides.
 */
export type ActorDirective = 'resume' | 'restart' | 'stop' | 'escalate'

/**
 * What a class says of its actors.
 *
 * @example
 * export class Cart extends Actor<Env> {
 *   static options: ActorOptions = { mailbox: { capacity: 100 }, supervision: { strategy: 'restart' }, version: 2 }
 * }
 */
export interface ActorOptions {
  /** How many messages may wait (1 to 10,000; 1,000), and what is done with one more. */
  readonly mailbox?: {
    readonly capacity?: number
    /**
     * `reject` (default): the sender gets `VELA_ACTOR_MAILBOX_FULL`; `drop-oldest`: the one that has waited longest goes;
     * `drop-lowest`: the youngest of the lowest priority goes. A dropped `ask` rejects; a dropped `tell` is a dead letter.
     */
    readonly overflow?: 'reject' | 'drop-oldest' | 'drop-lowest'
  }
  /**
   * Milliseconds that one message may be handled (1 to 300,000; 30,000). Then its `ask` rejects with `VELA_ACTOR_DEADLINE`, this instance is
   * given up, and a new one handles what waits: a failure, of which supervision's `resume` means `restart`. Holds for
   * `blockConcurrencyWhile`, `upgrade` and `onPassivate` too.
   */
  readonly handleMs?: number
  /** Milliseconds without anything to do after which it is passivated; a minute. Looked at when its isolate is entered. */
  readonly idleMs?: number
  /**
   * `sequential` (default): one message at a time, to its end. `interleaved`: another may begin while one awaits something, but not
   * while storage is being read (an input gate, as in Durable Objects).
   */
  readonly concurrency?: 'sequential' | 'interleaved'
  readonly supervision?: {
    /** `resume` if left out. */
    readonly strategy?: ActorDirective
    /** Restarts within `withinMs` after which it is stopped; 5. */
    readonly maxRestarts?: number
    /** Milliseconds; a minute. */
    readonly withinMs?: number
    /** How long the first restart waits (milliseconds), each further one within the window twice as long; 100. */
    readonly backoffMs?: number
  }
  /** Version of what it stores, from 1; when it is another than that of the stored state, `upgrade` runs. */
  readonly version?: number
}

export interface ActorListOptions {
  /** The first key, inclusive. */
  readonly start?: string
  /** The first key, exclusive; not with `start`. */
  readonly startAfter?: string
  /** Where to end, exclusive. */
  readonly end?: string
  readonly prefix?: string
  readonly limit?: number
  readonly reverse?: boolean
}

/**
 * The durable state of one actor. Keys have 1 to 512 bytes of UTF-8, values at most 128 KiB encoded; what is not JSON (Date,
 * Map, Uint8Array …) keeps its type. Rejects with `VELA_ACTOR_STORAGE_FAILED`, `VELA_ACTOR_QUOTA_EXCEEDED`,
 * `VELA_ACTOR_FENCED` (it lives elsewhere by now), `VELA_ACTOR_STOPPED` (this instance was given up),
 * `VELA_CAPABILITY_BAD_CALL` (too large), `VELA_VALUE_NOT_CLONEABLE`.
 */
export interface ActorEntries {
  get<Value = unknown>(key: string): Promise<Value | undefined>
  /** At most 128 keys; those that are not there are left out. */
  get<Value = unknown>(keys: readonly string[]): Promise<Map<string, Value>>
  /**
   * Resolves when it is in memory, not when it is durable: all that is written in one entry leaves as one atomic write when the entry
   * ends, and no answer, call or message leaves the actor before that is durable. Await `sync()` to wait yourself.
   *
   * @example
   * const count = (await this.ctx.storage.get<number>('count')) ?? 0
   * await this.ctx.storage.put('count', count + 1)
   */
  put(key: string, value: unknown): Promise<void>
  put(entries: Readonly<Record<string, unknown>>): Promise<void>
  /** Whether it was there, or how many were. */
  delete(key: string): Promise<boolean>
  delete(keys: readonly string[]): Promise<number>
  /** In the order of the keys' UTF-8 bytes. */
  list<Value = unknown>(options?: ActorListOptions): Promise<Map<string, Value>>
  /** All entries; the alarm stays. */
  deleteAll(): Promise<void>
  /** When the alarm is due (milliseconds since the epoch), or null. */
  getAlarm(): Promise<number | null>
  /** One alarm for each actor: a new one takes the place of the old. `alarm()` runs at that time or later, at least once. */
  setAlarm(at: number | Date): Promise<void>
  deleteAlarm(): Promise<void>
}

export interface ActorTransaction extends ActorEntries {
  /** Nothing of it will be stored. */
  rollback(): void
}

export interface ActorStorage extends ActorEntries {
  /**
   * What `work` does with the storage is stored whole, or, if it throws or calls `rollback`, not at all. They do not nest.
   *
   * @example
   * await this.ctx.storage.transaction(async (txn) => {
   *   await txn.put('from', from - amount)
   *   await txn.put('to', to + amount)
   * })
   */
  transaction<Result>(work: (txn: ActorTransaction) => Result | Promise<Result>): Promise<Result>
  /** Resolves when everything written so far is durable. */
  sync(): Promise<void>
}

/** What belongs to one actor. */
export interface ActorContext {
  readonly id: ActorId
  readonly storage: ActorStorage
  /** How many messages wait. */
  readonly mailbox: { readonly depth: number }
  /** Whose child it is, in this isolate. */
  readonly parent: ActorId | null
  readonly children: {
    /**
     * An actor of this service, from now on a child of this one: if it is `escalate`d, `onChildFailure` of this one decides, and
     * when this one is stopped, so is it. `target`: the exported class, or its name.
     */
    get<A = unknown>(target: string | ActorConstructor<A>, name: string): ActorStub<A>
    list(): readonly ActorId[]
  }
  /** Keeps the turn open, and the actor here, until the promise settles. A rejection is logged. */
  waitUntil(promise: Promise<unknown>): void
  /**
   * No message begins before `work` is done; for the constructor, to read what every method needs. If it rejects, the instance is
   * given up.
   *
   * @example
   * constructor(ctx: ActorContext, env: Env) {
   *   super(ctx, env)
   *   void ctx.blockConcurrencyWhile(async () => {
   *     this.items = (await ctx.storage.get<Item[]>('items')) ?? []
   *   })
   * }
   */
  blockConcurrencyWhile<Result>(work: () => Result | Promise<Result>): Promise<Result>
  /** It leaves memory when it has nothing to do any more: `onPassivate`, then its state is durable and it is forgotten. */
  passivate(): void
  /**
   * From here on the actor holds this end of a WebSocketPair: what comes is given to `webSocketMessage`, `webSocketClose` and
   * `webSocketError`, in turn with other messages; what it sends waits for its writes.
   */
  acceptWebSocket(socket: ServerWebSocket, tags?: readonly string[]): void
  /** Those it holds and that are open, oldest first; with that tag. */
  getWebSockets(tag?: string): ServerWebSocket[]
  getTags(socket: ServerWebSocket): string[]
}

export type ActorConstructor<A> = new (ctx: ActorContext, env: never) => A

/** What the runtime calls on other occasions, so never a method for others. */
type Reserved =
  | 'alarm'
  | 'constructor'
  | 'fetch'
  | 'onChildFailure'
  | 'onPassivate'
  | 'then'
  | 'upgrade'
  | 'webSocketClose'
  | 'webSocketError'
  | 'webSocketMessage'

type Methods<A> = {
  readonly [
    Name in keyof A as A[Name] extends (...args: never) => unknown
      ? Name extends Reserved | `_${string}`
        ? never
        : Name
      : never
  ]: A[Name] extends (...args: infer Args) => infer Result
    ? (...args: Args) => Promise<Awaited<Result>>
    : never
}

/**
 * One actor as others see it. Every public method is an `ask`: arguments and results are copied, it rejects with what the method threw
 * (`VELA_GUEST_THREW`), or with `VELA_ACTOR_*`, `VELA_METHOD_NOT_FOUND`, `VELA_VALUE_NOT_CLONEABLE`, `VELA_CELL_*`.
 */
export type ActorStub<A = unknown> = Fetcher &
  (unknown extends A ? Readonly<Record<string, RemoteMethod>> : Methods<A>)

export interface AskOptions {
  /**
   * How long to wait (milliseconds); 10,000 if left out, and never longer than who asks may take itself. Beyond it the promise rejects
   * with `VELA_ACTOR_DEADLINE`; a message that still waited is dropped.
   */
  readonly deadlineMs?: number
  /** A whole number from -10 to 10, 0 if left out; higher ones are handled first. */
  readonly priority?: number
}

/**
 * The actors of one class: `"capabilities": {"actors": {"CART": {"class": "Cart"}}}` is `env.CART`. An actor is there for every name;
 * it lives in memory while it is used.
 *
 * @example
 * interface Env { readonly CART: ActorNamespace<Cart> }
 * const total = await env.CART.get('ada').add('tea', 2)
 */
export interface ActorNamespace<A = unknown> {
  get(id: string | ActorId): ActorStub<A>
  getByName(name: string): ActorStub<A>
  idFromName(name: string): ActorId
  /** Sends a message and waits for its answer. */
  ask(id: string | ActorId, method: string, args?: readonly unknown[], options?: AskOptions): Promise<unknown>
  /** Sends a message and waits until it stands in the mailbox. What it throws later is a dead letter. */
  tell(
    id: string | ActorId,
    method: string,
    args?: readonly unknown[],
    options?: Pick<AskOptions, 'priority'>,
  ): Promise<void>
  /** How many messages wait for it; 0 if it is not in memory. */
  depth(id: string | ActorId): Promise<number>
}
