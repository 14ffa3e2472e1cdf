/** What the control side and the gateway may ask of everything that is deployed. */
import type { Follower } from '../cluster/registry/follower.ts'
import type {
  Decision,
  DeployRequest,
  DeployResult,
  EngineStatus,
  GrantStatus,
  InvokeOptions,
  LogEntry,
  ServiceStatus,
} from '../core/control.ts'
import type { MetricSources } from '../core/metrics.ts'
import type { Router } from '../http/router.ts'
import type { JsonValue, ServiceRecord } from '../registry/types.ts'
import type { EngineName } from '../../sandbox/protocol/engine-files.ts'
import type { Service } from './service.ts'

export interface Services {
  readonly router: Router<Service>
  readonly size: number
  deploy(request: DeployRequest, gatewayUrl: string): Promise<DeployResult>
  rollback(tenant: string, service: string, version?: string): Promise<ServiceRecord>
  deleteService(tenant: string, service: string): Promise<void>
  deleteTenant(tenant: string, force: boolean): Promise<void>
  list(gatewayUrl: string, tenant?: string): ServiceStatus[]
  /** The operator's word on a service's engine; null leaves it to the manifest. The service moves without losing a request. */
  setEngine(tenant: string, service: string, engine: EngineName | null): Promise<EngineStatus>
  putSecret(tenant: string, service: string, key: string, value: string): Promise<void>
  deleteSecret(tenant: string, service: string, key: string): Promise<void>
  invoke(
    target: string,
    method: string,
    args: readonly JsonValue[],
    options?: InvokeOptions,
  ): Promise<JsonValue | undefined>
  /** What the active version can reach. */
  grants(tenant: string, service: string): readonly GrantStatus[]
  /** An operator's decision about a binding; `policy` takes it back. The next call sees it. */
  decide(
    tenant: string,
    service: string,
    binding: string,
    decision: Decision,
  ): Promise<readonly GrantStatus[]>
  /** Takes over what other hosts of a cluster have changed. */
  readonly follower: Follower
  tail(tenant: string, service: string, listener: (entry: LogEntry) => void): () => void
  gauges(): MetricSources
  /** Deadlines, hibernation and CPU accounting, from now on. */
  startTicking(): void
  drain(deadlineMs: number): Promise<void>
  close(): void
}
