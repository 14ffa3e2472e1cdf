/**
 * Events that consumers gave up: a key each, `<consumer>.<sequence>`, in a bucket of the tenant, so that the same letter again replaces
 * itself and each can be dropped alone. What is dropped is purged, and leaves nothing behind. Beyond the bound of a consumer, or the
 * tenant's quota in bytes (which the server keeps), the oldest go: a tenant whose handlers always fail fills no disk.
 */
import { DiscardPolicy, RetentionPolicy, StorageType } from '@nats-io/jetstream'
import type { KV, KvEntry } from '@nats-io/kv'
import { hasApiCode, isWrongSequence, STREAM_NOT_FOUND } from '../../nats/api-errors.ts'
import type { Nats } from '../../nats/types.ts'
import { type DeadEvent, MAX_DEAD_EVENTS } from '../durable/log.ts'
import { keysOf } from './cursors.ts'
import { type EventNames, fromToken, toToken } from './names.ts'
import { guarded, ignoring, type Streams } from './streams.ts'
import { decodeEvent, encodeEvent } from './wire.ts'

export interface DeadLetters {
  add(tenant: string, letter: DeadEvent): Promise<void>
  list(tenant: string, consumer: string | null, limit: number): Promise<readonly DeadEvent[]>
  count(tenant: string): Promise<ReadonlyMap<string, number>>
  markReplay(tenant: string, consumer: string, sequences: readonly number[] | null): Promise<number>
  listReplay(tenant: string, consumer: string, limit: number): Promise<readonly DeadEvent[]>
  drop(tenant: string, consumer: string, sequences: readonly number[] | null): Promise<number>
  dropTenant(tenant: string): Promise<void>
}

interface Place {
  readonly key: string
  readonly consumer: string
  readonly sequence: number
}

const MAX_REASON = 1024
/** Of one list. */
const MAX_LIST_BYTES = 8 * 1024 * 1024
/** Letters that are fetched at a time. */
const AT_A_TIME = 32
const LIST_MS = 2000
const decoder = new TextDecoder()

