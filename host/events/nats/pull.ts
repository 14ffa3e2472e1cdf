/** What a reader asks of JetStream: a consumer that the server may forget, and messages in answer to requests. */
import { AckPolicy, type ConsumerConfig, DeliverPolicy, type JetStreamManager } from '@nats-io/jetstream'
import { nanos } from '@nats-io/transport-node'

/** Of one request, of which two may be in flight; and with as much in the buffer no more is asked for: 12 MiB together. */
const REQUEST_BYTES = 4 * 1024 * 1024
/** What all readers of a tenant may be given at once. */
const TENANT_BYTES = 16 * REQUEST_BYTES
/** Of a message beside its payload. */
const BESIDE_BYTES = 64 * 1024

/**
 * Of one request, when a tenant has so many readers: one must not fill the host's memory by having many that nobody takes from. At
 * least as much as a message may have, for a larger one would be held back for ever.
 */
export const requestBytes = (readers: number, maxPayload: number): number =>
  Math.max(
    maxPayload + BESIDE_BYTES,
    Math.min(REQUEST_BYTES, Math.floor(TENANT_BYTES / Math.max(readers, 1))),
  )
const REQUEST_MS = 30_000
const HEARTBEAT_MS = 3000
/** The server removes a consumer that nobody asks. */
const INACTIVE_MS = 120_000

/** `filter`: with the prefix; `after`: the last sequence that is not wanted. */
export function readerConfig(filter: string, after: number): Partial<ConsumerConfig> {
  return {
    ack_policy: AckPolicy.None,
    deliver_policy: DeliverPolicy.StartSequence,
    opt_start_seq: after + 1,
    filter_subject: filter,
    mem_storage: true,
    num_replicas: 1,
    inactive_threshold: nanos(INACTIVE_MS),
  }
}

export function pullRequest(messages: number, bytes: number): string {
  return JSON.stringify({
    batch: messages,
    max_bytes: bytes,
    expires: nanos(REQUEST_MS),
    idle_heartbeat: nanos(HEARTBEAT_MS),
  })
}

/** Nothing that matches stands between: as who leads the stream says, for a consumer may read a copy that is behind. */
export async function hasNone(
  manager: JetStreamManager,
  { stream, filter }: { readonly stream: string; readonly filter: string },
  after: number,
  last: number,
): Promise<boolean> {
  const query = { seq: after + 1, next_by_subj: filter }
  const next = await manager.streams.getMessage(stream, query)
  return next === null || next.seq > last
}
