/** Services in operation as the control side sees them: status, addresses and sums for the gauges. */
import type { DeployResult, ServiceStatus } from '../core/control.ts'
import type { ServiceLoad } from '../core/metrics.ts'
import type { Deployment } from '../registry/types.ts'
import type { Service } from './service.ts'

export const sum = <Item>(items: Iterable<Item>, count: (item: Item) => number): number => {
  let total = 0
  for (const item of items) total += count(item)
  return total
}

export const pick = ({
  tenant,
  service,
  version,
  sizeBytes,
  startupMs,
}: Deployment): Omit<DeployResult, 'url' | 'grants' | 'asksMore'> => ({
  tenant,
  service,
  version,
  sizeBytes,
  startupMs,
})

export const urlOf = (gatewayUrl: string, tenant: string, service: string): string =>
  `${gatewayUrl}/${tenant}/${service}/`

export const loadOf = ({ tenant, service, active: { live } }: Service): ServiceLoad => ({
  tenant,
  service,
  replicas: live.replicas,
  queueLength: live.queueLength,
})

export function statusOf(
  { tenant, service, active, updatedAt, engineOverride, inFlight }: Service,
  gatewayUrl: string,
): ServiceStatus {
  const { version, manifest } = active.deployment
  return {
    tenant,
    service,
    activeVersion: version,
    updatedAt,
    url: urlOf(gatewayUrl, tenant, service),
    routes: manifest.routes,
    engine: active.engine,
    ...(engineOverride === undefined ? {} : { engineOverride }),
    state: active.live.state,
    replicas: active.live.replicas,
    inFlight,
  }
}
