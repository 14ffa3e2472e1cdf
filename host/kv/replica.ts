/**
 * The host's side of a store that is a copy of a journal: what changes behind the namespaces' backs is taken out of memory before
 * it changes on the disk, so that a read that follows sees it.
 */
import { VelaError } from '../core/errors.ts'
import type { StoreClient } from '../registry/store/client.ts'
import type { OwnedNamespace } from './namespace.ts'
import type { KvOperations } from './operations/table.ts'
import type { KvReplica } from './types.ts'

export interface ReplicaDeps {
  readonly store: StoreClient<KvOperations>
  /** Only what somebody holds. */
  readonly find: (tenant: string, namespace: string) => OwnedNamespace | undefined
  readonly tenants: () => readonly string[]
  readonly retireTenant: (tenant: string, why: VelaError) => void
  /** There is room to reclaim. */
  readonly onDropped: () => void
}

export function createReplica({ store, find, tenants, retireTenant, onDropped }: ReplicaDeps): KvReplica {
  return {
    position: () => store.call('position'),
    async begin(journal) {
      const why = new VelaError('VELA_STORE_FAILED', 'The store was taken over from the cluster; ask again.')
      for (const tenant of tenants()) retireTenant(tenant, why)
      await store.call('begin', journal)
      onDropped()
    },
    async apply(changes) {
      const marks: (() => void)[] = []
      let dropped = false
      for (const change of changes) {
        if (change.key === null) {
          retireTenant(change.tenant, new VelaError('VELA_TENANT_NOT_FOUND', 'The tenant was deleted.'))
          dropped = true
          continue
        }
        const end = find(change.tenant, change.namespace)?.changing(change.key)
        if (end !== undefined) marks.push(end)
      }
      try {
        await store.call('apply', changes)
      } finally {
        for (const end of marks) end()
      }
      if (dropped) onDropped()
    },
    admit: (intent) => store.call('admit', intent),
    page: (after) => store.call('page', after),
    expired: (nowMs, most) => store.call('expired', nowMs, most),
  }
}
