/**
 * What the rest of the host sees of NATS: one connection that is either there or lost, and what stands on it
 * (JetStream, key-value buckets). Types of the client appear here and in the few folders that stand on
 * them, nowhere else.
 */
import type { JetStreamClient, JetStreamManager } from '@nats-io/jetstream'
import type { KV, KvOptions } from '@nats-io/kv'
import type { Msg, NatsConnection } from '@nats-io/transport-node'

/** `lost` is also what it is before the first connect. */
export type NatsState = 'connected' | 'lost'

export interface NatsHealth {
  readonly status: 'ok' | 'degraded'
  readonly nats: NatsState
  /** Why it is lost and what to do about it, for operators; never for guests. */
  readonly problem?: string
}

export interface Nats {
  /** First token of every subject, first word of every bucket and stream. */
  readonly prefix: string
  /** Copies that streams and buckets are made with. */
  readonly replicas: number
  /**
   * The raw connection; the same object for the life of this one, through all reconnects. Throws
   * VELA_CLUSTER_UNAVAILABLE before the first connect. While the state is `lost` nothing may be published on it: the client
   * would keep it in memory without a bound and throw it away when it dials.
   */
  readonly connection: NatsConnection
  readonly state: NatsState
  /** Bytes that this NATS takes as one message, headers and all. Throws VELA_CLUSTER_UNAVAILABLE before the first connect. */
  readonly maxPayload: number
  /** Called at each change, never at once; returns what removes it. A throwing listener is logged. */
  onState(listener: (state: NatsState) => void): () => void
  /** Resolves at once when connected. Rejects VELA_CLUSTER_UNAVAILABLE at the deadline (milliseconds from now) or when closed. */
  whenConnected(deadlineMs?: number): Promise<void>
  /**
   * A subscription that outlives every loss, and may be made before the first connect. `subject` is raw: the caller has put
   * the prefix. With `queue` one member of it gets each message. Returns what ends it.
   */
  subscribe(subject: string, onMessage: (message: Msg) => void, options?: { queue?: string }): () => void
  /** Throws VELA_CLUSTER_UNAVAILABLE before the first connect. */
  jetstream(): JetStreamClient
  /** Rejects VELA_CLUSTER_UNAVAILABLE before the first connect, likewise the one below. */
  manager(): Promise<JetStreamManager>
  /**
   * Made if it is not there, with `replicas`; the same object for the same bucket until NATS was lost and is back. `bucket` is the
   * whole name, prefix and all.
   */
  kv(bucket: string, options?: Partial<KvOptions>): Promise<KV>
  health(): NatsHealth
  close(): Promise<void>
}

/** For tests: how fast a loss is noticed and mended. */
export interface NatsTimes {
  /** Between pings; the connection is lost when two are unanswered. */
  readonly pingMs: number
  /** Between attempts to connect. */
  readonly retryMs: number
  /** For one attempt. */
  readonly dialMs: number
}