export function createDeadLetters(
  nats: Nats,
  names: EventNames,
  streams: Pick<Streams, 'forTenant'>,
  quotaBytes: number,
): DeadLetters {
  const bucket = (tenant: string): Promise<KV> => nats.kv(names.dead(tenant))

  const remove = async (tenant: string): Promise<void> => {
    const manager = await nats.manager()
    await ignoring(STREAM_NOT_FOUND, manager.streams.delete(`KV_${names.dead(tenant)}`))
  }

  /** As a bucket is made, but one that lets its oldest go. */
  const ensure = async (tenant: string): Promise<void> => {
    const manager = await nats.manager()
    const name = `KV_${names.dead(tenant)}`
    try {
      const { config } = await manager.streams.info(name)
      if (config.max_bytes !== quotaBytes) await manager.streams.update(name, { max_bytes: quotaBytes })
    } catch (error) {
      if (!hasApiCode(error, STREAM_NOT_FOUND)) throw error
      const config = {
        name,
        subjects: [`$KV.${names.dead(tenant)}.>`],
        retention: RetentionPolicy.Limits,
        storage: StorageType.File,
        discard: DiscardPolicy.Old,
        max_msgs_per_subject: 1,
        max_bytes: quotaBytes,
        num_replicas: nats.replicas,
        allow_direct: true,
        allow_rollup_hdrs: true,
      }
      await streams.forTenant(
        tenant,
        () => manager.streams.add(config),
        () => remove(tenant),
      )
    }
  }

  const places = async (tenant: string, consumer: string | null): Promise<Place[]> => {
    const filter = consumer === null ? '>' : `${toToken(consumer)}.*`
    const found: Place[] = []
    for (const key of await keysOf(nats, names.dead(tenant), filter)) {
      const [token = '', sequence = ''] = key.split('.')
      if (Number.isSafeInteger(Number(sequence)))
        found.push({ key, consumer: fromToken(token), sequence: Number(sequence) })
    }
    return found.sort((a, b) => a.sequence - b.sequence)
  }

  /** The places that were written last, the latest first: the server sends their keys alone, in the order of writing. */
  const latest = async (tenant: string, consumer: string | null, limit: number): Promise<Place[]> => {
    const known = new Map((await places(tenant, consumer)).map((place) => [place.key, place]))
    if (known.size === 0) return []
    const prefix = `$KV.${names.dead(tenant)}.`
    const filter = consumer === null ? '>' : `${toToken(consumer)}.*`
    const reader = await nats.jetstream().consumers.get(`KV_${names.dead(tenant)}`, {
      filter_subjects: `${prefix}${filter}`,
      headers_only: true,
    })
    const ordered = new Map<string, Place>()
    const messages = await reader.fetch({ max_messages: known.size, expires: LIST_MS })
    for await (const { subject, info } of messages) {
      const place = known.get(subject.slice(prefix.length))
      if (place !== undefined) ordered.set(place.key, place)
      if (info.pending === 0) break
    }
    await reader.delete()
    return [...ordered.values()].reverse().slice(0, limit)
  }

  /** Those of these places that are there, in order, until there are `limit` that are wanted. */
  const fetch = async (
    tenant: string,
    wanted: readonly Place[],
    limit: number,
    isWanted: (letter: DeadEvent) => boolean = () => true,
  ): Promise<DeadEvent[]> => {
    if (wanted.length === 0) return []
    const kv = await bucket(tenant)
    const found: DeadEvent[] = []
    let bytes = 0
    for (let from = 0; from < wanted.length && found.length < limit; from += AT_A_TIME) {
      const entries = await Promise.all(wanted.slice(from, from + AT_A_TIME).map(({ key }) => kv.get(key)))
      for (const [index, entry] of entries.entries()) {
        const letter = entry === null ? undefined : parseLetter(tenant, wanted[from + index] as Place, entry)
        if (letter === undefined || !isWanted(letter)) continue
        if (found.length >= limit || bytes >= MAX_LIST_BYTES) return found
        bytes += entry?.length ?? 0
        found.push(letter)
      }
    }
    return found
  }

  /** How many there were. */
  const purge = async (tenant: string, key: string): Promise<number> => {
    const manager = await nats.manager()
    const filter = `$KV.${names.dead(tenant)}.${key}`
    try {
      return (await manager.streams.purge(`KV_${names.dead(tenant)}`, { filter })).purged
    } catch (error) {
      if (hasApiCode(error, STREAM_NOT_FOUND)) return 0
      throw error
    }
  }

  /** Marks one letter, whoever changes it at the same time. */
  const mark = async (kv: KV, tenant: string, place: Place): Promise<boolean> => {
    for (;;) {
      const entry = await kv.get(place.key)
      const letter = entry === null ? undefined : parseLetter(tenant, place, entry)
      if (entry === null || letter === undefined) return false
      if (letter.replaying) return true
      try {
        await kv.update(place.key, printLetter({ ...letter, replaying: true }), entry.revision)
        return true
      } catch (error) {
        if (!isWrongSequence(error)) throw error
      }
    }
  }

  return {
    add: (tenant, letter) =>
      guarded(nats, async () => {
        await ensure(tenant)
        const kv = await bucket(tenant)
        await kv.put(keyOf(letter.consumer, letter.sequence), printLetter(letter))
        const there = await places(tenant, letter.consumer)
        for (const { key } of there.slice(0, Math.max(0, there.length - MAX_DEAD_EVENTS)))
          await purge(tenant, key)
      }),
    list: (tenant, consumer, limit) =>
      guarded(nats, async () => await fetch(tenant, await latest(tenant, consumer, limit), limit)),
    count: (tenant) =>
      guarded(nats, async () => {
        const groups = Map.groupBy(await places(tenant, null), ({ consumer }) => consumer)
        return new Map([...groups].map(([consumer, group]) => [consumer, group.length]))
      }),
    markReplay: (tenant, consumer, sequences) =>
      guarded(nats, async () => {
        const there = await places(tenant, consumer)
        if (there.length === 0) return 0
        const kv = await bucket(tenant)
        const asked = sequences === null ? undefined : new Set(sequences)
        let marked = 0
        for (const place of there) {
          if (asked !== undefined && !asked.has(place.sequence)) continue
          if (await mark(kv, tenant, place)) marked++
        }
        return marked
      }),
    listReplay: (tenant, consumer, limit) =>
      guarded(
        nats,
        async () => await fetch(tenant, await places(tenant, consumer), limit, ({ replaying }) => replaying),
      ),
    drop: (tenant, consumer, sequences) =>
      guarded(nats, async () => {
        if (sequences === null) return await purge(tenant, `${toToken(consumer)}.*`)
        let count = 0
        for (const sequence of new Set(sequences)) count += await purge(tenant, keyOf(consumer, sequence))
        return count
      }),
    dropTenant: (tenant) => guarded(nats, () => remove(tenant)),
  }
}

const keyOf = (consumer: string, sequence: number): string => `${toToken(consumer)}.${sequence}`

function printLetter({ event, attempts, reason, atMs, replaying }: DeadEvent): string {
  const told = { attempts, reason: reason.slice(0, MAX_REASON), atMs, replaying, subject: event.subject }
  return JSON.stringify({ v: 1, ...told, event: decoder.decode(encodeEvent(event)) })
}

/** Undefined: damaged, or deleted. */
function parseLetter(tenant: string, { consumer, sequence }: Place, entry: KvEntry): DeadEvent | undefined {
  if (entry.operation !== 'PUT') return undefined
  try {
    const { v, attempts, reason, atMs, replaying, subject, event } = entry.json<Record<string, unknown>>()
    if (v !== 1 || typeof attempts !== 'number' || typeof reason !== 'string' || typeof atMs !== 'number')
      return undefined
    if (typeof subject !== 'string' || typeof event !== 'string') return undefined
    const bytes = new TextEncoder().encode(event)
    const decoded = decodeEvent(tenant, subject, bytes, atMs)
    return { consumer, sequence, event: decoded, attempts, reason, atMs, replaying: replaying === true }
  } catch {
    return undefined
  }
}
