/**
 * The table of a host's parts: what each is made of, what it needs, how it starts and ends. Read it with `parts.ts`, which has
 * their types. The order is nobody's to keep: the container makes each part after those it needs, runs hooks in that order, and
 * ends everything in the reverse; also when a part fails in the midst of it.
 * To add a part: two lines in `parts.ts` (its type, its name) and a provider in a list of its own file beside this one, which
 * `assemble` adds to the others.
 */
import { createAdminServer } from '../admin/server.ts'
import { createCellPool } from '../cells/cell-pool.ts'
import { createContainer, type Container } from '../di/container.ts'
import type { Composition } from '../di/module.ts'
import { provide, type Provider } from '../di/provider.ts'
import { createGateway } from '../http/gateway.ts'
import { createCatalog } from '../services/catalog.ts'
import { createScheduler } from '../services/scheduler.ts'
import { createServices } from '../services/services.ts'
import { capabilityParts } from './capabilities.ts'
import { clusterParts, presenceParts } from './cluster.ts'
import { setCollectorFlags } from './collector-flags.ts'
import { parseConfig, type ConfigInput } from './config.ts'
import type { Control } from './control.ts'
import { VelaError } from './errors.ts'
import { durableEventParts } from './events-durable.ts'
import { eventParts } from './events.ts'
import { createHostServices, scopeParts } from './host-services.ts'
import { createLifecycle } from './lifecycle.ts'
import { createLog } from './log.ts'
import { createMetrics } from './metrics.ts'
import { natsParts } from './nats.ts'
import { peerParts } from './peers.ts'
import { PART } from './parts.ts'

const HOOK_TIMEOUT_MS = 30_000

/** Every part made, none started. `composition` is the embedder's: its parts may inject the host's, and overrides replace them. */
export async function assemble(
  input: ConfigInput,
  control: Control,
  { providers = [], modules = [], overrides = [] }: Composition = {},
): Promise<Container> {
  const config = parseConfig(input)
  setCollectorFlags()
  const given = [
    provide(PART.config, { useValue: config }),
    provide(PART.control, { useValue: control }),
    provide(PART.container, { useFactory: () => container, dispose: null }),
    ...scopeParts,
  ]
  const container: Container = createContainer({
    // The embedder's first: what guests may use is made before them, and ended after them.
    providers: [
      ...given,
      ...providers,
      ...base,
      ...natsParts,
      ...clusterParts,
      ...peerParts,
      ...durableEventParts,
      ...eventParts,
      ...capabilityParts,
      ...serving,
      ...entrances,
      ...presenceParts,
    ],
    modules,
    overrides,
  })
  container.check()
  try {
    await container.make()
  } catch (thrown) {
    throw plain(thrown)
  }
  return container
}

/** What everything else stands on. */
const base: readonly Provider[] = [
  provide(PART.log, {
    inject: [PART.config],
    useFactory: (config) => createLog(config.log),
    dispose: (log) => log.close(),
  }),
  provide(PART.metrics, {
    inject: [PART.log],
    useFactory: () => createMetrics(),
    onInit: (metrics, log) => metrics.observe({ hostLogDropped: () => log.droppedLines() }),
  }),
  provide(PART.lifecycle, {
    inject: [PART.log, PART.config],
    useFactory: (log, config) =>
      createLifecycle({ log }, { hookTimeoutMs: Math.max(HOOK_TIMEOUT_MS, config.drainMs * 2) }),
  }),
  provide(PART.catalog, { useFactory: createCatalog }),
  provide(PART.hosts, {
    inject: [PART.container, PART.log],
    useFactory: (container, log) =>
      createHostServices(container, (error) => log.error('host service failed', { error })),
  }),
  provide(PART.urls, { useFactory: () => ({ gateway: '', admin: '' }) }),
]

