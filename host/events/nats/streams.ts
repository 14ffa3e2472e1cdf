/**
 * A stream of JetStream for each tenant: its quota is the stream's `max_bytes` (the server refuses what is over, and drops nothing that
 * was acknowledged), its window for duplicates, its sequences and its end are its own, and deleting a tenant is deleting a stream. One
 * stream for all would have one quota and one window, and nats-server 2.9 bounds no single subject by size.
 */
import { DiscardPolicy, RetentionPolicy, StorageType, type StreamInfo } from '@nats-io/jetstream'
import { nanos } from '@nats-io/transport-node'
import { hasApiCode, STREAM_NAME_IN_USE, STREAM_NOT_FOUND } from '../../nats/api-errors.ts'
import type { Nats } from '../../nats/types.ts'
import { DEDUPE_WINDOW_MS, type LogUsage, RETENTION_MS } from '../durable/log.ts'
import { isLost, isNoTenant, unavailable } from './failures.ts'
import type { EventNames } from './names.ts'

export interface StreamOptions {
  readonly quotaBytes: number
  readonly retentionMs?: number
  /**
   * Rejects VELA_TENANT_NOT_FOUND when the cluster has no such tenant, whatever this host has heard of it. Asked before anything is made
   * for a tenant that is not there yet, and once more when it is: what is made while the tenant is deleted is taken back. Else a host
   * that comes late would leave it to the next tenant of the name.
   */
  readonly admit?: (tenant: string) => Promise<void>
}

export interface StreamFacts {
  /** Another one of the same name has another birthday. */
  readonly created: string
  readonly last: number
  /** Each has a copy on more than one server, and a reader's may be behind the one that these facts are of. */
  readonly isReplicated: boolean
}

export interface Streams {
  /** Made if it is not there. One request at a time for each tenant. */
  ensure(tenant: string): Promise<StreamFacts>
  /** Undefined if it is not there. */
  facts(tenant: string): Promise<StreamFacts | undefined>
  usage(tenant: string): Promise<LogUsage>
  trim(tenant: string, below: number): Promise<void>
  /** What is made by the work for a tenant that is deleted meanwhile is taken back; the errors are those of `admit`. */
  forTenant<Result>(
    tenant: string,
    make: () => Promise<Result>,
    takeBack: () => Promise<void>,
  ): Promise<Result>
  remove(tenant: string): Promise<void>
  tenants(): Promise<readonly string[]>
}

export interface StreamDeps {
  readonly nats: Nats
  readonly names: EventNames
  /** The tenant's stream is not the one it was: whoever stands somewhere in it stands nowhere. */
  readonly onReplaced: (tenant: string) => void
}

