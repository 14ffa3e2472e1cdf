/**
 * Types of channels: within an isolate (`channel`, `broadcast`), and of the `channels` capability, which reaches other services of the
 * tenant and the host. docs/channels.md says what is promised and what not.
 */
import type { Selectable } from './async.ts'
import type { GuestAbortSignal } from './web.ts'

export interface ChannelOptions {
  /** Values that may stand in it: a whole number, at least 1; 100 if left out. */
  readonly capacity?: number
}

export interface ChannelWaitOptions {
  /** Gives up waiting, and rejects with its reason. */
  readonly signal?: GuestAbortSignal | undefined
}

/** What can be received from; also a source for `select`. */
export interface ChannelReceiver<Value> extends Selectable<Value>, AsyncIterable<Value> {
  /**
   * The next value; waits for one. Rejects with `VELA_CHANNEL_CLOSED` once the channel is closed and empty (`cause` is the reason it was
   * closed with), between services with `VELA_CHANNEL_LOST`, and with an `AbortError` when its turn is over.
   *
   * A loop over the channel (`for await`) ends when it is closed, and throws if it was closed with an error. `timeout(ms, jobs.receive())`
   * gives it up when the time is over, so no value is lost.
   */
  receive(options?: ChannelWaitOptions): Promise<Value>
  /**
   * The values, for a loop that a signal ends: it then throws the signal's reason. Values that it has not got stay in the channel.
   *
   * @example
   * for await (const job of jobs.values({ signal: ctx.signal })) await handle(job)
   */
  values(options?: ChannelWaitOptions): AsyncIterableIterator<Value>
}

/**
 * A bounded channel within this isolate. Values are passed on as they are, in the order of each sender.
 *
 * @example
 * const jobs = channel<Job>({ capacity: 16 })
 * await taskGroup(async (group) => {
 *   group.spawn(async () => {
 *     for (const job of list) await jobs.send(job)
 *     jobs.close()
 *   })
 *   for await (const job of jobs) await handle(job)
 * })
 */
export interface Channel<Value> extends ChannelReceiver<Value> {
  /** Resolves when the value has its place; waits while the channel is full. Rejects with `VELA_CHANNEL_CLOSED`. */
  send(value: Value, options?: ChannelWaitOptions): Promise<void>
  /** False if it is full or closed. */
  trySend(value: Value): boolean
  /** No more can be sent; what stands in it can still be received. */
  close(reason?: unknown): void
  readonly closed: boolean
  /** Values that stand in it. */
  readonly size: number
  readonly capacity: number
}

export interface BroadcastOptions extends ChannelOptions {
  /** What a receiver with `capacity` values before it does: hold up the senders (if left out), or miss its oldest value. */
  readonly slow?: 'wait' | 'drop'
}

/** The broadcast form of a channel within this isolate: each receiver gets every value that is sent while it is there. */
export interface Broadcast<Value> extends AsyncIterable<Value> {
  send(value: Value, options?: ChannelWaitOptions): Promise<void>
  /** False if a receiver has no room, or it is closed. */
  trySend(value: Value): boolean
  /** A place at which every value arrives from now on. A loop over the broadcast has one of its own. */
  receiver(): BroadcastReceiver<Value>
  /** The values, for a loop with a receiver of its own that a signal ends: it then throws the signal's reason. */
  values(options?: ChannelWaitOptions): AsyncIterableIterator<Value>
  close(reason?: unknown): void
  readonly closed: boolean
  readonly receivers: number
  readonly capacity: number
}

export interface BroadcastReceiver<Value> extends ChannelReceiver<Value> {
  /** Gets no more, and holds up nobody. */
  close(): void
  /** Values that it has missed for being slow. */
  readonly dropped: number
  readonly size: number
}

/** The sending end of a channel between services: granted with `"access": "send"`. */
export interface RemoteSender<Value = unknown> {
  /**
   * Resolves when the value has its place in the channel; waits while it is full. What crosses is more than JSON (undefined, Date, Map, Set,
   * bigint, bytes, Error, RegExp), at most 1 MiB in encoded form. Rejects with `VELA_VALUE_NOT_CLONEABLE`,
   * `VELA_CHANNEL_CLOSED`, `VELA_CHANNEL_LOST` (it is full, and the isolate that received is gone), `VELA_CAPABILITY_*`, and with an
   * `AbortError` when its turn is over.
   *
   * @example
   * for (const job of jobs) await env.JOBS.send(job)
   */
  send(value: Value, options?: ChannelWaitOptions): Promise<void>
  /** False if it is full. Rejects as `send` does. */
  trySend(value: Value): Promise<boolean>
  /** No more can be sent until a receiver has heard of it; what stands in the channel can still be received. */
  close(reason?: unknown): Promise<void>
}

/** The receiving end of a channel between services: granted with `"access": "receive"`. */
export interface RemoteReceiver<Value = unknown> extends ChannelReceiver<Value> {
  close(reason?: unknown): Promise<void>
}

/**
 * An end of a bounded channel between services of the tenant, and the host: `"capabilities": {"channels": {"JOBS": {"channel": "jobs",
 * "capacity": 100}}}` is `env.JOBS`. Each value goes to one receiver.
 */
export interface RemoteChannel<Value = unknown> extends RemoteSender<Value>, ChannelReceiver<Value> {}

/** The same with `"mode": "broadcast"` and `"access": "receive"`. */
export interface RemoteBroadcastReceivers<Value = unknown> extends AsyncIterable<Value> {
  /**
   * A place at which every value arrives from now on, until it is closed or its turn is over. A loop over the broadcast has one
   * of its own.
   */
  receiver(): RemoteBroadcastReceiver<Value>
  /** The values, for a loop with a receiver of its own that a signal ends: it then throws the signal's reason. */
  values(options?: ChannelWaitOptions): AsyncIterableIterator<Value>
  close(reason?: unknown): Promise<void>
}

export interface RemoteBroadcastReceiver<Value = unknown> extends ChannelReceiver<Value> {
  /** Gets no more, and holds up nobody. */
  close(): void
}

/** A channel with `"mode": "broadcast"`: every receiver gets every value. */
export interface RemoteBroadcast<Value = unknown>
  extends RemoteSender<Value>, RemoteBroadcastReceivers<Value> {}