/** Where guests run, and what is deployed. */
const serving: readonly Provider[] = [
  provide(PART.cells, {
    inject: [PART.config, PART.log, PART.metrics],
    // What guests call outlives the processes they run in.
    after: [PART.broker],
    useFactory: (config, log, metrics) => createCellPool({ config, log, metrics }),
    onInit: (cells, _config, _log, metrics) =>
      metrics.observe({ cells: () => ({ ...cells.supervisor.count() }) }),
    onStart: (cells) => cells.supervisor.prepare(),
    onStop: (cells) => cells.close(),
    dispose: (cells) => cells.close(),
  }),
  provide(PART.services, {
    inject: [
      PART.config,
      PART.registry,
      PART.cells,
      PART.log,
      PART.metrics,
      PART.broker,
      PART.decisions,
      PART.catalog,
      PART.actors,
      PART.eventSubscriptions,
      PART.calls,
    ],
    useFactory: (
      config,
      registry,
      cells,
      log,
      metrics,
      broker,
      decisions,
      catalog,
      actors,
      events,
      { elsewhere },
    ) =>
      createServices({
        config,
        registry,
        cells,
        log,
        metrics,
        broker,
        decisions,
        catalog,
        actors,
        events,
        elsewhere,
      }),
    onInit: (services, _config, _registry, _cells, _log, metrics) => metrics.observe(services.gauges()),
    onStart: (services) => services.startTicking(),
    onDrain: (services, _signal, config) => services.drain(config.drainMs),
    onStop: (services) => services.close(),
    dispose: (services) => services.close(),
  }),
  provide(PART.scheduler, {
    inject: [PART.catalog, PART.cluster],
    after: [PART.services],
    useFactory: (catalog, { cluster }) =>
      createScheduler(cluster === null ? { catalog } : { catalog, claim: cluster.claimCron }),
    onReady: (scheduler) => scheduler.start(),
    onDrain: (scheduler) => scheduler.stop(),
    onStop: (scheduler) => scheduler.stop(),
  }),
]

/** Where requests come in; the last to open and the first to close. */
const entrances: readonly Provider[] = [
  provide(PART.alarms, {
    inject: [PART.actors, PART.services, PART.config],
    useFactory: () => ({}),
    onReady: (_alarms, _signal, actors) => actors.start(),
    onDrain: (_alarms, _signal, actors, _services, config) => actors.stop(config.drainMs),
    onStop: (_alarms, _signal, actors) => actors.stop(0),
  }),
  provide(PART.admin, {
    inject: [PART.config, PART.control, PART.log, PART.urls],
    after: [PART.services],
    useFactory: (config, control, log) => createAdminServer({ control, log }, config.admin),
    async onReady(admin, _signal, _config, _control, _log, urls) {
      urls.admin = await admin.listen()
    },
    onStop: (admin) => admin.close(),
  }),
  provide(PART.middleware, { useFactory: () => [] }),
  provide(PART.gateway, {
    inject: [PART.config, PART.urls, PART.services, PART.middleware, PART.log, PART.metrics],
    useFactory: (config, _urls, services, middleware, log, metrics) =>
      createGateway(
        {
          router: () => services.router,
          middleware: () => middleware,
          access: (record) => log.access(record),
          refused: (code) => metrics.refused(code),
        },
        config.gateway,
      ),
    onInit: (gateway, _config, _urls, _services, _middleware, _log, metrics) =>
      metrics.observe({ connections: () => gateway.connections() }),
    async onReady(gateway, _signal, _config, urls) {
      urls.gateway = await gateway.listen()
    },
    onDrain: (gateway, _signal, config) => gateway.drain(config.drainMs),
    onStop: (gateway) => gateway.close(),
  }),
]

/** A part's own error (a locked store, a policy that is not valid) is what the operator must know. */
function plain(thrown: unknown): unknown {
  const failed = thrown instanceof VelaError && thrown.code === 'VELA_DI_FACTORY_FAILED'
  return failed && thrown.cause instanceof VelaError ? thrown.cause : thrown
}
