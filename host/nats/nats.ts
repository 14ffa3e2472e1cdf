/**
 * The host's one connection to NATS. It is there or it is lost, and says so to whoever asks; it tries for ever to come
 * back. A start does not wait longer than the configuration says and goes on without it (degraded); but a server that is
 * there and refuses this host (credentials, version, no JetStream) ends the start with words on what to do, since no
 * waiting mends it.
 * What waits for NATS waits elsewhere, in bounded outboxes: the client itself keeps what is published while it is lost
 * without a bound, and drops it when it dials.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { jetstream, jetstreamManager, type JetStreamClient, type JetStreamManager } from '@nats-io/jetstream'
import { type KV, type KvOptions, Kvm } from '@nats-io/kv'
import type { Msg, NatsConnection, Subscription } from '@nats-io/transport-node'
import type { NatsConfig } from '../core/config-nats.ts'
import { VelaError } from '../core/errors.ts'
import type { Log } from '../core/log.ts'
import { dialNats, NatsProblemError } from './connect.ts'
import type { Nats, NatsHealth, NatsState, NatsTimes } from './types.ts'

export type { Nats, NatsHealth, NatsState, NatsTimes } from './types.ts'

const TIMES: NatsTimes = { pingMs: 1500, retryMs: 250, dialMs: 3000 }

/** What nats-server has if nothing else is configured. */
const DEFAULT_MAX_PAYLOAD = 1024 * 1024
/** For one request of JetStream. */
const REQUEST_MS = 5000

export interface OpenNatsOptions {
  /** Shown in the server's list of connections. */
  readonly name?: string
  readonly times?: Partial<NatsTimes>
}

/**
 * Resolves when connected, or after `connectTimeoutMs` with state `lost`. Rejects VELA_CLUSTER_UNAVAILABLE when a server
 * is there and refuses this host.
 */
export async function openNats(config: NatsConfig, log: Log, options: OpenNatsOptions = {}): Promise<Nats> {
  const times = { ...TIMES, ...options.times }
  const nats = new Connection(config, log, times, options.name ?? 'vela')
  await nats.open()
  return nats
}

interface Wanted {
  readonly subject: string
  readonly queue: string | undefined
  readonly onMessage: (message: Msg) => void
  live: Subscription | undefined
}

class Connection implements Nats {
  readonly prefix: string
  readonly replicas: number
  state: NatsState = 'lost'
  readonly #config: NatsConfig
  readonly #log: Log
  readonly #times: NatsTimes
  readonly #name: string
  readonly #closing = new AbortController()
  readonly #listeners = new Set<(state: NatsState) => void>()
  readonly #wanted = new Set<Wanted>()
  readonly #buckets = new Map<string, Promise<KV>>()
  #connection: NatsConnection | undefined
  #jetstream: JetStreamClient | undefined
  #manager: Promise<JetStreamManager> | undefined
  #problem: string | undefined
  #dialing: Promise<void> | undefined

  constructor(config: NatsConfig, log: Log, times: NatsTimes, name: string) {
    this.prefix = config.prefix
    this.replicas = config.replicas
    this.#config = config
    this.#log = log
    this.#times = times
    this.#name = name
  }

  async open(): Promise<void> {
    const refused = Promise.withResolvers<never>()
    refused.promise.catch(() => undefined)
    this.#dialing = this.#dial((error) => refused.reject(error))
    const waited = new AbortController()
    try {
      await Promise.race([
        this.#dialing,
        refused.promise,
        sleep(this.#config.connectTimeoutMs, undefined, { signal: waited.signal }),
      ])
    } catch (error) {
      await this.close()
      throw error
    } finally {
      waited.abort()
    }
    if (this.state === 'lost') this.#log.warn('nats lost', { problem: this.#problem, phase: 'start' })
  }

  /** Until it succeeds or this is closed. `onRefused` only matters to a start that still waits. */
  async #dial(onRefused: (error: NatsProblemError) => void): Promise<void> {
    const { signal } = this.#closing
    let said: string | undefined
    while (!signal.aborted) {
      try {
        const connection = await dialNats(this.#config, this.#times, this.#name)
        if (signal.aborted) return await connection.close()
        return this.#adopt(connection)
      } catch (thrown) {
        const error =
          thrown instanceof NatsProblemError
            ? thrown
            : new NatsProblemError({ kind: 'unreachable', message: String(thrown) }, thrown)
        this.#problem = error.message
        if (said !== error.message) this.#log.warn('nats unavailable', { problem: error.message })
        said = error.message
        if (error.problem.kind === 'refused') onRefused(error)
        await sleep(this.#times.retryMs, undefined, { signal }).catch(() => undefined)
      }
    }
  }

  #adopt(connection: NatsConnection): void {
    this.#connection = connection
    this.#jetstream = jetstream(connection, { timeout: REQUEST_MS })
    for (const wanted of this.#wanted) wanted.live = this.#listen(connection, wanted)
    void this.#watch(connection)
    this.#become('connected')
  }

  async #watch(connection: NatsConnection): Promise<void> {
    for await (const status of connection.status()) {
      if (status.type === 'disconnect' || status.type === 'staleConnection') this.#become('lost')
      else if (status.type === 'reconnect') this.#become('connected')
      else if (status.type === 'error') {
        this.#problem = `NATS says: ${status.error.message}`
        this.#log.warn('nats error', { problem: status.error.message })
      } else if (status.type === 'ldm') this.#log.info('nats server goes down', { server: status.server })
    }
    this.#become('lost')
  }

  #become(state: NatsState): void {
    if (this.state === state) return
    this.state = state
    if (state === 'connected') {
      this.#problem = undefined
      // A server that has lost its disk has lost them too: who asks again has them made again.
      this.#buckets.clear()
      this.#log.info('nats connected', { server: this.#connection?.getServer() })
    } else if (!this.#closing.signal.aborted) {
      this.#problem ??= `NATS (${this.#config.servers.join(', ')}) is lost; trying to come back`
      this.#log.warn('nats lost', { problem: this.#problem })
    }
    for (const listener of this.#listeners) {
      try {
        listener(state)
      } catch (error) {
        this.#log.error('nats listener failed', { error: String(error) })
      }
    }
  }

