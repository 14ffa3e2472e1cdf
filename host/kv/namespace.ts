/**
 * One namespace: checks the calls of its users, answers from memory where that is certain to be right (recall.ts), and
 * sends the rest down the tenant's lane to the store thread. Invariant: a call stands in its place in the order before
 * the method returns, so that two calls take effect in the order they were made, awaited or not.
 */
import { toVelaError } from '../core/errors.ts'
import type { VelaError } from '../core/errors.ts'
import type { StoreClient } from '../registry/store/client.ts'
import type { Cache, Cached } from './cache.ts'
import {
  checkExpiry,
  checkKey,
  checkKeys,
  checkLimit,
  checkMetadata,
  checkPart,
  checkVersion,
  refuse,
} from './check.ts'
import { collect } from './collect.ts'
import type { Collected } from './collect.ts'
import type { Lanes } from './lanes.ts'
import type { Found, FoundMany, PutCall } from './operations/entries.ts'
import type { Space } from './operations/spaces.ts'
import type { KvOperations } from './operations/table.ts'
import { createRecall } from './recall.ts'
import { DEFAULT_QUOTA_BYTES, SMALL_VALUE_BYTES } from './types.ts'
import type { KvEntry, KvNamespace, KvPutOptions, MemoryBudget } from './types.ts'

// What a call weighs between the threads beside its value.
const CALL_BYTES = 2048

export interface NamespaceDeps {
  readonly store: StoreClient<KvOperations>
  readonly lanes: Lanes
  readonly cache: Cache
  readonly memory: MemoryBudget
  readonly maxValueBytes: number
  /** Milliseconds since the epoch. */
  readonly now: () => number
}

export interface OwnedNamespace extends KvNamespace {
  /** A key is about to change behind the namespace's back; the result is called when it has. */
  changing(key: string): () => void
  /** From now on every call fails with `why`, and nothing is remembered any more. */
  retire(why: VelaError): void
}

type Prepared = Omit<PutCall, 'space' | 'tenant' | 'value' | 'nowMs'>

