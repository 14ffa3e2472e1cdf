/**
 * What the host counts, in Prometheus' form. Hot paths hold a handle and add to plain numbers (well under 200 ns);
 * series are made only when someone scrapes. Gauges are pulled from their owners then, so that no count is kept
 * twice. Tenants choose names, so labels are bounded: past `maxServices` services share the label `other`.
 */
import { type Metric, Registry } from 'prom-client'
import {
  BUCKETS_SECONDS,
  createHandles,
  createService,
  createTenant,
  createWords,
  MAX_WORDS,
  type ServiceMetrics,
  type ServiceSeries,
  splitName,
  type TenantMetrics,
} from './metrics-handles.ts'
import { createActorMetrics, type ActorMetrics } from './metrics-actors.ts'
import { createEventMetrics, type EventMetrics, type EventSources } from './metrics-events.ts'
import {
  createDurableEventMetrics,
  type DurableEventMetrics,
  type DurableEventSources,
} from './metrics-events-durable.ts'
import { createNatsMetrics, type NatsSources } from './metrics-nats.ts'
import { counter, createHistogram, gauge, type Sample } from './metrics-series.ts'

export interface MetricsOptions {
  /** Services with series of their own. */
  readonly maxServices?: number
}

export type { ServiceMetrics, TenantMetrics } from './metrics-handles.ts'

/** What one service has and what waits for it. */
export interface ServiceLoad {
  readonly tenant: string
  readonly service: string
  readonly replicas: number
  readonly queueLength: number
}

/** Read at each scrape; what is missing is not shown. */
export interface MetricSources extends NatsSources, EventSources, DurableEventSources {
  readonly turnsInFlight?: () => number
  readonly queueLength?: () => number
  readonly isolatesLoaded?: () => number
  readonly services?: () => readonly ServiceLoad[]
  /** Tasks of the host by state, and threads. */
  readonly tasks?: () => { readonly running: number; readonly waiting: number; readonly threads: number }
  readonly connections?: () => number
  /** Number of cells by state: `spare`, `serving`, `draining` … */
  readonly cells?: () => Readonly<Record<string, number>>
  readonly actorsActive?: () => number
  /** Lines of the host's own log that were dropped. */
  readonly hostLogDropped?: () => number
}

export interface Metrics {
  /** The same handle for the same names until `forgetService`. */
  service(tenant: string, service: string): ServiceMetrics
  /** Frees the label of a deleted service. */
  forgetService(tenant: string, service: string): void
  tenant(tenant: string): TenantMetrics
  forgetTenant(tenant: string): void
  readonly actors: ActorMetrics
  readonly durableEvents: DurableEventMetrics
  readonly events: EventMetrics
  cellRestarted(reason: string): void
  /** Calls that a replica took over from a sibling. */
  stolen(count: number): void
  /** A task of the host or of a worker ended. */
  taskEnded(kind: 'host' | 'worker', outcome: string): void
  deployed(result: 'ok' | 'refused' | 'failed'): void
  /** Requests answered before any service was found: `not-found`, `bad-request`, `draining` … */
  refused(reason: string): void
  observe(sources: MetricSources): void
  /** Prometheus text format 0.0.4. */
  render(): Promise<string>
  readonly contentType: string
}

