/**
 * The journal of the cluster's key-value store: a JetStream stream, whose sequence is the order of all writes of all hosts. Invariants:
 * an append that resolved is stored by NATS; one that is tried again because its answer was lost is stored once.
 */
import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { DeliverPolicy, DiscardPolicy, JetStreamApiError } from '@nats-io/jetstream'
import type { ConsumerMessages, StreamInfo } from '@nats-io/jetstream'
import { VelaError } from '../../core/errors.ts'
import { hasApiCode, isWrongSequence, STREAM_NOT_FOUND } from '../../nats/api-errors.ts'
import { hedged } from '../../nats/hedged.ts'
import type { Nats } from '../../nats/types.ts'
import { journalSubjects } from './wire.ts'

export interface Journal {
  /** Of this very stream: another one under its name has another identity. Makes the stream if there is none. */
  open(): Promise<{ readonly identity: string; readonly last: number }>
  /** The place it was given. `expected`: only if that is the last place of its subject (0: none). undefined: it is not. */
  append(subject: string, data: Uint8Array, expected?: number): Promise<number | undefined>
  /** The last place of a subject; 0: none. */
  lastOf(subject: string): Promise<number>
  /** All behind a place, in order, until closed. Ends when the stream or the connection is gone for good. */
  follow(after: number): Promise<ConsumerMessages>
  /** What the subjects hold before a place goes. */
  purge(subjects: string, before: number): Promise<void>
  /** Bytes that one message may have. */
  readonly mostBytes: number
}

/** Beside the value: the head, the headers, and room for what NATS adds. */
const HEAD_BYTES = 8 * 1024
const ATTEMPT_MS = 2000
const DEADLINE_MS = 8000
const RETRY_MS = 100
/** A server that says nothing for twice a heartbeat is asked anew. */
const HEARTBEAT_MS = 1000
const EXPIRES_MS = 10_000
/** How long NATS remembers what it has stored; longer than any write is tried. */
const DUPLICATE_WINDOW_NS = 120_000_000_000

export function createJournal(nats: Nats): Journal {
  const stream = `${nats.prefix}-kv`

  const info = async (): Promise<StreamInfo> => {
    const manager = await nats.manager()
    try {
      return await manager.streams.info(stream)
    } catch (thrown) {
      if (!hasApiCode(thrown, STREAM_NOT_FOUND)) throw thrown
      return await manager.streams.add({
        name: stream,
        subjects: [journalSubjects(nats.prefix)],
        max_msgs_per_subject: 1,
        discard: DiscardPolicy.Old,
        num_replicas: nats.replicas,
        allow_direct: true,
        duplicate_window: DUPLICATE_WINDOW_NS,
      })
    }
  }

  const attempt = async (
    subject: string,
    data: Uint8Array,
    msgID: string,
    expected: number | undefined,
  ): Promise<number | undefined> => {
    try {
      const { seq } = await nats.jetstream().publish(subject, data, {
        msgID,
        timeout: ATTEMPT_MS,
        ...(expected === undefined ? {} : { expect: { lastSubjectSequence: expected } }),
      })
      return seq
    } catch (thrown) {
      if (isWrongSequence(thrown)) return undefined
      throw thrown
    }
  }

  return {
    async open() {
      const { created, state } = await info()
      return { identity: `${stream}@${created}`, last: state.last_seq }
    },
    async append(subject, data, expected) {
      const msgID = randomUUID()
      const deadlineMs = performance.now() + DEADLINE_MS
      for (;;) {
        const leftMs = deadlineMs - performance.now()
        try {
          await nats.whenConnected(Math.max(1, leftMs))
          return await attempt(subject, data, msgID, expected)
        } catch (thrown) {
          if (isRefusal(thrown) || leftMs < ATTEMPT_MS) throw unavailable(thrown)
          // Servers that choose a leader say at once that there is none.
          await sleep(RETRY_MS)
        }
      }
    },
    async lastOf(subject) {
      const manager = await nats.manager()
      const found = await manager.streams.getMessage(stream, { last_by_subj: subject })
      return found?.seq ?? 0
    },
    async follow(after) {
      const follow = async (): Promise<ConsumerMessages> => {
        const consumer = await nats.jetstream().consumers.get(stream, {
          deliver_policy: DeliverPolicy.StartSequence,
          opt_start_seq: after + 1,
        })
        return await consumer.consume({
          max_messages: 1000,
          expires: EXPIRES_MS,
          idle_heartbeat: HEARTBEAT_MS,
        })
      }
      return await hedged(follow, (late) => late.close())
    },
    async purge(subjects, before) {
      const manager = await nats.manager()
      await manager.streams.purge(stream, { filter: subjects, seq: before })
    },
    get mostBytes() {
      return nats.maxPayload - HEAD_BYTES
    },
  }
}

/** Another answer than that there is no leader just now. */
const isRefusal = (thrown: unknown): boolean => thrown instanceof JetStreamApiError && thrown.status !== 503

export function unavailable(cause: unknown): VelaError {
  if (cause instanceof VelaError && cause.code !== 'VELA_CLUSTER_UNAVAILABLE') return cause
  return new VelaError(
    'VELA_CLUSTER_UNAVAILABLE',
    'The cluster does not take writes just now, and it is not certain that this one was not stored; read before you repeat it',
    { cause },
  )
}
