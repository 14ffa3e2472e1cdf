/** What the registry of a cluster asks of the services that run on this host, when something was changed on another. */
import type { EngineName } from '../../../sandbox/protocol/engine-files.ts'
import type { Bundle, Deployment, GrantDecision, ServiceRecord } from '../../registry/types.ts'

export interface Adoption {
  readonly deployment: Deployment
  readonly record: ServiceRecord
  readonly engine: EngineName
  readonly bundle: () => Promise<Bundle>
  /** It was started for real by a host of the same Vela, Node and engine: no second trial. */
  readonly accepted: boolean
  /** Into this host's store, once the version may serve here. */
  readonly store: () => Promise<void>
}

export interface Follower {
  /** Runs the work while nothing else changes this service. */
  exclusively<Result>(tenant: string, service: string, work: () => Promise<Result>): Promise<Result>
  /** Within `exclusively`. The version serves from then on; rejects, with the old one serving, when it does not start here. */
  adopt(adoption: Adoption): Promise<void>
  /** Within `exclusively`. Nothing of it runs here any more, whatever the store says; done again if it fails. */
  dropService(tenant: string, service: string): Promise<void>
  /** Nothing of it runs here any more, whatever the store says; done again if it fails. */
  dropTenant(tenant: string): Promise<void>
  /** All that a deleted tenant, or service, stored, wherever the cluster keeps it. */
  erase(tenant: string, service: string | null): Promise<void>
  /** Its secrets have changed in the store. Rejects, with the old ones in use, when it does not start with them. */
  reload(tenant: string, service: string): Promise<void>
  /** Stored already; null takes a decision back. */
  decided(
    tenant: string,
    service: string,
    binding: string,
    decision: Pick<GrantDecision, 'state' | 'asked'> | null,
  ): void
}
