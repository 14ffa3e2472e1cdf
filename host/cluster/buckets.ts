/**
 * Buckets of the cluster, asked for anew each time: the connection's own memory of a bucket outlives the bucket, when NATS has lost its
 * disk, and then nothing would ever make it again.
 */
import { type KV, Kvm, type KvOptions } from '@nats-io/kv'
import { Objm, type ObjectStore } from '@nats-io/obj'
import type { Nats } from '../nats/types.ts'

type Link = Pick<Nats, 'jetstream' | 'replicas'>

const TIMEOUT_MS = 5000

/** Made if it is not there. Rejects VELA_CLUSTER_UNAVAILABLE before the first connect. */
export async function openBucket(nats: Link, name: string, options: Partial<KvOptions> = {}): Promise<KV> {
  return await new Kvm(nats.jetstream()).create(name, {
    history: 1,
    replicas: nats.replicas,
    timeout: TIMEOUT_MS,
    ...options,
  })
}

export async function openObjects(nats: Link, name: string): Promise<ObjectStore> {
  return await new Objm(nats.jetstream()).create(name, { replicas: nats.replicas })
}

/** Keys go without a trace: a mark for each that ever was would fill the bucket. `before`: only what stands before that revision. */
export async function purgeKeys(
  nats: Pick<Nats, 'manager'>,
  bucket: string,
  filter: string,
  before?: number,
): Promise<void> {
  const manager = await nats.manager()
  const subject = `$KV.${bucket}.${filter}`
  const what = before === undefined ? { filter: subject } : { filter: subject, seq: before }
  await manager.streams.purge(`KV_${bucket}`, what)
}

export interface BucketState {
  /** When it was made: another time is another bucket. */
  readonly created: string
  readonly last: number
  readonly messages: number
}

export async function stateOf(nats: Pick<Nats, 'manager'>, bucket: string): Promise<BucketState> {
  const { created, state } = await (await nats.manager()).streams.info(`KV_${bucket}`)
  return { created, last: state.last_seq, messages: state.messages }
}
