/**
 * One reader of a tenant's stream: an ephemeral pull consumer of JetStream that is kept open with requests in flight, so that reading is
 * taking from memory. It holds what it has been given until somebody takes it, in a bounded buffer, and asks for no more than fits.
 * The server forgets such a consumer when it restarts, and may forget it any time: it is then made again behind the last event that was
 * received. Nothing is acknowledged here; where a consumer of Vela stands is its cursor's business.
 */
import { createInbox, type Msg } from '@nats-io/transport-node'
import type { Log } from '../../core/log.ts'
import { hedged } from '../../nats/hedged.ts'
import type { Nats } from '../../nats/types.ts'
import type { ReadPage } from '../durable/log.ts'
import { EventBuffer } from './buffer.ts'
import { isLost, unavailable } from './failures.ts'
import { placeOf } from './place.ts'
import { hasNone, pullRequest, readerConfig, requestBytes } from './pull.ts'
import { guarded, type StreamFacts } from './streams.ts'
import { decodeEvent } from './wire.ts'

/** Messages in the buffer and on the way to it. */
const ROOM = 512
/** Without a sign of life the consumer is made again. */
const SILENCE_MS = 8000
/** For the first events after opening, and for those that the server says are there. */
const WAIT_MS = 3000
/** Before another attempt. */
const RETRY_MS = 250

export interface FeedDeps {
  readonly nats: Nats
  readonly log: Log
  readonly tenant: string
  readonly stream: string
  /** With the prefix. */
  readonly filter: string
  /** Characters of the filter before the subject of an event. */
  readonly prefixLength: number
  /** Of the stream, if it is there. */
  readonly facts: () => Promise<StreamFacts | undefined>
  readonly ensure: () => Promise<StreamFacts>
  /** How many the tenant has on this host. */
  readonly readers: () => number
  /** Something can be taken. */
  readonly onEvents: () => void
  /** The stream ends before what was read: it has lost its end, or is another one. */
  readonly onReset: () => void
}

export class Feed {
  /** Everything that matches up to here has been taken, or was never there. */
  position: number
  /** Where it said to be when it was asked last: nothing that matches is between. */
  told: number
  takenMs: number = performance.now()
  readonly #deps: FeedDeps
  readonly #buffer = new EventBuffer()
  #isFresh = false
  #received: number
  /** In the stream and not received, as the server last said. */
  #pending = 0
  /** The end of the stream before this consumer was made, and the last that matched then where the consumer may not know. */
  #lastAtOpening = 0
  #matchAtOpening = 0
  #isReplicated = false
  #onTheWay = 0
  #consumer: string | undefined
  #attempts = 0
  #delivered = 0
  #heardMs = 0
  #inbox = ''
  #endInbox: (() => void) | undefined
  #opening: Promise<void> | undefined
  #arrived: PromiseWithResolvers<undefined> | undefined
  #isClosed = false

  constructor(deps: FeedDeps, after: number) {
    this.#deps = deps
    this.position = after
    this.told = after
    this.#received = after
  }

  get buffered(): number {
    return this.#buffer.length
  }

