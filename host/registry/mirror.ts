/** The store of this host as a copy of a cluster's registry: for host/cluster, which holds the truth. */
import { checkDeployment, checkTenantLimits } from './check.ts'
import type { MirroredService, MirroredToken } from './operations/mirror.ts'
import type { RegistryOperations } from './operations/table.ts'
import type { StoreClient } from './store/client.ts'
import type { Bundle, Deployment, Tenant } from './types.ts'

/** Durable when the promise resolves. Each write sets a whole state. */
export interface Mirror {
  /** The id of the cluster that this store is a copy of. */
  cluster(): Promise<string | undefined>
  setCluster(id: string): Promise<void>
  putTenant(tenant: Tenant): Promise<void>
  /** `added`: versions that may not be stored here yet; the active one must be, or be among them. */
  putService(
    service: MirroredService,
    added: readonly { readonly deployment: Deployment; readonly bundle: Bundle }[],
  ): Promise<void>
  putToken(token: MirroredToken): Promise<void>
  tokens(): Promise<MirroredToken[]>
  /** Services that have secrets, also those that were never deployed. */
  placesWithSecrets(): Promise<{ tenant: string; service: string }[]>
  /** Activations of a service, the active version last. */
  trail(tenant: string, service: string): Promise<string[]>
}

export function mirrorOf(store: StoreClient<RegistryOperations>): Mirror {
  return {
    cluster: () => store.call('mirroredCluster'),
    setCluster: (id) => store.call('setMirroredCluster', id),
    putTenant: async ({ name, limits, createdAt }) =>
      store.call('mirrorTenant', name, checkTenantLimits(limits), createdAt),
    putService: async (service, added) =>
      store.call(
        'mirrorService',
        service,
        added.map(({ deployment, bundle: { source, sourceMap } }) => ({
          deployment: checkDeployment(deployment, { source, sourceMap }),
          bundle: { source, sourceMap },
        })),
      ),
    putToken: (token) => store.call('mirrorToken', token),
    tokens: () => store.call('mirroredTokens'),
    placesWithSecrets: () => store.call('placesWithSecrets'),
    trail: (tenant, service) => store.call('trailOf', tenant, service),
  }
}