  get connection(): NatsConnection {
    if (this.#connection === undefined) throw unavailable(this.#problem)
    return this.#connection
  }

  get maxPayload(): number {
    return this.connection.info?.max_payload ?? DEFAULT_MAX_PAYLOAD
  }

  onState(listener: (state: NatsState) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  async whenConnected(deadlineMs?: number): Promise<void> {
    if (this.state === 'connected') return
    const signal = AbortSignal.any([
      this.#closing.signal,
      ...(deadlineMs === undefined ? [] : [AbortSignal.timeout(deadlineMs)]),
    ])
    const settled = Promise.withResolvers<void>()
    const giveUp = (): void => settled.reject(unavailable(this.#problem))
    const remove = this.onState((state) => {
      if (state === 'connected') settled.resolve()
    })
    if (signal.aborted) giveUp()
    signal.addEventListener('abort', giveUp, { once: true })
    try {
      await settled.promise
    } finally {
      remove()
      signal.removeEventListener('abort', giveUp)
    }
  }

  subscribe(
    subject: string,
    onMessage: (message: Msg) => void,
    options: { queue?: string } = {},
  ): () => void {
    const wanted: Wanted = { subject, queue: options.queue, onMessage, live: undefined }
    this.#wanted.add(wanted)
    if (this.#connection !== undefined) wanted.live = this.#listen(this.#connection, wanted)
    return () => {
      this.#wanted.delete(wanted)
      if (!this.#closing.signal.aborted) wanted.live?.unsubscribe()
    }
  }

  #listen(connection: NatsConnection, { subject, queue, onMessage }: Wanted): Subscription {
    return connection.subscribe(subject, {
      ...(queue === undefined ? {} : { queue }),
      callback: (error, message) => {
        if (error !== null) {
          this.#log.error('nats subscription refused', { subject, problem: error.message })
          return
        }
        try {
          onMessage(message)
        } catch (thrown) {
          // What throws here would end the client's reader, and with it everything.
          this.#log.error('nats message failed', { subject: message.subject, error: String(thrown) })
        }
      },
    })
  }

  jetstream(): JetStreamClient {
    if (this.#jetstream === undefined) throw unavailable(this.#problem)
    return this.#jetstream
  }

  async manager(): Promise<JetStreamManager> {
    this.#manager ??= jetstreamManager(this.connection, { checkAPI: false, timeout: REQUEST_MS })
    return await this.#manager
  }

  async kv(bucket: string, options: Partial<KvOptions> = {}): Promise<KV> {
    return await once(this.#buckets, bucket, () =>
      new Kvm(this.jetstream()).create(bucket, {
        replicas: this.replicas,
        timeout: REQUEST_MS,
        // A direct read may be of a copy that is behind, and say that what was just acknowledged is not there.
        allow_direct: this.replicas === 1,
        ...options,
      }),
    )
  }

  health(): NatsHealth {
    if (this.state === 'connected') return { status: 'ok', nats: 'connected' }
    return { status: 'degraded', nats: 'lost', problem: this.#problem ?? 'NATS has not answered yet' }
  }

  async close(): Promise<void> {
    if (this.#closing.signal.aborted) return
    this.#closing.abort()
    await this.#dialing
    const connection = this.#connection
    if (connection === undefined) return
    // What was published is on its way before the socket ends; a server that does not answer may not hold a stop.
    if (this.state === 'connected') {
      await Promise.race([connection.flush(), sleep(1000, undefined, { ref: false })]).catch(() => undefined)
    }
    await connection.close()
    this.#become('lost')
  }
}

/** One opening for all who ask at the same time; a failed one is forgotten. */
async function once<T>(known: Map<string, Promise<T>>, name: string, open: () => Promise<T>): Promise<T> {
  const found = known.get(name)
  if (found !== undefined) return await found
  const opening = open()
  known.set(name, opening)
  try {
    return await opening
  } catch (error) {
    known.delete(name)
    throw error
  }
}

function unavailable(problem: string | undefined): VelaError {
  return new VelaError('VELA_CLUSTER_UNAVAILABLE', problem ?? 'NATS is not connected', {})
}