  /** Rejects VELA_EVENTS_UNAVAILABLE when there is nothing in memory and NATS is lost. */
  async take(limit: number, bytes: number): Promise<ReadPage> {
    this.takenMs = performance.now()
    if (this.buffered === 0) await this.#fill(limit, bytes)
    const events = this.#buffer.take(limit, bytes)
    const last = events.at(-1)
    if (last !== undefined) this.position = last.sequence
    if (this.buffered === 0) this.#advance()
    this.told = this.position
    this.#ask()
    return { events, last: this.position, atEnd: this.buffered === 0 && this.#pending === 0 }
  }

  /** Damaged messages were received and are no events; and what was not sent although it was there does not match. */
  #advance(): void {
    if (this.#pending === 0 && this.#received >= this.#matchAtOpening)
      this.#received = Math.max(this.#received, this.#lastAtOpening)
    this.position = Math.max(this.position, this.#received)
  }

  /** Waits for one event if there are any; just after opening for all that are asked for, as far as they are there. */
  async #fill(limit: number, bytes: number): Promise<void> {
    if (this.#consumer === undefined) await this.open()
    const enough = this.#isFresh ? Math.min(limit, ROOM / 2) : 1
    this.#isFresh = false
    this.#ask()
    const deadline = Promise.withResolvers<'late'>()
    const timer = setTimeout(() => deadline.resolve('late'), WAIT_MS)
    while (this.buffered < enough && this.#buffer.bytes < bytes && this.#pending > 0) {
      this.#arrived ??= Promise.withResolvers<undefined>()
      // Late: it will wake its reader when it comes, and the watch looks after a consumer that has gone silent.
      if ((await Promise.race([this.#arrived.promise, deadline.promise])) === 'late') break
    }
    clearTimeout(timer)
    if (this.buffered === 0 && this.#deps.nats.state !== 'connected') throw unavailable('NATS is lost')
  }

  /** (Re)makes the consumer. One at a time. */
  async open(): Promise<void> {
    this.#opening ??= guarded(this.#deps.nats, () => this.#make()).finally(() => {
      this.#opening = undefined
    })
    await this.#opening
  }

  async #make(): Promise<void> {
    const { nats, facts, ensure, stream, filter, onReset } = this.#deps
    const attempt = ++this.#attempts
    this.#drop()
    // What was there and is gone is not made again here: its tenant may have been deleted.
    const known = (await facts()) ?? (this.#received === 0 ? await ensure() : null)
    const { last = 0, isReplicated = false } = known ?? {}
    if (this.#isClosed) throw unavailable('The log is another one')
    if (last < this.#received) {
      onReset()
      throw unavailable('The log has lost its end')
    }
    const manager = await nats.manager()
    const match = isReplicated ? await manager.streams.getMessage(stream, { last_by_subj: filter }) : null
    const info = await hedged(
      () => manager.consumers.add(stream, readerConfig(filter, this.#received)),
      ({ name }) => this.#remove(name),
    )
    // Answers may come when nobody waits any more, even after the next attempt has begun.
    if (this.#isClosed || attempt !== this.#attempts) return this.#remove(info.name)
    this.#consumer = info.name
    this.#lastAtOpening = last
    this.#matchAtOpening = match?.seq ?? 0
    this.#isReplicated = isReplicated
    this.#isFresh = true
    this.#pending = info.num_pending
    this.#delivered = 0
    this.#heardMs = performance.now()
    this.#inbox = createInbox()
    this.#endInbox = nats.subscribe(this.#inbox, (message) => this.#receive(message))
    this.#ask()
  }

  #drop(): void {
    this.#endInbox?.()
    this.#endInbox = undefined
    this.#consumer = undefined
    this.#onTheWay = 0
    this.#pending = 0
    this.#lastAtOpening = 0
    this.#matchAtOpening = 0
  }

  /** Asks for what there is room for; by halves, so that the next ones are on the way while the last are handled. */
  #ask(): void {
    const { nats, stream, readers } = this.#deps
    const room = ROOM - this.buffered - this.#onTheWay
    if (this.#consumer === undefined || room < ROOM / 2 || nats.state !== 'connected') return
    const bytes = requestBytes(readers(), nats.connection.info?.max_payload ?? 0)
    if (this.#buffer.bytes >= bytes) return
    this.#onTheWay += room
    const subject = `$JS.API.CONSUMER.MSG.NEXT.${stream}.${this.#consumer}`
    nats.connection.publish(subject, pullRequest(room, bytes), { reply: this.#inbox })
  }

  #receive(message: Msg): void {
    this.#heardMs = performance.now()
    const place = placeOf(message.reply)
    if (place === undefined) return this.#status(message)
    // A gap means that a message was lost on the way: what follows would hide it.
    if (place.delivered !== this.#delivered + 1) return this.#again('gap')
    this.#delivered = place.delivered
    this.#onTheWay = Math.max(0, this.#onTheWay - 1)
    this.#pending = place.pending
    // On a copy that was behind when it was made, a consumer begins at the end of that copy.
    if (place.sequence <= this.#received) return
    this.#received = place.sequence
    const { tenant, prefixLength, log } = this.#deps
    try {
      const event = decodeEvent(tenant, message.subject.slice(prefixLength), message.data, Date.now())
      this.#buffer.push({ sequence: place.sequence, event }, message.data.length)
    } catch (error) {
      log.warn('stored message is no event', {
        tenant,
        sequence: place.sequence,
        subject: message.subject,
        problem: String(error),
      })
    }
    if (this.buffered <= 1) this.#wake()
    else this.#settleArrived()
  }

  #wake(): void {
    this.#settleArrived()
    this.#deps.onEvents()
  }

  #settleArrived(): void {
    this.#arrived?.resolve(undefined)
    this.#arrived = undefined
  }

  #status(message: Msg): void {
    const code = message.headers?.code ?? 0
    if (code === 100) return
    const left = Number(message.headers?.get('Nats-Pending-Messages') ?? '')
    const isOver =
      code === 408 || (code === 409 && /bytes|batch completed/i.test(message.headers?.description ?? ''))
    if (!isOver) return this.#again(`status ${code}`)
    this.#onTheWay = Math.max(
      0,
      this.#onTheWay - (Number.isSafeInteger(left) && left > 0 ? left : this.#onTheWay),
    )
    this.#ask()
  }

  #again(reason: string): void {
    const { tenant, log } = this.#deps
    log.debug('events reader is made again', { tenant, reason })
    this.#remove(this.#consumer)
    this.#drop()
    this.open().then(
      () => this.#wake(),
      (error: unknown) => {
        if (!isLost(error)) log.debug('events reader cannot be made', { tenant, problem: String(error) })
        // JetStream takes a moment after the server has begun to answer.
        setTimeout(() => this.watch(performance.now()), RETRY_MS).unref()
      },
    )
  }

  /** NATS is back: the consumer may be gone. */
  reconnected(): void {
    if (this.#opening === undefined) this.#again('reconnected')
  }

  /** Called now and then. */
  watch(nowMs: number): void {
    const { nats } = this.#deps
    if (this.#isClosed || nats.state !== 'connected' || this.#opening !== undefined) return
    // With nothing asked for there is nothing to hear.
    const isSilent = this.#onTheWay > 0 && nowMs - this.#heardMs > SILENCE_MS
    if (this.#consumer === undefined || isSilent) this.#again('silence')
  }

  /** Moves on to `last` if all that matches up to there was received: a pattern without matches would hold the log's old events. */
  async skipTo(last: number): Promise<boolean> {
    const consumer = this.#consumer
    if (consumer === undefined || this.buffered > 0 || last <= this.position || this.#pending > 0)
      return false
    const manager = await this.#deps.nats.manager()
    const info = await manager.consumers.info(this.#deps.stream, consumer)
    if (info.num_pending > 0 || info.delivered.consumer_seq !== this.#delivered) return false
    if (this.#isReplicated && !(await hasNone(manager, this.#deps, this.#received, last))) return false
    if (this.buffered > 0 || this.#consumer !== consumer) return false
    this.position = Math.max(this.position, last)
    this.#received = Math.max(this.#received, last)
    return true
  }

  close(): void {
    this.#isClosed = true
    this.#remove(this.#consumer)
    this.#drop()
    this.#settleArrived()
  }

  /** The server would do it by itself in a while. */
  #remove(consumer: string | undefined): void {
    const { nats, stream } = this.#deps
    if (consumer === undefined || nats.state !== 'connected') return
    nats
      .manager()
      .then((manager) => manager.consumers.delete(stream, consumer))
      .catch(() => undefined)
  }
}