export function createNamespace(deps: NamespaceDeps, tenant: string, name: string): OwnedNamespace {
  const { store, lanes, memory, maxValueBytes, now } = deps
  const recall = createRecall({ cache: deps.cache, tenant, namespace: name, now })
  let space: Space | undefined
  let opening: Promise<Space> | undefined
  let retired: VelaError | undefined

  const alive = (): void => {
    if (retired !== undefined) throw retired
  }

  const open = (): Promise<Space> => {
    opening ??= lanes
      .run(tenant, CALL_BYTES, () => store.call('openSpace', tenant, name))
      .then(
        (opened) => (space = opened),
        (thrown: unknown) => {
          opening = undefined
          throw thrown
        },
      )
    return opening
  }

  /** In the tenant's lane, once the namespace is known to the store. */
  const run = <Value>(bytes: number, start: (space: Space) => Promise<Value>): Promise<Value> => {
    const opened = space
    if (opened !== undefined) return lanes.run(tenant, bytes + CALL_BYTES, () => start(opened))
    return open().then((made) => lanes.run(tenant, bytes + CALL_BYTES, () => start(made)))
  }

  const read = async (keys: readonly string[]): Promise<(KvEntry | null)[]> => {
    const mark = recall.beginRead(keys)
    try {
      const { entries } = await fetch(keys)
      const found = entries.map((entry) => (entry === null ? null : whole(entry)))
      for (const [index, key] of keys.entries()) mark.found(key, found[index] ?? null)
      return found
    } finally {
      mark.end()
    }
  }

  /** Small values come at once; what is larger is asked for again, with its size counted against the window. */
  const fetch = async (keys: readonly string[]): Promise<FoundMany> => {
    let roomBytes = SMALL_VALUE_BYTES
    for (;;) {
      const room = roomBytes
      const found = await run(room, ({ id }) => store.call('read', id, keys, room, now()))
      if (found.totalBytes <= room) return found
      if (keys.length > 1 && found.totalBytes > maxValueBytes) tooMuch(found.totalBytes, maxValueBytes)
      roomBytes = found.totalBytes
    }
  }

  const write = async <Value>(
    key: string,
    bytes: number,
    start: (space: Space) => Promise<Value>,
    known: (value: Value) => Cached,
  ): Promise<Value> => {
    const mark = recall.beginWrite(key)
    let there: Cached | undefined
    try {
      const value = await run(bytes, start)
      there = known(value)
      return value
    } finally {
      mark.end(there)
    }
  }

  const prepare = (hostileKey: string, options: KvPutOptions): Prepared => ({
    key: checkKey(hostileKey),
    metadata: checkMetadata(options.metadata),
    expiresAtMs: checkExpiry(options, now()),
    ifVersion: checkVersion(options.ifVersion),
    quotaBytes: options.quotaBytes ?? DEFAULT_QUOTA_BYTES,
  })

  const putWhole = async (
    prepared: Prepared,
    { bytes, release }: Collected,
  ): Promise<{ version: number }> => {
    try {
      alive()
      const { key, metadata, expiresAtMs } = prepared
      const version = await write(
        key,
        bytes.length,
        ({ id, tenant }) => store.call('put', { ...prepared, space: id, tenant, value: bytes, nowMs: now() }),
        (version) => ({ value: bytes, metadata, version, expiresAtMs }),
      )
      return { version }
    } finally {
      release()
    }
  }

  return {
    tenant,
    name,

    get(key) {
      alive()
      const known = recall.get(key)
      if (known !== undefined) return known
      return read([checkKey(key)]).then(([entry]) => entry ?? null)
    },

    getMany(keys) {
      alive()
      const wanted = checkKeys(keys)
      const known = wanted.map((key) => recall.get(key))
      const total = known.reduce((sum, entry) => sum + (entry?.value.length ?? 0), 0)
      if (total > maxValueBytes) tooMuch(total, maxValueBytes)
      return known.every((entry) => entry !== undefined) ? known : read(wanted)
    },

    put(key, hostileValue, options = {}) {
      try {
        alive()
        const prepared = prepare(key, options)
        const value = collect(hostileValue, { tenant, memory, maxBytes: maxValueBytes })
        return value instanceof Promise
          ? value.then((whole) => putWhole(prepared, whole))
          : putWhole(prepared, value)
      } catch (thrown) {
        return Promise.reject(toVelaError(thrown, 'VELA_STORE_FAILED'))
      }
    },

    async delete(key, options = {}) {
      alive()
      const checked = checkKey(key)
      const ifVersion = checkVersion(options.ifVersion)
      const deleted = await write(
        checked,
        0,
        ({ id, tenant }) => store.call('delete', id, tenant, checked, ifVersion, now()),
        () => null,
      )
      return { deleted }
    },

    async list(options = {}) {
      alive()
      const call = {
        prefix: checkPart('A prefix', options.prefix ?? ''),
        after: options.after === undefined ? null : checkPart('A place to go on from', options.after),
        limit: checkLimit(options.limit),
        reverse: options.reverse ?? false,
      }
      return run(SMALL_VALUE_BYTES, ({ id }) => store.call('list', { ...call, space: id, nowMs: now() }))
    },

    changing(key) {
      const mark = recall.beginWrite(key)
      return () => mark.end(undefined)
    },

    retire(why) {
      retired = why
      recall.stop()
    },
  }
}

function whole({ value, metadata, version, expiresAtMs }: Found): KvEntry {
  if (value === null) throw new Error('a value that has room was left out')
  return { value, metadata, version, expiresAtMs }
}

function tooMuch(totalBytes: number, mostBytes: number): never {
  return refuse(
    `These keys have ${totalBytes} bytes together, and ${mostBytes} may be read at once. Ask for fewer.`,
  )
}