export function createMetrics(options: MetricsOptions = {}): Metrics {
  const maxServices = options.maxServices ?? 500
  const services = createHandles(maxServices, (name) => createService(...splitName(name)))
  const tenants = createHandles(maxServices, createTenant)
  const restarts = createWords()
  const deploys = createWords()
  const refusals = createWords()
  const tasks = { host: createWords(), worker: createWords() }
  let sources: MetricSources = {}
  let stolen = 0

  const registry = new Registry()
  const register = (metric: Metric): void => registry.registerMetric(metric)
  const perService = (read: (service: ServiceSeries) => Sample[]): (() => Sample[]) => {
    return () => services.all().flatMap(read)
  }

  register(
    counter(
      'vela_requests_total',
      'Requests and other turns that ended, by outcome',
      perService(requestSamples),
    ),
  )
  register(
    createHistogram(
      'vela_request_duration_seconds',
      'From arrival to the end of the response',
      BUCKETS_SECONDS,
      () => services.all().map(({ labels, buckets, sumMs }) => ({ labels, buckets, sum: sumMs / 1000 })),
    ),
  )
  register(
    counter(
      'vela_guest_log_lines_dropped_total',
      'Guest log lines over the rate of their service',
      perService(dropSamples),
    ),
  )
  register(
    counter('vela_tenant_cpu_seconds_total', 'CPU time of a tenant’s cells', () =>
      tenants.all().map(({ labels, cpuMs }) => ({ labels, value: cpuMs / 1000 })),
    ),
  )
  register(
    counter(
      'vela_gateway_refused_total',
      'Requests refused before a service was reached',
      refusals.samples('reason'),
    ),
  )
  register(
    counter('vela_cell_restarts_total', 'Cells that ended and were replaced', restarts.samples('reason')),
  )
  register(
    counter('vela_tasks_total', 'Tasks of the host and of workers that ended, by outcome', () =>
      Object.entries(tasks).flatMap(([kind, words]) =>
        words
          .samples('outcome')()
          .map(({ labels, value }) => ({ labels: { kind, ...labels }, value })),
      ),
    ),
  )
  register(
    gauge('vela_host_tasks', 'Tasks of the host by state', () => {
      const { running = 0, waiting = 0 } = sources.tasks?.() ?? {}
      return [
        { labels: { state: 'running' }, value: running },
        { labels: { state: 'waiting' }, value: waiting },
      ]
    }),
  )
  register(
    gauge(
      'vela_host_threads',
      'Threads for tasks of the host',
      pulled(() => sources.tasks?.().threads),
    ),
  )
  register(counter('vela_deploys_total', 'Deploys by result', deploys.samples('result')))
  register(
    gauge('vela_cells', 'Cells by state', () =>
      Object.entries(sources.cells?.() ?? {})
        .slice(0, MAX_WORDS)
        .map(([state, value]) => ({ labels: { state }, value })),
    ),
  )
  register(
    gauge(
      'vela_turns_in_flight',
      'Turns taken by a cell and not settled',
      pulled(() => sources.turnsInFlight?.()),
    ),
  )
  register(
    gauge(
      'vela_queue_length',
      'Calls waiting in the host',
      pulled(() => sources.queueLength?.()),
    ),
  )
  register(
    gauge(
      'vela_isolates_loaded',
      'Guests that have an isolate',
      pulled(() => sources.isolatesLoaded?.()),
    ),
  )
  const perLoad = (read: (load: ServiceLoad) => number) => (): Sample[] =>
    loadSamples(sources.services?.() ?? [], maxServices, read)
  register(
    gauge(
      'vela_service_replicas',
      'Isolates that serve',
      perLoad(({ replicas }) => replicas),
    ),
  )
  register(
    gauge(
      'vela_service_queue_length',
      'Calls waiting',
      perLoad(({ queueLength }) => queueLength),
    ),
  )
  register(
    counter(
      'vela_calls_stolen_total',
      'Calls that a replica took over from a sibling',
      pulled(() => stolen),
    ),
  )
  register(
    gauge(
      'vela_gateway_connections',
      'Open client connections',
      pulled(() => sources.connections?.()),
    ),
  )
  register(
    counter(
      'vela_host_log_lines_dropped_total',
      'Lines of the host’s log dropped',
      pulled(() => sources.hostLogDropped?.()),
    ),
  )
  register(
    gauge(
      'vela_host_resident_bytes',
      'Resident memory of the host',
      pulled(() => process.memoryUsage.rss()),
    ),
  )
  register(
    counter(
      'vela_host_cpu_seconds_total',
      'CPU time of the host',
      pulled(() => {
        const { user, system } = process.cpuUsage()
        return (user + system) / 1e6
      }),
    ),
  )

  createNatsMetrics(register, () => sources)

  return {
    service: (tenant, service) => services.get(`${tenant}/${service}`),
    forgetService: (tenant, service) => services.forget(`${tenant}/${service}`),
    tenant: (tenant) => tenants.get(tenant),
    forgetTenant: (tenant) => tenants.forget(tenant),
    actors: createActorMetrics(register, () => sources.actorsActive?.()),
    durableEvents: createDurableEventMetrics(register, () => sources),
    events: createEventMetrics(register, () => sources),
    cellRestarted: (reason) => restarts.add(reason),
    stolen: (count) => {
      stolen += count
    },
    deployed: (result) => deploys.add(result),
    taskEnded: (kind, outcome) => tasks[kind].add(outcome),
    refused: (reason) => refusals.add(reason),
    observe: (given) => {
      sources = { ...sources, ...given }
    },
    render: () => registry.metrics(),
    contentType: registry.contentType,
  }
}

const requestSamples = ({ outcomes }: ServiceSeries): Sample[] =>
  [...outcomes.values()].map(({ labels, count }) => ({ labels, value: count }))

const dropSamples = ({ labels, dropped }: ServiceSeries): Sample[] =>
  dropped === 0 ? [] : [{ labels, value: dropped }]

/** Services that have something to show; past `most` they share one sample. */
function loadSamples(
  loads: readonly ServiceLoad[],
  most: number,
  read: (load: ServiceLoad) => number,
): Sample[] {
  const shown = loads.filter(({ replicas, queueLength }) => replicas + queueLength > 0)
  const samples = shown
    .slice(0, most)
    .map((load) => ({ labels: { tenant: load.tenant, service: load.service }, value: read(load) }))
  const rest = shown.slice(most)
  if (rest.length === 0) return samples
  const value = rest.reduce((sum, load) => sum + read(load), 0)
  return [...samples, { labels: { tenant: 'other', service: 'other' }, value }]
}

/** A metric of one number and no labels. */
function pulled(read: () => number | undefined): () => Sample[] {
  return () => {
    const value = read()
    return value === undefined ? [] : [{ labels: {}, value }]
  }
}
