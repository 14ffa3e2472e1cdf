/**
 * What the control side (admin API, CLI in process, embedders) may ask of a runtime.
 * `Runtime` implements it; host/admin sees only this.
 */
import type { EngineName } from '../../sandbox/protocol/engine-files.ts'
import type { EventsControl } from './control-events.ts'
import type { Bundle, Deployment, JsonValue, Manifest, Registry, ServiceRecord } from '../registry/types.ts'

export interface DeployRequest {
  readonly tenant: string
  readonly manifest: Manifest
  readonly bundle: Bundle
  /** Called as the deploy proceeds; for progress output. */
  readonly onProgress?: (step: 'checking' | 'starting' | 'storing' | 'switching') => void
}

export interface DeployResult {
  readonly tenant: string
  readonly service: string
  readonly version: string
  readonly url: string
  readonly sizeBytes: number
  readonly startupMs: number
  /** What the deployment asks for, and what it got of it. */
  readonly grants: readonly GrantStatus[]
  /** What it asks for beyond the version before; empty at a first deploy. */
  readonly asksMore: readonly string[]
}

export interface ClusterNode {
  /** `name-xxxxxxxx`; new at each start of a host. */
  readonly id: string
  readonly name: string
  /** Base addresses; empty until the node listens. */
  readonly gateway: string
  readonly admin: string
  /** By the node's own clock, milliseconds since the epoch. */
  readonly startedMs: number
  /** `starting` and `draining` nodes are alive and are given nothing new; `lost` ones have not been seen for too long. */
  readonly state: 'starting' | 'ready' | 'draining' | 'lost'
  /** `cpu`: share of the machine's in use, 0 … 1; turns in flight; calls that wait for a cell. */
  readonly load: { readonly cpu: number; readonly turns: number; readonly queue: number }
  /** Versions of Vela and of Node. */
  readonly vela: string
  readonly runtime: string
}

export interface ClusterStatus {
  /** Id of the host that answers; null when it is alone. */
  readonly self: string | null
  /** It may own actors and consumers. */
  readonly holdsLease: boolean
  /** By id, as this host sees them; those lost for some minutes. */
  readonly nodes: readonly ClusterNode[]
}

/** Of an operator about one binding; `policy` leaves it to the policy again. */
export type Decision = 'granted' | 'revoked' | 'policy'

export type GrantState = 'granted' | 'denied' | 'revoked'

/** One capability that a deployment asks for. */
export interface GrantStatus {
  /** Name in `env`; of the kind `fetch`, the global. */
  readonly binding: string
  readonly kind: string
  readonly state: GrantState
  /** What it reaches, or asks to reach. */
  readonly reach: string
  /** Why it is denied, or who decided. */
  readonly reason?: string
}

export interface InvokeOptions {
  /** Calls of one key prefer one isolate of the service when it has several. A wish: an idle one may take them. */
  readonly affinity?: string | undefined
}

export interface ServiceStatus extends ServiceRecord {
  readonly url: string
  readonly routes: readonly string[]
  readonly engine: EngineName
  /** 'loaded' has an isolate now; 'idle' gets one on its next request; 'paused' failed too often. */
  readonly state: 'loaded' | 'idle' | 'paused'
  /** Isolates that serve now: 0 when idle, several when it is busy. */
  readonly replicas: number
  readonly inFlight: number
}

/** Which engine a service runs on, and whether that is its manifest's wish or the operator's word. */
export interface EngineStatus {
  readonly engine: EngineName
  readonly override: EngineName | null
}

/** A run of the `scheduled` handler that went well. */
export interface ScheduledRun {
  /** As the manifest has it. */
  readonly cron: string
  /** The minute it stood for (milliseconds since the epoch). */
  readonly scheduledTime: number
  readonly durationMs: number
}

/** Actors of one service. */
export interface ActorsStatus {
  /** Those in memory, by class. */
  readonly active: Readonly<Record<string, number>>
  /** Those with state or an alarm. */
  readonly stored: number
  /** That their state takes of the tenant's quota. */
  readonly bytes: number
  readonly deadLetters: number
}

