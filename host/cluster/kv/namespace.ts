/**
 * One namespace of the cluster's store. Reads go to this host's copy, behind the writes that this host has begun on it. A write is
 * admitted by the copy (quota, and what a conditional write expects), then put in order by the journal.
 */
import { VelaError } from '../../core/errors.ts'
import {
  checkExpiry,
  checkKey,
  checkKeys,
  checkMetadata,
  checkVersion,
  conflict,
  refuse,
} from '../../kv/check.ts'
import { collect } from '../../kv/collect.ts'
import {
  DEFAULT_MAX_VALUE_BYTES,
  DEFAULT_QUOTA_BYTES,
  type KvEntry,
  type KvIntent,
  type KvNamespace,
  type KvReplica,
  type KvStanding,
  type MemoryBudget,
} from '../../kv/types.ts'

export interface ClusterNamespaceDeps {
  readonly local: () => KvNamespace
  readonly replica: KvReplica
  readonly memory: MemoryBudget
  /** That the journal takes in one message. */
  readonly mostBytes: () => number
  /** As Journal.append, and resolves when this host has carried it out. */
  readonly append: (
    key: string,
    put: Pick<KvEntry, 'value' | 'metadata' | 'expiresAtMs'> | null,
    expected: number | undefined,
  ) => Promise<number | undefined>
  readonly lastOf: (key: string) => Promise<number>
  readonly reached: (sequence: number) => Promise<void>
}

/** Writes of one host that wait for the journal. */
const MOST_WAITING = 4096

export function createClusterNamespace(
  deps: ClusterNamespaceDeps,
  tenant: string,
  name: string,
): KvNamespace {
  const { local, replica, memory } = deps
  /** Writes under way by key, so that reads follow them. */
  const writes = new Map<string, Promise<unknown>>()

  const following = <Value>(key: string, work: () => Promise<Value>): Promise<Value> => {
    if (writes.size >= MOST_WAITING) {
      const message = `${MOST_WAITING} keys are being written; await some of them first`
      return Promise.reject(new VelaError('VELA_TENANT_QUOTA_EXCEEDED', message))
    }
    // Of one key they go one behind the other: the copy must have the one before to admit the next.
    const before = writes.get(key)
    const written = before === undefined ? work() : before.then(work)
    const settled = written.then(
      () => undefined,
      () => undefined,
    )
    writes.set(key, settled)
    void settled.then(() => {
      if (writes.get(key) === settled) writes.delete(key)
    })
    return written
  }

  /** What is there by then must be what was expected, wherever it was written. */
  const write = async (
    intent: KvIntent,
    put: Pick<KvEntry, 'value' | 'metadata' | 'expiresAtMs'> | null,
    ifVersion: number | null,
  ): Promise<KvStanding> => {
    const { key } = intent
    const standing = await replica.admit(intent)
    if (ifVersion === null) {
      if (put === null && standing.stored === 0) return standing
      const place = await deps.append(key, put, undefined)
      return { ...standing, stored: place ?? 0 }
    }
    const { last, version } = await standingIn(intent, standing)
    if (version !== ifVersion) conflict(version)
    if (put === null && version === 0) return standing
    const place = await deps.append(key, put, last)
    if (place !== undefined) return { version, stored: place }
    await deps.reached(await deps.lastOf(key))
    return conflict((await local().get(key))?.version ?? 0)
  }

  /** A key that is not in the copy has a place if it was deleted, or if somebody has just written it. */
  const standingIn = async (
    intent: KvIntent,
    { version, stored }: KvStanding,
  ): Promise<{ readonly last: number; readonly version: number }> => {
    if (stored > 0) return { last: stored, version }
    const last = await deps.lastOf(intent.key)
    if (last === 0) return { last, version }
    await deps.reached(last)
    return { last, version: (await replica.admit(intent)).version }
  }

  return {
    tenant,
    name,
    get(key) {
      const before = writes.size === 0 ? undefined : writes.get(checkKey(key))
      return before === undefined ? local().get(key) : before.then(() => local().get(key))
    },
    getMany(keys) {
      const before = checkKeys(keys).flatMap((key) => writes.get(key) ?? [])
      return before.length === 0
        ? local().getMany(keys)
        : Promise.all(before).then(() => local().getMany(keys))
    },
    async put(hostileKey, hostileValue, options = {}) {
      const key = checkKey(hostileKey)
      const metadata = checkMetadata(options.metadata)
      const nowMs = Date.now()
      const expiresAtMs = checkExpiry(options, nowMs)
      const ifVersion = checkVersion(options.ifVersion)
      const mostBytes = Math.min(DEFAULT_MAX_VALUE_BYTES, deps.mostBytes())
      const value = collect(hostileValue, { tenant, memory, maxBytes: DEFAULT_MAX_VALUE_BYTES })
      const { bytes, release } = value instanceof Promise ? await value : value
      try {
        if (bytes.length > mostBytes)
          refuse(
            `A value has at most ${mostBytes} bytes in this cluster, as large as its NATS takes a message (max_payload).`,
          )
        const intent: KvIntent = {
          tenant,
          namespace: name,
          key,
          bytes: bytes.length + (metadata === null ? 0 : Buffer.byteLength(metadata)),
          quotaBytes: options.quotaBytes ?? DEFAULT_QUOTA_BYTES,
          nowMs,
        }
        const put = { value: bytes, metadata, expiresAtMs }
        const { stored } = await following(key, () => write(intent, put, ifVersion))
        return { version: stored }
      } finally {
        release()
      }
    },
    async delete(hostileKey, options = {}) {
      const key = checkKey(hostileKey)
      const ifVersion = checkVersion(options.ifVersion)
      const intent = { tenant, namespace: name, key, bytes: null, quotaBytes: 0, nowMs: Date.now() }
      const { version } = await following(key, () => write(intent, null, ifVersion))
      return { deleted: version > 0 }
    },
    async list(options) {
      if (writes.size > 0) await Promise.all(writes.values())
      return await local().list(options)
    },
  }
}
