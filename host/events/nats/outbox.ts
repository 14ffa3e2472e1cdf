/**
 * What is on its way into JetStream: kept until JetStream itself has acknowledged it, and never acknowledged before. While NATS is lost
 * it waits here, bounded, until its deadline; when NATS is back all of it is sent again, in order and under the same ids, so that what
 * had been stored is known by its id and not stored twice.
 * Order: messages of a tenant are sent in the order they came, on one connection, to one stream.
 */
import { createInbox, headers, type Msg, type MsgHdrs } from '@nats-io/transport-node'
import { VelaError } from '../../core/errors.ts'
import type { Log } from '../../core/log.ts'
import type { Nats } from '../../nats/types.ts'
import type { Appended } from '../durable/log.ts'
import { isNoResponders, parseAnswer } from './answer.ts'
import { isNoTenant, unavailable } from './failures.ts'
import { OUTBOX_LIMITS, type OutboxLimits } from './outbox-limits.ts'

export interface Outbox {
  /**
   * Resolves with JetStream's acknowledgement. Rejects VELA_EVENTS_FULL (the stream is full), VELA_EVENTS_UNAVAILABLE (no room here,
   * or no acknowledgement before the deadline: it may have been stored all the same), VELA_EVENT_TOO_LARGE.
   */
  send(tenant: string, subject: string, id: string, payload: Uint8Array): Promise<Appended>
  /** The tenant is deleted: what waits for it is rejected, and makes no stream of it again. */
  drop(tenant: string): void
  readonly waiting: number
  readonly waitingBytes: number
  /** Takes no more, and waits for what is on its way; what is not acknowledged at its deadline, or while NATS is lost, is rejected. */
  close(): Promise<void>
}

export interface OutboxDeps {
  readonly nats: Nats
  readonly log: Log
  /** Makes the tenant's stream if it is not there. VELA_TENANT_NOT_FOUND rejects what waits for it. */
  readonly ensure: (tenant: string) => Promise<unknown>
  readonly limits?: Partial<OutboxLimits>
}

interface Entry {
  readonly number: number
  readonly lane: Lane
  readonly subject: string
  readonly payload: Uint8Array
  readonly headers: MsgHdrs
  readonly expiresMs: number
  readonly resolve: (appended: Appended) => void
  readonly reject: (error: VelaError) => void
  sends: number
}

/** What is the tenant's. */
interface Lane {
  readonly tenant: string
  messages: number
  bytes: number
  /** Whether its stream is there: only then is anything sent. */
  isOpen: boolean
  isOpening: boolean
  lastSequence: number
}

const RETRY_MS = 250
const deleted = (): VelaError =>
  new VelaError('VELA_TENANT_NOT_FOUND', 'The tenant was deleted before the event was stored')

export function createOutbox(deps: OutboxDeps): Outbox {
  return new NatsOutbox(deps)
}

class NatsOutbox implements Outbox {
  readonly #deps: OutboxDeps
  readonly #limits: OutboxLimits
  readonly #inbox = createInbox()
  /** In the order of sending: that of the numbers, and of the deadlines. */
  readonly #entries = new Map<number, Entry>()
  readonly #lanes = new Map<string, Lane>()
  readonly #ends: (() => void)[]
  #bytes = 0
  #number = 0
  #timer: NodeJS.Timeout | undefined
  #isClosed = false
  #emptied: (() => void) | undefined

  constructor(deps: OutboxDeps) {
    this.#deps = deps
    this.#limits = { ...OUTBOX_LIMITS, ...deps.limits }
    this.#ends = [
      deps.nats.subscribe(`${this.#inbox}.*`, (message) => this.#answer(message)),
      deps.nats.onState((state) => {
        if (state === 'connected') this.#sendAgain()
      }),
    ]
  }

  get waiting(): number {
    return this.#entries.size
  }

  get waitingBytes(): number {
    return this.#bytes
  }

  async send(tenant: string, subject: string, id: string, payload: Uint8Array): Promise<Appended> {
    if (this.#isClosed) throw unavailable('The host is stopping')
    const lane = this.#laneOf(tenant)
    const { length } = payload
    const limits = this.#limits
    if (
      this.#entries.size >= limits.messages ||
      this.#bytes + length > limits.bytes ||
      lane.messages >= limits.tenantMessages ||
      lane.bytes + length > limits.tenantBytes
    ) {
      this.#forgetIdle(lane)
      throw unavailable('Too much waits for NATS already')
    }
    const settled = Promise.withResolvers<Appended>()
    const head = headers()
    head.set('Nats-Msg-Id', id)
    const entry: Entry = {
      number: ++this.#number,
      lane,
      subject,
      payload,
      headers: head,
      expiresMs: performance.now() + limits.deadlineMs,
      resolve: settled.resolve,
      reject: settled.reject,
      sends: 0,
    }
    this.#entries.set(entry.number, entry)
    this.#bytes += length
    lane.bytes += length
    lane.messages++
    this.#arm()
    if (lane.isOpen) this.#transmit(entry)
    else void this.#open(lane)
    return await settled.promise
  }

  #laneOf(tenant: string): Lane {
    let lane = this.#lanes.get(tenant)
    if (lane === undefined) {
      lane = { tenant, messages: 0, bytes: 0, isOpen: false, isOpening: false, lastSequence: 0 }
      this.#lanes.set(tenant, lane)
    }
    return lane
  }

