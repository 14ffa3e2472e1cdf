/**
 * Opens the key-value store: joins the thread that owns the file with what the host's thread keeps before it (lanes, the
 * cache, the count of bytes held), and sweeps in the background.
 */
import { resolve } from 'node:path'
import { VelaError } from '../core/errors.ts'
import { moduleBeside } from '../core/module-beside.ts'
import { checkName } from '../registry/names.ts'
import { openStore } from '../registry/store/client.ts'
import type { LogLevel } from '../registry/store/protocol.ts'
import { createCache } from './cache.ts'
import { createLanes } from './lanes.ts'
import { createMemoryBudget } from './memory.ts'
import { createNamespace } from './namespace.ts'
import { createReplica } from './replica.ts'
import type { NamespaceDeps, OwnedNamespace } from './namespace.ts'
import type { KvOperations } from './operations/table.ts'
import { createSweeper } from './sweeper.ts'
import { DEFAULT_MAX_VALUE_BYTES, MEBIBYTE } from './types.ts'
import type { KvStore } from './types.ts'

export type { KvStore } from './types.ts'

export interface KvOptions {
  /** Made if it does not exist; the files are `kv.*` in it. null: in memory, and gone at close(). */
  readonly dataDir: string | null
  /** Ceiling for the store's file; a write beyond it is refused with VELA_STORE_FULL. */
  readonly maxStoreBytes?: number
  /** From 1 to 32 MiB; 8 MiB if left out. */
  readonly maxValueBytes?: number
  /** Values and keys kept in the host's memory; 32 MiB if left out. */
  readonly cacheBytes?: number
  /** How often room is reclaimed; 10 s if left out. */
  readonly sweepEveryMs?: number
  /** Milliseconds since the epoch. */
  readonly now?: () => number
  onLog?(level: LogLevel, message: string): void
}

const WINDOW = { windowCalls: 256, windowBytes: 8 * MEBIBYTE, laneCalls: 4096 }
const HELD_TOTAL_BYTES = 256 * MEBIBYTE

/** Throws VELA_STORE_LOCKED, VELA_STORE_DAMAGED, VELA_STORE_FULL or VELA_STORE_FAILED. */
export async function openKv(options: KvOptions): Promise<KvStore> {
  const { dataDir, maxValueBytes = DEFAULT_MAX_VALUE_BYTES, cacheBytes = 32 * MEBIBYTE } = options
  const log = (level: LogLevel, message: string): void => options.onLog?.(level, message)
  const store = await openStore<KvOperations>({
    dataDir: dataDir === null ? null : resolve(dataDir),
    maxStoreBytes: options.maxStoreBytes ?? null,
    entry: moduleBeside(import.meta.url, 'store-thread'),
    log,
  })
  const deps: NamespaceDeps = {
    store,
    lanes: createLanes(WINDOW),
    cache: createCache(cacheBytes),
    memory: createMemoryBudget({ tenantBytes: 4 * maxValueBytes, totalBytes: HELD_TOTAL_BYTES }),
    maxValueBytes,
    now: options.now ?? Date.now,
  }
  const { lanes, cache, memory, now } = deps
  const namespaces = new Map<string, Map<string, OwnedNamespace>>()
  const sweeper = createSweeper({
    everyMs: options.sweepEveryMs ?? 10_000,
    // A lane of its own, so that sweeping takes turns with tenants like one more of them.
    step: (from) => lanes.run('', 0, () => store.call('sweep', from, now())),
    failed: (thrown) => log('warn', `The key-value store could not reclaim room: ${String(thrown)}`),
  })
  let closing: Promise<void> | undefined

  const closed = new VelaError('VELA_STORE_FAILED', 'The key-value store is closed.')
  const open = (): void => {
    if (closing !== undefined) throw closed
  }

  const retireTenant = (tenant: string, why: VelaError): void => {
    for (const namespace of namespaces.get(tenant)?.values() ?? []) namespace.retire(why)
    namespaces.delete(tenant)
    cache.dropTenant(tenant)
  }

  return {
    memory,
    replica: createReplica({
      store,
      find: (tenant, name) => namespaces.get(tenant)?.get(name),
      tenants: () => [...namespaces.keys()],
      retireTenant,
      onDropped: () => sweeper.wake(),
    }),

    namespace(tenant, name) {
      open()
      checkName('tenant', tenant)
      checkName('namespace', name)
      const ofTenant = namespaces.get(tenant) ?? new Map<string, OwnedNamespace>()
      namespaces.set(tenant, ofTenant)
      const namespace = ofTenant.get(name) ?? createNamespace(deps, tenant, name)
      ofTenant.set(name, namespace)
      return namespace
    },

    async usage(tenant) {
      open()
      checkName('tenant', tenant)
      return lanes.run(tenant, 0, () => store.call('usage', tenant))
    },

    async tenants() {
      open()
      return store.call('tenants')
    },

    async deleteTenant(tenant) {
      open()
      checkName('tenant', tenant)
      const deleted = new VelaError('VELA_TENANT_NOT_FOUND', 'The tenant was deleted.')
      retireTenant(tenant, deleted)
      await lanes.run(tenant, 0, () => store.call('dropTenant', tenant))
      sweeper.wake()
    },

    async sweep() {
      open()
      await sweeper.round()
    },

    whenCurrent: () => Promise.resolve(),

    close() {
      for (const ofTenant of namespaces.values())
        for (const namespace of ofTenant.values()) namespace.retire(closed)
      closing ??= sweeper
        .close()
        .then(() => lanes.idle())
        .then(() => store.close())
      return closing
    },
  }
}
