/**
 * The control API as typed functions, for the command line and for programs. The casts below are the one place
 * where the host's answers are trusted to have the shape of host/admin/wire.ts.
 */
import type {
  ActorsStatus,
  ClusterStatus,
  DeadLetter,
  DeployRequest,
  DeployResult,
  DoctorCheck,
  EngineStatus,
  GrantStatus,
  ScheduledRun,
  ServiceStatus,
} from '../core/control.ts'
import type { DeadEventLetter, EventsStatus, PublishedEvent } from '../core/control-events.ts'
import { VelaError } from '../core/errors.ts'
import type { Deployment, JsonValue, Scope, ServiceRecord, Tenant, TokenRecord } from '../registry/types.ts'
import { createAdminHttp, velaErrorOf, type AdminClientOptions, type AdminHttp } from './client-http.ts'
import type {
  CountAnswer,
  DeployEvent,
  EngineInput,
  GrantDecisionInput,
  InvokeAnswer,
  StatusAnswer,
  TailEvent,
  TokenAnswer,
} from './wire.ts'

export interface AdminClient {
  status(): Promise<StatusAnswer>
  doctor(): Promise<DoctorCheck[]>
  /** Operators only. The hosts of the cluster, as this one sees them. */
  nodes(): Promise<ClusterStatus>
  metrics(): Promise<string>

  listTenants(): Promise<Tenant[]>
  createTenant(name: string, limits?: Tenant['limits']): Promise<Tenant>
  deleteTenant(name: string, force?: boolean): Promise<void>

  /** Of one tenant, or of all that the token reaches. */
  listServices(tenant?: string): Promise<ServiceStatus[]>
  listVersions(tenant: string, service: string): Promise<Deployment[]>
  rollback(tenant: string, service: string, version?: string): Promise<ServiceRecord>
  deleteService(tenant: string, service: string): Promise<void>
  deploy(request: DeployRequest): Promise<DeployResult>
  invoke(tenant: string, service: string, method: string, args: readonly JsonValue[]): Promise<InvokeAnswer>
  /** Ends with the signal, without an error. */
  tail(tenant: string, service: string, signal?: AbortSignal): AsyncGenerator<TailEvent, void, void>

  /** Operators only. Resolves when the service runs on that engine. */
  setEngine(tenant: string, service: string, engine: EngineInput): Promise<EngineStatus>

  /** What the active version asks for, and what it can reach. */
  listGrants(tenant: string, service: string): Promise<GrantStatus[]>
  /** Operators only. Answers with all grants as they are then. */
  decideGrant(
    tenant: string,
    service: string,
    binding: string,
    decision: GrantDecisionInput,
  ): Promise<GrantStatus[]>
  listActors(tenant: string, service: string): Promise<ActorsStatus>
  /** The latest first. */
  listDeadLetters(tenant: string, service: string): Promise<DeadLetter[]>
  eventsStatus(tenant: string): Promise<EventsStatus>
  /** The latest first; of one consumer, or of all. */
  listDeadEvents(tenant: string, consumer?: string): Promise<DeadEventLetter[]>
  /** Says how many letters there were. */
  replayEvents(tenant: string, consumer: string, sequences: readonly number[] | 'all'): Promise<CountAnswer>
  discardEvents(tenant: string, consumer: string, sequences: readonly number[] | 'all'): Promise<CountAnswer>
  forgetConsumer(tenant: string, consumer: string): Promise<void>
  /** `event`: a CloudEvent. */
  publishEvent(
    tenant: string,
    event: Readonly<Record<string, unknown>>,
    kind?: 'ephemeral' | 'durable',
  ): Promise<PublishedEvent>
  /** Resolves when the run is over; without `cron`, the only schedule there is. */
  runSchedule(tenant: string, service: string, cron?: string): Promise<ScheduledRun>

  listSecrets(tenant: string, service: string): Promise<string[]>
  putSecret(tenant: string, service: string, key: string, value: string): Promise<void>
  deleteSecret(tenant: string, service: string, key: string): Promise<void>

  listTokens(tenant?: string): Promise<TokenRecord[]>
  createToken(tenant: string | null, scopes: readonly Scope[]): Promise<TokenAnswer>
  deleteToken(id: string): Promise<void>
}

export type { AdminClientOptions } from './client-http.ts'