  /** Tenants come and go. */
  #forgetIdle(lane: Lane): void {
    if (lane.messages === 0 && !lane.isOpening && this.#lanes.size > 1000) this.#lanes.delete(lane.tenant)
  }

  #transmit(entry: Entry): void {
    const { nats } = this.#deps
    if (nats.state !== 'connected') return
    entry.sends++
    try {
      nats.connection.publish(entry.subject, entry.payload, {
        reply: `${this.#inbox}.${entry.number}`,
        headers: entry.headers,
      })
    } catch (error) {
      const most = nats.state === 'connected' ? nats.connection.info?.max_payload : undefined
      // Anything else is a connection that has just gone: the entry waits.
      if (most !== undefined && entry.payload.length + 256 > most) {
        const message = `The event has ${entry.payload.length} bytes; this NATS takes ${most}`
        this.#settle(entry)?.reject(new VelaError('VELA_EVENT_TOO_LARGE', message, { cause: error }))
      }
    }
  }

  #sendAgain(): void {
    // Who knows what the server still has: each stream is looked for, then everything goes out in order.
    for (const lane of this.#lanes.values()) {
      lane.isOpen = false
      if (lane.messages > 0) void this.#open(lane)
    }
  }

  async #open(lane: Lane): Promise<void> {
    const { nats, ensure, log } = this.#deps
    if (lane.isOpening || lane.isOpen) return
    lane.isOpening = true
    try {
      while (nats.state === 'connected' && lane.messages > 0 && !lane.isOpen) {
        try {
          await ensure(lane.tenant)
          lane.isOpen = true
        } catch (error) {
          if (isNoTenant(error)) return this.drop(lane.tenant)
          log.warn('events stream unavailable', { tenant: lane.tenant, problem: String(error) })
          await new Promise((resolve) => setTimeout(resolve, RETRY_MS).unref())
        }
      }
    } finally {
      lane.isOpening = false
    }
    if (!lane.isOpen) return
    for (const entry of this.#entries.values()) if (entry.lane === lane) this.#transmit(entry)
  }

  #answer(message: Msg): void {
    const entry = this.#entries.get(Number(message.subject.slice(this.#inbox.length + 1)))
    if (entry === undefined) return
    if (isNoResponders(message)) {
      this.#later(entry.lane)
      return
    }
    const answer = parseAnswer(message)
    if (answer === undefined) {
      this.#deps.log.warn('nats answer is no acknowledgement', { tenant: entry.lane.tenant })
      return
    }
    if ('error' in answer) {
      if (answer.isTemporary) return this.#later(entry.lane)
      this.#settle(entry)?.reject(answer.error)
      return
    }
    const { sequence } = answer
    const before = entry.lane.lastSequence
    entry.lane.lastSequence = Math.max(before, sequence)
    // A message that was sent twice is its own duplicate: what the publisher wants to know is whether there was another.
    const duplicate = answer.duplicate && (entry.sends === 1 || sequence <= before)
    this.#settle(entry)?.resolve({ sequence, duplicate })
  }

  drop(tenant: string): void {
    for (const entry of this.#entries.values())
      if (entry.lane.tenant === tenant) this.#settle(entry)?.reject(deleted())
    this.#lanes.delete(tenant)
  }

  /** The stream is gone, or has no leader yet. What waits stays where it is, and goes again in its order. */
  #later(lane: Lane): void {
    // Of all that were on their way the first to be refused is enough.
    if (!lane.isOpen) return
    lane.isOpen = false
    setTimeout(() => void this.#open(lane), RETRY_MS).unref()
  }

  #settle(entry: Entry): Entry | undefined {
    if (!this.#entries.delete(entry.number)) return undefined
    this.#bytes -= entry.payload.length
    entry.lane.bytes -= entry.payload.length
    entry.lane.messages--
    this.#forgetIdle(entry.lane)
    if (this.#entries.size === 0) this.#emptied?.()
    return entry
  }

  /** One timer for the oldest: deadlines come in the order of the entries. */
  #arm(): void {
    if (this.#timer !== undefined) return
    const [first] = this.#entries.values()
    if (first === undefined) return
    const wait = Math.max(1, Math.ceil(first.expiresMs - performance.now()))
    this.#timer = setTimeout(() => {
      this.#timer = undefined
      this.#expire()
      this.#arm()
    }, wait)
    this.#timer.unref()
  }

  #expire(): void {
    const now = performance.now()
    for (const entry of this.#entries.values()) {
      if (entry.expiresMs > now) break
      this.#settle(entry)?.reject(
        unavailable(
          'NATS did not acknowledge the event in time; it may be stored: publish it again under the same id',
        ),
      )
    }
  }

  async close(): Promise<void> {
    const { nats } = this.#deps
    this.#isClosed = true
    if (this.#entries.size > 0 && nats.state === 'connected') {
      const over = Promise.withResolvers<void>()
      this.#emptied = over.resolve
      const end = nats.onState(() => over.resolve())
      await over.promise
      end()
    }
    clearTimeout(this.#timer)
    for (const end of this.#ends) end()
    for (const entry of this.#entries.values())
      this.#settle(entry)?.reject(unavailable('The host is stopping'))
  }
}
