/**
 * What the control side (admin API, CLI in process, embedders) may ask of a runtime.
 * `Runtime` implements it; host/admin sees only this.
 */
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
}

export interface ServiceStatus extends ServiceRecord {
  readonly url: string
  readonly routes: readonly string[]
  readonly engine: 'v8' | 'quickjs'
  /** 'loaded' has an isolate now; 'idle' gets one on its next request; 'paused' failed too often. */
  readonly state: 'loaded' | 'idle' | 'paused'
  readonly inFlight: number
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
  invoke(
    target: `${string}/${string}`,
    method: string,
    args: readonly JsonValue[],
  ): Promise<JsonValue | undefined>
  /** Live log of one service; call the returned function to stop. */
  tail(tenant: string, service: string, listener: (entry: LogEntry) => void): () => void
  doctor(): Promise<DoctorCheck[]>
  /** Prometheus text format. */
  metrics(): Promise<string>
  health(): {
    readonly status: 'ok' | 'starting' | 'draining'
    readonly services: number
    readonly cells: number
  }
}
