/** Messages to actors that were given up, in a stream of the cluster: the last thousand of each service, so that nothing a guest does makes them grow. */
import { AckPolicy, DeliverPolicy, DiscardPolicy, RetentionPolicy, StorageType } from '@nats-io/jetstream'
import { MAX_DEAD_LETTERS, type DeadLetter } from '../../concurrency/actors/types.ts'
import { VelaError } from '../../core/errors.ts'
import { hasApiCode, STREAM_NAME_IN_USE } from '../../nats/api-errors.ts'
import type { Nats } from '../../nats/types.ts'

/** Errors: VELA_CLUSTER_UNAVAILABLE. */
export interface DeadLetters {
  add(tenant: string, service: string, letter: DeadLetter): Promise<void>
  /** The latest first. */
  list(tenant: string, service: string, limit: number): Promise<readonly DeadLetter[]>
  count(tenant: string, service: string): Promise<number>
  erase(tenant: string, service: string | undefined): Promise<void>
}

const WAIT_MS = 5000

export function createDeadLetters(
  nats: Pick<Nats, 'prefix' | 'replicas' | 'state' | 'jetstream' | 'manager'>,
): DeadLetters {
  const stream = `${nats.prefix}-actors-dead`
  const subjectOf = (tenant: string, service: string): string => `${nats.prefix}.ad.${tenant}.${service}`
  let opening: Promise<void> | undefined

  const open = async (): Promise<void> => {
    if (nats.state !== 'connected') throw unavailable()
    opening ??= (async () => {
      const manager = await nats.manager()
      await manager.streams
        .add({
          name: stream,
          subjects: [subjectOf('*', '*')],
          storage: StorageType.File,
          retention: RetentionPolicy.Limits,
          discard: DiscardPolicy.Old,
          max_msgs_per_subject: MAX_DEAD_LETTERS,
          num_replicas: nats.replicas,
        })
        .catch((thrown: unknown) => {
          if (!hasApiCode(thrown, STREAM_NAME_IN_USE)) throw thrown
        })
    })()
    await opening
  }

  const guarded = async <Value>(work: () => Promise<Value>): Promise<Value> => {
    try {
      await open()
      return await work()
    } catch (thrown) {
      opening = undefined
      throw unavailable(thrown)
    }
  }

  const count = async (tenant: string, service: string): Promise<number> => {
    const subject = subjectOf(tenant, service)
    const manager = await nats.manager()
    const { state } = await manager.streams.info(stream, { subjects_filter: subject })
    return state.subjects?.[subject] ?? 0
  }

  return {
    add: (tenant, service, letter) =>
      guarded(async () => {
        await nats
          .jetstream()
          .publish(subjectOf(tenant, service), JSON.stringify(letter), { timeout: WAIT_MS })
      }),
    list: (tenant, service, limit) =>
      guarded(async () => {
        const there = await count(tenant, service)
        if (there === 0) return []
        const manager = await nats.manager()
        const { name } = await manager.consumers.add(stream, {
          ack_policy: AckPolicy.None,
          deliver_policy: DeliverPolicy.All,
          filter_subject: subjectOf(tenant, service),
          mem_storage: true,
          // Without it, it may be put on a server that is known to be gone.
          num_replicas: 1,
          inactive_threshold: 30_000_000_000,
        })
        const consumer = await nats.jetstream().consumers.get(stream, name)
        const letters: DeadLetter[] = []
        for await (const message of await consumer.fetch({ max_messages: there, expires: WAIT_MS })) {
          const letter = readLetter(message.data)
          if (letter !== undefined) letters.push(letter)
        }
        await manager.consumers.delete(stream, name)
        return letters.reverse().slice(0, limit)
      }),
    count: (tenant, service) => guarded(() => count(tenant, service)),
    erase: (tenant, service) =>
      guarded(async () => {
        const manager = await nats.manager()
        await manager.streams.purge(stream, { filter: subjectOf(tenant, service ?? '*') })
      }),
  }
}

/** Of another host, maybe of another version; undefined: it is none. */
function readLetter(data: Uint8Array): DeadLetter | undefined {
  let value: unknown
  try {
    value = JSON.parse(Buffer.from(data).toString())
  } catch {
    return undefined
  }
  if (typeof value !== 'object' || value === null) return undefined
  const { class: className, name, method, reason, at, args } = value as Record<string, unknown>
  const texts = [className, name, method, reason]
  if (!texts.every((text) => typeof text === 'string') || typeof at !== 'number') return undefined
  return {
    class: String(className),
    name: String(name),
    method: String(method),
    reason: String(reason),
    at,
    args: typeof args === 'string' ? args : null,
  }
}

function unavailable(cause?: unknown): VelaError {
  if (cause instanceof VelaError && cause.code === 'VELA_CLUSTER_UNAVAILABLE') return cause
  return new VelaError('VELA_CLUSTER_UNAVAILABLE', 'NATS does not answer', { cause })
}
