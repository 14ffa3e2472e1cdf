/**
 * The log of durable events on JetStream: the same face as the embedded one, for any number of hosts. What is promised is what
 * JetStream promises when it acknowledges; Vela never acknowledges before it does.
 */
import type { Log } from '../../core/log.ts'
import { STREAM_NOT_FOUND } from '../../nats/api-errors.ts'
import type { Nats } from '../../nats/types.ts'
import type { DurableLog, StoredEvent } from '../durable/log.ts'
import { createCursors } from './cursors.ts'
import { createDeadLetters } from './dead-letters.ts'
import { createFeeds, type ReaderTimes } from './feeds.ts'
import { eventNames } from './names.ts'
import type { OutboxLimits } from './outbox-limits.ts'
import { createOutbox } from './outbox.ts'
import { createStreams, guarded, type StreamOptions } from './streams.ts'
import { checkEvent, decodeEvent, encodeEvent } from './wire.ts'

export interface NatsLogOptions extends StreamOptions {
  readonly outbox?: Partial<OutboxLimits>
  readonly readers?: Partial<ReaderTimes>
}

export interface NatsLog extends DurableLog {
  /** What waits for JetStream's acknowledgement. */
  readonly outbox: { readonly waiting: number; readonly waitingBytes: number }
}

/** Requests of `readAt` at a time. */
const AT_A_TIME = 32
const NO_MESSAGE = 10_037

export function createNatsLog(nats: Nats, log: Log, options: NatsLogOptions): NatsLog {
  const names = eventNames(nats.prefix)
  /** Whoever stands in it begins again where it is now. */
  const reset = (tenant: string): void => {
    log.error('events log has lost its end, or is another one', { tenant })
    feeds.forget(tenant)
    cursors.expire(tenant)
  }
  const streams = createStreams({ nats, names, onReplaced: reset }, options)
  const cursors = createCursors(nats, names, streams)
  const letters = createDeadLetters(nats, names, streams, options.quotaBytes)
  const feeds = createFeeds({
    nats,
    log,
    names,
    streams,
    onReset: reset,
    ...(options.readers === undefined ? {} : { times: options.readers }),
  })
  const outbox = createOutbox({
    nats,
    log,
    ensure: (tenant) => streams.ensure(tenant),
    ...(options.outbox === undefined ? {} : { limits: options.outbox }),
  })

  const readOne = async (
    tenant: string,
    sequence: number,
  ): Promise<{ stored: StoredEvent; bytes: number } | null> => {
    const manager = await nats.manager()
    let message
    try {
      // Not a direct one: a replica that is behind would say that an event is gone which is there.
      message = await manager.streams.getMessage(names.stream(tenant), { seq: sequence })
    } catch (error) {
      if (isMissing(error)) return null
      throw error
    }
    if (message === null || message.seq !== sequence) return null
    const subject = message.subject.slice(names.durable(tenant, '').length)
    try {
      const event = decodeEvent(tenant, subject, message.data, Date.now())
      return { stored: { sequence, event }, bytes: message.data.length }
    } catch (error) {
      log.warn('stored message is no event', { tenant, sequence, problem: String(error) })
      return null
    }
  }

  const readAt = async (tenant: string, wanted: readonly number[], bytes: number): Promise<StoredEvent[]> => {
    const sequences = [...wanted].sort((a, b) => a - b)
    const found: StoredEvent[] = []
    let taken = 0
    for (let from = 0; from < sequences.length; from += AT_A_TIME) {
      const some = sequences.slice(from, from + AT_A_TIME)
      const read = await Promise.all(some.map((sequence) => readOne(tenant, sequence)))
      for (const each of read) {
        if (each === null) continue
        if (found.length > 0 && taken + each.bytes > bytes) return found
        taken += each.bytes
        found.push(each.stored)
      }
    }
    return found
  }

  return {
    outbox,
    append: async (event) => {
      const { tenant, subject, id } = event
      checkEvent(event)
      const appended = await outbox.send(tenant, names.durable(tenant, subject), id, encodeEvent(event))
      feeds.appended(tenant)
      return appended
    },
    read: (tenant, pattern, after, limit, bytes) => feeds.read(tenant, pattern, after, limit, bytes),
    readAt: (tenant, sequences, bytes) => guarded(nats, () => readAt(tenant, sequences, bytes)),
    onAppended: (tenant, wake) => feeds.onAppended(tenant, wake),
    openCursor: (tenant, consumer, from) => cursors.open(tenant, consumer, from),
    cursors: (tenant) => cursors.list(tenant),
    dropCursor: async (tenant, consumer) => {
      await cursors.drop(tenant, consumer)
      await letters.drop(tenant, consumer, null)
    },
    addDead: async (tenant, letter) => {
      await letters.add(tenant, letter)
      // Its service was deleted by another host, which has dropped first the cursor and then the letters: none comes after them.
      if (await cursors.isGone(tenant, letter.consumer)) await letters.drop(tenant, letter.consumer, null)
    },
    listDead: (tenant, consumer, limit) => letters.list(tenant, consumer, limit),
    countDead: (tenant) => letters.count(tenant),
    markReplay: (tenant, consumer, sequences) => letters.markReplay(tenant, consumer, sequences),
    listReplay: (tenant, consumer, limit) => letters.listReplay(tenant, consumer, limit),
    dropDead: (tenant, consumer, sequences) => letters.drop(tenant, consumer, sequences),
    usage: (tenant) => streams.usage(tenant),
    trim: (tenant, below) => streams.trim(tenant, below),
    tenants: () => streams.tenants(),
    deleteTenant: async (tenant) => {
      outbox.drop(tenant)
      feeds.forget(tenant)
      cursors.expire(tenant)
      await streams.remove(tenant)
      await cursors.dropTenant(tenant)
      await letters.dropTenant(tenant)
    },
    close: async () => {
      await outbox.close()
      feeds.close()
    },
  }
}

const isMissing = (error: unknown): boolean => {
  const code = (error as { code?: unknown }).code
  return code === NO_MESSAGE || code === 404 || code === STREAM_NOT_FOUND
}