/** A message to an actor that was given up. */
export interface DeadLetter {
  readonly class: string
  readonly name: string
  readonly method: string
  readonly reason: string
  /** Milliseconds since the epoch. */
  readonly at: number
  /** Its arguments as they were sent; null if they were too large to keep. */
  readonly args: string | null
}

export interface LogEntry {
  /** Milliseconds since the epoch. */
  readonly time: number
  readonly tenant: string
  readonly service: string
  readonly version: string
  readonly level: 'debug' | 'info' | 'warn' | 'error'
  /** 'guest' is console output; 'runtime' is Vela speaking about the service (errors, limits, lifecycle). */
  readonly source: 'guest' | 'runtime'
  readonly message: string
  /** Source-mapped guest stack, if there is one. */
  readonly stack?: string
  readonly requestId?: string
  /** Error code of the table, when this entry reports one. */
  readonly code?: string
}

export interface DoctorCheck {
  readonly name: string
  readonly status: 'on' | 'off' | 'failed'
  readonly detail: string
}

export interface Control {
  readonly registry: Registry
  deploy(request: DeployRequest): Promise<DeployResult>
  rollback(tenant: string, service: string, version?: string): Promise<ServiceRecord>
  deleteService(tenant: string, service: string): Promise<void>
  deleteTenant(tenant: string, force?: boolean): Promise<void>
  services(tenant?: string): Promise<ServiceStatus[]>
  versions(tenant: string, service: string): Promise<Deployment[]>
  /** Stores the secret and makes the next turn see it (the isolate is replaced, in-flight turns drain). */
  putSecret(tenant: string, service: string, key: string, value: string): Promise<void>
  deleteSecret(tenant: string, service: string, key: string): Promise<void>
  /**
   * The operator's word on a service's engine, over the manifests of all its versions; null leaves it to them. The active version
   * starts there beside the old one and takes over: no request is lost. Rejects as a deploy does if it does not start.
   */
  setEngine(tenant: string, service: string, engine: EngineName | null): Promise<EngineStatus>
  grants(tenant: string, service: string): Promise<readonly GrantStatus[]>
  /** An operator's decision about one binding, from the next call on; `policy` leaves it to the policy again. */
  decideGrant(
    tenant: string,
    service: string,
    binding: string,
    decision: Decision,
  ): Promise<readonly GrantStatus[]>
  invoke(
    target: `${string}/${string}`,
    method: string,
    args: readonly JsonValue[],
    options?: InvokeOptions,
  ): Promise<JsonValue | undefined>
  /** Runs a schedule of the active version now, and resolves when it is over; without `cron`, its only one. */
  runSchedule(tenant: string, service: string, cron?: string): Promise<ScheduledRun>
  /** Live log of one service; call the returned function to stop. */
  tail(tenant: string, service: string, listener: (entry: LogEntry) => void): () => void
  listActors(tenant: string, service: string): Promise<ActorsStatus>
  /** The last thousand of the service, the latest first. */
  deadLetters(tenant: string, service: string): Promise<readonly DeadLetter[]>
  readonly eventsControl: EventsControl
  doctor(): Promise<DoctorCheck[]>
  /** The hosts of the cluster; none when this host is alone. */
  nodes(): Promise<ClusterStatus>
  /** Prometheus text format. */
  metrics(): Promise<string>
  health(): {
    /** `degraded`: it serves, without what NATS is for. */
    readonly status: 'ok' | 'degraded' | 'starting' | 'draining'
    readonly services: number
    readonly cells: number
    /** Of a host of a cluster: its id, whether it may own anything, how many others live. */
    readonly cluster?: { readonly node: string; readonly holdsLease: boolean; readonly peers: number }
    /** Of a host of a cluster. `problem`: why it is lost, for operators. */
    readonly nats?: { readonly state: 'connected' | 'lost'; readonly problem?: string }
  }
}
