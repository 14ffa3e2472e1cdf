/**
 * What the registry keeps: tenants, services, immutable versions, secrets and tokens.
 * The registry is the only owner of durable state in this module; everything else is rebuilt from it at start.
 */
import type { EngineName } from '../../sandbox/protocol/engine-files.ts'
import type { Limits } from '../../sandbox/protocol/limits.ts'

export interface Tenant {
  readonly name: string
  /** Limits the operator set for this tenant; they override defaults and cap what manifests ask. */
  readonly limits: Partial<Limits>
  /** Milliseconds since the epoch. */
  readonly createdAt: number
}

/** What a manifest declares, parsed; see docs/manifest.md for the file. */
export interface Manifest {
  readonly name: string
  readonly main?: string
  readonly engine: EngineName
  /** `host/path` patterns, such as `api.example.com/v1/*` or `/public/*`. */
  readonly routes: readonly string[]
  readonly limits: Partial<Limits>
  readonly vars: Readonly<Record<string, JsonValue>>
  readonly capabilities: Readonly<Record<string, JsonValue>>
  /** When `scheduled` runs: cron expressions of five fields, in UTC. */
  readonly schedules?: readonly string[]
}

export type JsonValue = string | number | boolean | null | JsonValue[] | { [key: string]: JsonValue }

/** The code of one version: content-addressed and immutable. */
export interface Bundle {
  /** One ES module; imports nothing but what the runtime provides. */
  readonly source: string
  /** Source map (JSON, version 3) back to the author's files, if there is one. */
  readonly sourceMap: string | null
}

export interface Deployment {
  readonly tenant: string
  readonly service: string
  /** First 12 hexadecimal digits of SHA-256 over bundle and manifest: the same content is the same version. */
  readonly version: string
  readonly manifest: Manifest
  readonly sizeBytes: number
  /** CPU and wait of the load that accepted it (milliseconds). */
  readonly startupMs: number
  /** That load waited for nothing: no top-level await that took time, no `start` hook. */
  readonly startsAtOnce?: boolean
  readonly createdAt: number
}

export interface ServiceRecord {
  readonly tenant: string
  readonly service: string
  readonly activeVersion: string
  /** When the active version became active. */
  readonly updatedAt: number
  /** The operator's word on the engine, over the manifests' of all its versions. */
  readonly engineOverride?: Manifest['engine']
}

export type Scope = 'admin' | 'deploy' | 'read' | 'invoke'

export interface TokenRecord {
  /** Public identifier, safe to print. */
  readonly id: string
  /** null reaches every tenant: operators only. */
  readonly tenant: string | null
  readonly scopes: readonly Scope[]
  readonly createdAt: number
}

/** What an operator has decided about one binding of a service; it outlives versions. */
export interface GrantDecision {
  readonly tenant: string
  readonly service: string
  readonly binding: string
  readonly state: 'granted' | 'revoked'
  /** What was asked for when it was granted, as JSON in one spelling; another ask needs another decision. */
  readonly asked: string
}

/** Durable when the promise resolves; every method rejects with a VelaError of the VELA_STORE_* codes or a *_NOT_FOUND. */
export interface Registry {
  createTenant(name: string, limits?: Partial<Limits>): Promise<Tenant>
  getTenant(name: string): Promise<Tenant | undefined>
  listTenants(): Promise<Tenant[]>
  /** Refused with VELA_TENANT_NOT_EMPTY while it has services, unless `force`. */
  deleteTenant(name: string, force?: boolean): Promise<void>

  /** Stores the version if it is new and makes it active, in one transaction. Creates the service. */
  activate(deployment: Deployment, bundle: Bundle): Promise<ServiceRecord>
  /** Makes a stored version active; without `version`, the one that was active before the present one. */
  rollback(tenant: string, service: string, version?: string): Promise<ServiceRecord>
  /** What `rollback` would make active; rejects as it would. */
  rollbackTarget(tenant: string, service: string, version?: string): Promise<Deployment>
  deleteService(tenant: string, service: string): Promise<void>
  /** null leaves the engine to the manifest. */
  setEngine(tenant: string, service: string, engine: Manifest['engine'] | null): Promise<ServiceRecord>
  listServices(tenant?: string): Promise<ServiceRecord[]>
  /** Newest first. */
  listVersions(tenant: string, service: string): Promise<Deployment[]>
  getDeployment(tenant: string, service: string, version: string): Promise<Deployment | undefined>
  getBundle(tenant: string, service: string, version: string): Promise<Bundle | undefined>

  putSecret(tenant: string, service: string, key: string, value: string): Promise<void>
  /** Names only. */
  listSecrets(tenant: string, service: string): Promise<string[]>
  deleteSecret(tenant: string, service: string, key: string): Promise<void>
  /** Values, for loading a guest; never logged. */
  readSecrets(tenant: string, service: string): Promise<Record<string, string>>

  /** null takes the decision back, so that the policy decides again. */
  setGrant(
    tenant: string,
    service: string,
    binding: string,
    decision: Pick<GrantDecision, 'state' | 'asked'> | null,
  ): Promise<void>
  listGrants(): Promise<GrantDecision[]>
  listGrantsOf(tenant: string, service: string): Promise<GrantDecision[]>

  /** The secret text is returned once and kept only as SHA-256. `text` fixes it (first start only). */
  createToken(
    tenant: string | null,
    scopes: readonly Scope[],
    text?: string,
  ): Promise<{ token: string; record: TokenRecord }>
  verifyToken(text: string): Promise<TokenRecord | undefined>
  listTokens(tenant?: string): Promise<TokenRecord[]>
  deleteToken(id: string): Promise<void>

  /** Of a cluster: this host acts by what the cluster has of the service now. Before a change, outside of what holds the service. */
  settle?(tenant: string, service: string): Promise<void>
  /**
   * Runs what deletes a tenant (`service` null) or service and erases all that it stored. Until it has, nothing can be made under that
   * name (VELA_CLUSTER_CONFLICT); what fails half-way is finished later, by a host alone when it starts.
   */
  readonly erasing?: <Result>(
    tenant: string,
    service: string | null,
    work: () => Promise<Result>,
  ) => Promise<Result>

  close(): Promise<void>
}
