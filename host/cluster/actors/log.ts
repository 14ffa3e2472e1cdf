/**
 * The logs of all actors of the cluster: a stream with a subject for each. What fences a stale owner is NATS's own compare-and-set: each
 * message names the one it stands behind, so of two hosts that think they own an actor the second to write is refused.
 * What an append did is known only if NATS says so: `VELA_ACTOR_FENCED` did nothing, any other failure may have been kept.
 */
import {
  AckPolicy,
  DeliverPolicy,
  DiscardPolicy,
  RetentionPolicy,
  StorageType,
  type StreamConfig,
} from '@nats-io/jetstream'
import { headers as createHeaders } from '@nats-io/transport-node'
import { VelaError } from '../../core/errors.ts'
import { hasApiCode, isWrongSequence, STREAM_NAME_IN_USE } from '../../nats/api-errors.ts'
import type { Nats } from '../../nats/types.ts'
import { allOf } from './address.ts'
import { createFold, type Folded } from './records.ts'

export interface ActorUsage {
  readonly actors: number
  readonly bytes: number
}

export interface Appended {
  readonly first: number
  readonly last: number
}

/** Errors of every method: VELA_CLUSTER_UNAVAILABLE. `place` as placeOf() makes it. */
export interface ActorLog {
  /** Makes the stream if it is not there. */
  open(): Promise<void>
  /** All that stands of the actor. Throws VELA_STORE_DAMAGED. */
  read(place: string): Promise<Folded>
  /**
   * Stored by NATS when it resolves, to the sequences of the first part and the last. `after`: the sequence it stands behind; 0: none. `bytes`: what the
   * actor takes of the quota from then on. `replaces`: all that stood before goes, in the same step; of a single part. Rejects VELA_ACTOR_FENCED if
   * something else stands there.
   */
  append(
    place: string,
    parts: readonly Buffer[],
    options: { readonly after: number; readonly bytes: number; readonly replaces?: boolean },
  ): Promise<Appended>
  /** What stood before `sequence` goes (left out: everything), of an actor, or of `allOf`. */
  purge(places: string, sequence?: number): Promise<void>
  /** What actors of a tenant, or of one of its services, take. Reads a header of each. */
  usage(tenant: string, service?: string): Promise<ActorUsage>
  readonly maxPayload: number
}

const BYTES_HEADER = 'Vela-Bytes'
const ROLLUP_HEADER = 'Nats-Rollup'
const APPEND_MS = 5000
/** Longer logs are snapshotted long before. */
const MOST_MESSAGES = 100_000
const PAGE = 5000

