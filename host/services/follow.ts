/** The services of this host as followers of a cluster's registry: what another host has changed takes the way of a deploy. */
import type { Decisions } from '../capabilities/decisions.ts'
import type { Follower } from '../cluster/registry/follower.ts'
import type { ServiceRecord } from '../registry/types.ts'
import type { Catalog } from './catalog.ts'
import type { Deployer } from './deployer.ts'
import type { Service } from './service.ts'

export interface FollowDeps {
  readonly catalog: Catalog
  readonly deployer: Deployer
  readonly decisions: Pick<Decisions, 'learn' | 'forget'>
  /** Decisions are others now. */
  readonly recheck: () => void
  readonly remove: (service: Service) => Promise<void>
  readonly erase: (tenant: string, service: string) => Promise<void>
  readonly forgetTenant: (tenant: string) => void
}

export function createFollower(deps: FollowDeps): Follower {
  const { catalog, deployer, decisions, recheck, remove, erase, forgetTenant } = deps

  /** It serves what the record says; only the record's own fields may differ. */
  const serves = (record: ServiceRecord, engine: string): Service | undefined => {
    const current = catalog.get(record.tenant, record.service)
    const same =
      current?.active.deployment.version === record.activeVersion && current.active.engine === engine
    return same ? current : undefined
  }

  return {
    // Of a tenant there is more than services have.
    erase: (tenant, service) => (service === null ? Promise.resolve() : erase(tenant, service)),
    exclusively: (tenant, service, work) => deployer.exclusively(tenant, service, work),
    async adopt({ deployment, record, engine, bundle, accepted, store }) {
      const current = serves(record, engine)
      if (current === undefined)
        return await deployer.adopt({ deployment, record, engine, bundle: await bundle(), accepted, store })
      await store()
      current.updatedAt = record.updatedAt
      current.engineOverride = record.engineOverride
    },
    async dropService(tenant, service) {
      const current = catalog.get(tenant, service)
      if (current !== undefined) await remove(current)
    },
    async dropTenant(tenant) {
      for (const service of catalog.values()) if (service.tenant === tenant) await remove(service)
      decisions.forget(tenant)
      forgetTenant(tenant)
    },
    reload: (tenant, service) => deployer.reload(tenant, service),
    decided(tenant, service, binding, decision) {
      decisions.learn(tenant, service, binding, decision)
      recheck()
    },
  }
}