export function createAdminClient(options: AdminClientOptions): AdminClient {
  const http = createAdminHttp(options)
  const get = async <Answer>(path: string): Promise<Answer> => (await http.json('GET', path)) as Answer
  const post = async <Answer>(path: string, body: unknown): Promise<Answer> =>
    (await http.json('POST', path, { body })) as Answer
  const remove = async (path: string): Promise<void> => {
    await http.json('DELETE', path)
  }

  return {
    status: () => get('/v1/status'),
    doctor: () => get('/v1/doctor'),
    nodes: () => get('/v1/nodes'),
    metrics: () => http.text('GET', '/metrics'),

    listTenants: () => get('/v1/tenants'),
    createTenant: (name, limits) => post('/v1/tenants', limits === undefined ? { name } : { name, limits }),
    deleteTenant: (name, force = false) => remove(`${tenantPath(name)}${force ? '?force=true' : ''}`),

    listServices: (tenant) => get(tenant === undefined ? '/v1/services' : `${tenantPath(tenant)}/services`),
    listVersions: (tenant, service) => get(`${servicePath(tenant, service)}/versions`),
    rollback: (tenant, service, version) =>
      post(`${servicePath(tenant, service)}/rollback`, version === undefined ? {} : { version }),
    deleteService: (tenant, service) => remove(servicePath(tenant, service)),
    deploy: (request) => deploy(http, request),
    invoke: (tenant, service, method, args) =>
      post(`${servicePath(tenant, service)}/invoke`, { method, args }),
    tail: (tenant, service, signal) => tail(http, `${servicePath(tenant, service)}/logs`, signal),

    setEngine: async (tenant, service, engine) =>
      (await http.json('PUT', `${servicePath(tenant, service)}/engine`, {
        body: { engine },
      })) as EngineStatus,

    listActors: (tenant, service) => get(`${servicePath(tenant, service)}/actors`),
    listDeadLetters: (tenant, service) => get(`${servicePath(tenant, service)}/actors/dead`),
    ...eventCalls(http),
    listGrants: (tenant, service) => get(`${servicePath(tenant, service)}/grants`),
    decideGrant: async (tenant, service, binding, decision) =>
      (await http.json('PUT', `${servicePath(tenant, service)}/grants/${segment(binding)}`, {
        body: { decision },
      })) as GrantStatus[],
    runSchedule: (tenant, service, cron) =>
      post(`${servicePath(tenant, service)}/schedules/run`, cron === undefined ? {} : { cron }),

    listSecrets: (tenant, service) => get(`${servicePath(tenant, service)}/secrets`),
    async putSecret(tenant, service, key, value) {
      await http.json('PUT', `${servicePath(tenant, service)}/secrets/${segment(key)}`, { body: { value } })
    },
    deleteSecret: (tenant, service, key) => remove(`${servicePath(tenant, service)}/secrets/${segment(key)}`),

    listTokens: (tenant) => get(`/v1/tokens${tenant === undefined ? '' : `?tenant=${segment(tenant)}`}`),
    createToken: (tenant, scopes) => post('/v1/tokens', { tenant, scopes }),
    deleteToken: (id) => remove(`/v1/tokens/${segment(id)}`),
  }
}

function eventCalls(
  http: AdminHttp,
): Pick<
  AdminClient,
  'eventsStatus' | 'listDeadEvents' | 'replayEvents' | 'discardEvents' | 'forgetConsumer' | 'publishEvent'
> {
  const path = (tenant: string): string => `${tenantPath(tenant)}/events`
  return {
    eventsStatus: async (tenant) => (await http.json('GET', path(tenant))) as EventsStatus,
    listDeadEvents: async (tenant, consumer) =>
      (await http.json(
        'GET',
        `${path(tenant)}/dead${consumer === undefined ? '' : `?consumer=${encodeURIComponent(consumer)}`}`,
      )) as DeadEventLetter[],
    replayEvents: async (tenant, consumer, sequences) =>
      (await http.json('POST', `${path(tenant)}/replay`, { body: { consumer, sequences } })) as CountAnswer,
    discardEvents: async (tenant, consumer, sequences) =>
      (await http.json('POST', `${path(tenant)}/discard`, { body: { consumer, sequences } })) as CountAnswer,
    async forgetConsumer(tenant, consumer) {
      await http.json('POST', `${path(tenant)}/forget`, { body: { consumer } })
    },
    publishEvent: async (tenant, event, kind = 'ephemeral') =>
      (await http.json('POST', `${path(tenant)}?kind=${kind}`, {
        body: event,
        contentType: 'application/cloudevents+json',
      })) as PublishedEvent,
  }
}

async function deploy(http: AdminHttp, request: DeployRequest): Promise<DeployResult> {
  const { tenant, manifest, bundle, onProgress } = request
  const path = `${servicePath(tenant, manifest.name)}/deployments`
  const body = { manifest, source: bundle.source, sourceMap: bundle.sourceMap }
  for await (const line of http.lines('POST', path, { body })) {
    const event = line as DeployEvent
    if (event.event === 'progress') onProgress?.(event.step)
    else if (event.event === 'result') return event.result
    else throw velaErrorOf(event.problem) ?? lostDeploy()
  }
  throw lostDeploy()
}

function lostDeploy(): VelaError {
  return new VelaError(
    'VELA_ADMIN_UNREACHABLE',
    'the connection ended before the host said how the deploy went; `vela list` shows which version serves',
  )
}

async function* tail(
  http: AdminHttp,
  path: string,
  signal: AbortSignal | undefined,
): AsyncGenerator<TailEvent, void, void> {
  try {
    for await (const line of http.lines('GET', path, { signal })) yield line as TailEvent
  } catch (error) {
    if (signal?.aborted !== true) throw error
  }
}

/** `.` and `..` survive encodeURIComponent and would walk the path; the host has no such names. */
function segment(name: string): string {
  return /^\.{1,2}$/.test(name) ? `%00${name}` : encodeURIComponent(name)
}

function tenantPath(tenant: string): string {
  return `/v1/tenants/${segment(tenant)}`
}

function servicePath(tenant: string, service: string): string {
  return `${tenantPath(tenant)}/services/${segment(service)}`
}