export function createActorLog(
  nats: Pick<Nats, 'prefix' | 'replicas' | 'connection' | 'maxPayload' | 'state' | 'jetstream' | 'manager'>,
): ActorLog {
  const stream = `${nats.prefix}-actors`
  const subjectOf = (place: string): string => `${nats.prefix}.a.${place}`
  let opening: Promise<void> | undefined

  const create = async (): Promise<void> => {
    const manager = await nats.manager()
    const config: Partial<StreamConfig> & { name: string } = {
      name: stream,
      subjects: [subjectOf('>')],
      storage: StorageType.File,
      retention: RetentionPolicy.Limits,
      discard: DiscardPolicy.New,
      num_replicas: nats.replicas,
      allow_rollup_hdrs: true,
      allow_direct: true,
    }
    try {
      await manager.streams.add(config)
    } catch (thrown) {
      // Another host has made it with other settings, such as an operator's limit.
      if (!hasApiCode(thrown, STREAM_NAME_IN_USE)) throw thrown
    }
  }

  const open = (): Promise<void> => {
    opening ??= create().catch((thrown: unknown) => {
      opening = undefined
      throw unavailable(thrown)
    })
    return opening
  }

  /** While NATS is lost the client would keep what is published, and nobody could say what became of it. */
  const connected = async (): Promise<void> => {
    if (nats.state !== 'connected') throw unavailable()
    await open()
  }

  const appendOne = async (
    place: string,
    part: Buffer,
    after: number,
    bytes: number,
    replaces: boolean,
  ): Promise<number> => {
    const headers = createHeaders()
    headers.set(BYTES_HEADER, String(bytes))
    if (replaces) headers.set(ROLLUP_HEADER, 'sub')
    try {
      const { seq } = await nats.jetstream().publish(subjectOf(place), part, {
        headers,
        timeout: APPEND_MS,
        expect: { lastSubjectSequence: after },
      })
      return seq
    } catch (thrown) {
      if (isWrongSequence(thrown)) throw fenced()
      // Somebody may have deleted the stream.
      opening = undefined
      throw unavailable(thrown)
    }
  }

  return {
    open,
    async read(place) {
      await connected()
      const manager = await nats.manager()
      const subject = subjectOf(place)
      const fold = createFold()
      try {
        for (let next = 1, count = 0; count < MOST_MESSAGES; count++) {
          const query = { seq: next, next_by_subj: subject }
          // A direct read may be of a copy that is behind.
          const message = await (nats.replicas === 1 ? manager.direct : manager.streams).getMessage(
            stream,
            query,
          )
          if (message === null) break
          fold.take(message.seq, message.data)
          next = message.seq + 1
        }
      } catch (thrown) {
        throw thrown instanceof VelaError ? thrown : unavailable(thrown)
      }
      return fold.folded
    },
    async append(place, parts, { after, bytes, replaces = false }) {
      await connected()
      let first = 0
      let last = after
      // One behind the other: what a part stands behind is known only when that one is stored.
      for (const part of parts) {
        last = await appendOne(place, part, last, bytes, replaces && parts.length === 1)
        if (first === 0) first = last
      }
      return { first, last }
    },
    async purge(places, sequence) {
      await connected()
      const manager = await nats.manager()
      try {
        const filter = subjectOf(places)
        await manager.streams.purge(stream, sequence === undefined ? { filter } : { filter, seq: sequence })
      } catch (thrown) {
        throw unavailable(thrown)
      }
    },
    async usage(tenant, service) {
      await connected()
      const manager = await nats.manager()
      let actors = 0
      let bytes = 0
      try {
        const { name, num_pending: pending } = await manager.consumers.add(stream, {
          ack_policy: AckPolicy.None,
          deliver_policy: DeliverPolicy.LastPerSubject,
          filter_subject: subjectOf(allOf(tenant, service)),
          headers_only: true,
          mem_storage: true,
          // Without it, it may be put on a server that is known to be gone.
          num_replicas: 1,
          inactive_threshold: 30_000_000_000,
        })
        const consumer = await nats.jetstream().consumers.get(stream, name)
        for (let left = pending; left > 0;) {
          const page = Math.min(left, PAGE)
          let got = 0
          for await (const message of await consumer.fetch({ max_messages: page, expires: APPEND_MS })) {
            got += 1
            const taken = Number(message.headers?.get(BYTES_HEADER) ?? 0)
            if (!Number.isSafeInteger(taken) || taken <= 0) continue
            actors += 1
            bytes += taken
          }
          // Some went meanwhile.
          if (got < page) break
          left -= got
        }
        await manager.consumers.delete(stream, name)
      } catch (thrown) {
        throw unavailable(thrown)
      }
      return { actors, bytes }
    },
    get maxPayload() {
      return nats.maxPayload
    },
  }
}

const fenced = (): VelaError =>
  new VelaError(
    'VELA_ACTOR_FENCED',
    'Another host has written the state of this actor since; nothing was done',
  )

function unavailable(cause?: unknown): VelaError {
  if (cause instanceof VelaError && cause.code === 'VELA_CLUSTER_UNAVAILABLE') return cause
  const words = 'NATS, which keeps the state of actors, does not answer'
  return new VelaError('VELA_CLUSTER_UNAVAILABLE', words, { cause })
}