export function createStreams(deps: StreamDeps, options: StreamOptions): Streams {
  const { nats, names, onReplaced } = deps
  const opening = new Map<string, Promise<StreamFacts>>()
  /** Birthdays of the streams that this host has met. */
  const births = new Map<string, string>()

  const meet = (tenant: string, info: StreamInfo): StreamFacts => {
    const { created } = info
    const before = births.get(tenant)
    births.set(tenant, created)
    if (before !== undefined && before !== created) onReplaced(tenant)
    return { created, last: info.state.last_seq, isReplicated: info.config.num_replicas > 1 }
  }

  const find = async (tenant: string): Promise<StreamInfo | undefined> => {
    const manager = await nats.manager()
    try {
      return await manager.streams.info(names.stream(tenant))
    } catch (error) {
      if (hasApiCode(error, STREAM_NOT_FOUND)) return undefined
      throw error
    }
  }

  const forTenant: Streams['forTenant'] = async (tenant, make, takeBack) => {
    await options.admit?.(tenant)
    const made = await make()
    try {
      await options.admit?.(tenant)
    } catch (error) {
      if (isNoTenant(error)) await takeBack()
      throw error
    }
    return made
  }

  const drop = async (tenant: string): Promise<void> => {
    const manager = await nats.manager()
    await ignoring(STREAM_NOT_FOUND, manager.streams.delete(names.stream(tenant)))
    births.delete(tenant)
  }

  const open = async (tenant: string): Promise<StreamFacts> => {
    const manager = await nats.manager()
    const found = await find(tenant)
    if (found !== undefined) {
      const changes = changesOf(found, options)
      if (changes !== undefined) await manager.streams.update(names.stream(tenant), changes)
      return meet(tenant, found)
    }
    const make = (): Promise<StreamInfo> =>
      manager.streams.add({
        name: names.stream(tenant),
        subjects: [names.durable(tenant, '>')],
        retention: RetentionPolicy.Limits,
        storage: StorageType.File,
        // Refuse what is over: an acknowledged event is never dropped for a new one.
        discard: DiscardPolicy.New,
        max_bytes: options.quotaBytes,
        max_age: nanos(options.retentionMs ?? RETENTION_MS),
        duplicate_window: nanos(DEDUPE_WINDOW_MS),
        num_replicas: nats.replicas,
        allow_direct: true,
      })
    try {
      return meet(tenant, await forTenant(tenant, make, () => drop(tenant)))
    } catch (error) {
      // Another host made it in between, of another version perhaps.
      const now = hasApiCode(error, STREAM_NAME_IN_USE) ? await find(tenant) : undefined
      if (now === undefined) throw error
      return meet(tenant, now)
    }
  }

  return {
    ensure: (tenant) => {
      const known = opening.get(tenant)
      if (known !== undefined) return known
      const made = guarded(nats, () => open(tenant)).finally(() => opening.delete(tenant))
      opening.set(tenant, made)
      return made
    },
    facts: (tenant) =>
      guarded(nats, async () => {
        const info = await find(tenant)
        return info === undefined ? undefined : meet(tenant, info)
      }),
    usage: (tenant) =>
      guarded(nats, async () => {
        const info = await find(tenant)
        const { quotaBytes } = options
        if (info === undefined) return { events: 0, bytes: 0, quotaBytes, first: 1, last: 0 }
        const { messages, bytes, first_seq: first, last_seq: last } = info.state
        return { events: messages, bytes, quotaBytes, first: messages === 0 ? last + 1 : first, last }
      }),
    trim: (tenant, below) =>
      guarded(nats, async () => {
        const manager = await nats.manager()
        const info = await find(tenant)
        if (info === undefined) return
        // Beyond its end the server would skip sequences.
        const seq = Math.min(below, info.state.last_seq + 1)
        if (seq <= info.state.first_seq) return
        await ignoring(STREAM_NOT_FOUND, manager.streams.purge(names.stream(tenant), { seq }))
      }),
    forTenant,
    remove: (tenant) =>
      guarded(nats, async () => {
        // One that is being made would outlive this.
        await opening.get(tenant)?.catch(() => undefined)
        await drop(tenant)
      }),
    tenants: () =>
      guarded(nats, async () => {
        const manager = await nats.manager()
        const found: string[] = []
        for await (const stream of manager.streams.names()) {
          const tenant = names.tenantOf(stream)
          if (tenant !== undefined) found.push(tenant)
        }
        return found.sort()
      }),
  }
}

/**
 * What the operator wants otherwise today; who starts last has the say. A stream that is made smaller than what it holds would drop its
 * oldest, acknowledged or not, whatever it does with new ones: so the quota shrinks only when there is room to spare.
 */
function changesOf(
  { config, state }: StreamInfo,
  { quotaBytes, retentionMs = RETENTION_MS }: StreamOptions,
): { max_bytes?: number; max_age?: number } | undefined {
  const mayResize = quotaBytes > config.max_bytes || state.bytes < quotaBytes / 2
  const bytes = mayResize && config.max_bytes !== quotaBytes ? { max_bytes: quotaBytes } : {}
  const age = config.max_age === nanos(retentionMs) ? {} : { max_age: nanos(retentionMs) }
  const changes = { ...bytes, ...age }
  return Object.keys(changes).length === 0 ? undefined : changes
}

export async function ignoring(code: number, work: Promise<unknown>): Promise<void> {
  try {
    await work
  } catch (error) {
    if (!hasApiCode(error, code)) throw error
  }
}

/** What fails because NATS is away is VELA_EVENTS_UNAVAILABLE; and nothing is begun while it is known to be away. */
export async function guarded<T>(nats: Nats, work: () => Promise<T>): Promise<T> {
  if (nats.state !== 'connected') throw unavailable('NATS is lost')
  // The client would wait for the answer of a connection that is gone.
  const lost = Promise.withResolvers<never>()
  const end = nats.onState(() => lost.reject(unavailable('NATS was lost before it answered')))
  try {
    return await Promise.race([work(), lost.promise])
  } catch (error) {
    if (isLost(error)) throw unavailable('NATS did not answer', error)
    throw error
  } finally {
    end()
  }
}
