/**
 * The runtime: the composition root that knows every part of a host and joins them. It is the only file that does;
 * parts get what they need from here as narrow functions.
 */
import { bundleService } from '../bundle/bundler.ts'
import { ensureFirstToken } from '../admin/first-token.ts'
import { createGateway } from '../http/gateway.ts'
import type { Middleware } from '../http/middleware.ts'
import { openRegistry } from '../registry/registry.ts'
import type { Deployment, JsonValue, Registry, ServiceRecord } from '../registry/types.ts'
import { createCatalog } from '../services/catalog.ts'
import { createScheduler } from '../services/scheduler.ts'
import { createServices } from '../services/services.ts'
import { createCellPool } from '../cells/cell-pool.ts'
import { createHostCapabilities } from './capabilities.ts'
import { setCollectorFlags } from './collector-flags.ts'
import { addComponents, portsOf, type Parts } from './components.ts'
import { parseConfig, type ConfigInput } from './config.ts'
import type {
  Control,
  Decision,
  DeployRequest,
  DeployResult,
  DoctorCheck,
  EngineStatus,
  GrantStatus,
  LogEntry,
  ScheduledRun,
  ServiceStatus,
} from './control.ts'
import { runDoctor } from './doctor.ts'
import {
  componentOf,
  instantiate,
  type HostServiceOptions,
  type HostServiceProvider,
} from './host-services.ts'
import { createLifecycle } from './lifecycle.ts'
import { createLog } from './log.ts'
import { createMetrics } from './metrics.ts'

export interface RuntimeUrls {
  readonly gateway: string
  readonly admin: string
}

/** A folder with a manifest, or one .ts or .js file. */
export interface DeployPath {
  readonly tenant: string
  readonly path: string
  readonly name?: string
}

const HOOK_TIMEOUT_MS = 30_000

export class Runtime implements Control {
  readonly #parts: Parts

  private constructor(parts: Parts) {
    this.#parts = parts
  }

  /** Opens the store and starts spare cells; serves nothing yet. `deploy` and `invoke` work from here on. */
  static async create(input: ConfigInput = {}): Promise<Runtime> {
    const config = parseConfig(input)
    setCollectorFlags()
    const log = createLog(config.log)
    const metrics = createMetrics()
    const registry = await openRegistry({
      ...(config.data === null ? {} : { dataDir: config.data }),
      onLog: (level, message) => log[level]('store', { message }),
    })
    const opened: { close(): Promise<unknown> }[] = [log, registry]
    try {
      await ensureFirstToken(registry, config.data, process.env['VELA_ADMIN_TOKEN'])
      const urls = { gateway: '', admin: '' }
      const catalog = createCatalog()
      const hosts = new Map<string, object>()
      const capabilities = await createHostCapabilities({
        config,
        log,
        registry,
        catalog,
        hosts,
        ownPorts: () => portsOf(urls),
      })
      opened.push(capabilities)
      const cells = await createCellPool({ config, log, metrics })
      opened.push(cells)
      const { broker, decisions } = capabilities
      const services = await createServices({
        config,
        registry,
        cells,
        log,
        metrics,
        broker,
        decisions,
        catalog,
      })
      const lifecycle = createLifecycle(
        { log },
        { hookTimeoutMs: Math.max(HOOK_TIMEOUT_MS, config.drainMs * 2) },
      )
      const middleware: Middleware[] = []
      const gateway = createGateway(
        {
          router: () => services.router,
          middleware: () => middleware,
          access: (record) => log.access(record),
          refused: (code) => metrics.refused(code),
        },
        config.gateway,
      )
      return new Runtime({
        config,
        log,
        metrics,
        registry,
        cells,
        services,
        scheduler: createScheduler({ catalog }),
        capabilities,
        hosts,
        lifecycle,
        gateway,
        middleware,
        urls,
      })
    } catch (thrown) {
      for (const part of opened.reverse()) await part.close()
      throw thrown
    }
  }

  get registry(): Registry {
    return this.#parts.registry
  }

  /** Trusted host code with lifecycle hooks; before `start`. Resolves to the service. */
  async registerService(
    name: string,
    provider: HostServiceProvider,
    options: HostServiceOptions = {},
  ): Promise<object> {
    const instance = await instantiate(provider)
    this.#parts.lifecycle.add(componentOf(name, instance, options))
    this.#parts.hosts.set(name, instance)
    return instance
  }

  /** Around the dispatch of every request that matched a service; in the order of the calls. */
  use(middleware: Middleware): this {
    this.#parts.middleware.push(middleware)
    return this
  }

  /** Runs the lifecycle up to ready: host services, services, control API, gateway. */
  async start(): Promise<RuntimeUrls> {
    try {
      if (this.#parts.lifecycle.state === 'new') addComponents(this.#parts, this)
      await this.#parts.lifecycle.start()
    } catch (thrown) {
      await this.#close()
      throw thrown
    }
    return { ...this.#parts.urls }
  }

  /** Drains and stops everything; idempotent. */
  async stop(): Promise<void> {
    try {
      await this.#parts.lifecycle.stop()
    } finally {
      await this.#close()
    }
  }

  async deploy(request: DeployRequest | DeployPath): Promise<DeployResult> {
    const { services, metrics, registry } = this.#parts
    if (!('path' in request)) return await services.deploy(request, this.#gatewayUrl())
    const { tenant, path, name } = request
    let bundled: Awaited<ReturnType<typeof bundleService>>
    try {
      bundled = await bundleService(path, name === undefined ? {} : { name })
      // Code that embeds the runtime is the operator: its tenants need not be made first.
      if ((await registry.getTenant(tenant)) === undefined) await registry.createTenant(tenant)
    } catch (thrown) {
      metrics.deployed('refused')
      throw thrown
    }
    const { manifest, bundle } = bundled
    return await services.deploy({ tenant, manifest, bundle }, this.#gatewayUrl())
  }

  rollback(tenant: string, service: string, version?: string): Promise<ServiceRecord> {
    return this.#parts.services.rollback(tenant, service, version)
  }

  deleteService(tenant: string, service: string): Promise<void> {
    return this.#parts.services.deleteService(tenant, service)
  }

  async deleteTenant(tenant: string, force = false): Promise<void> {
    await this.#parts.services.deleteTenant(tenant, force)
    await this.#parts.capabilities.deleteTenant(tenant)
  }

  async services(tenant?: string): Promise<ServiceStatus[]> {
    return this.#parts.services.list(this.#gatewayUrl(), tenant)
  }

  async versions(tenant: string, service: string): Promise<Deployment[]> {
    return await this.#parts.registry.listVersions(tenant, service)
  }

  putSecret(tenant: string, service: string, key: string, value: string): Promise<void> {
    return this.#parts.services.putSecret(tenant, service, key, value)
  }

  deleteSecret(tenant: string, service: string, key: string): Promise<void> {
    return this.#parts.services.deleteSecret(tenant, service, key)
  }

  setEngine(tenant: string, service: string, engine: EngineStatus['engine'] | null): Promise<EngineStatus> {
    return this.#parts.services.setEngine(tenant, service, engine)
  }

  async grants(tenant: string, service: string): Promise<readonly GrantStatus[]> {
    return this.#parts.services.grants(tenant, service)
  }

  decideGrant(
    tenant: string,
    service: string,
    binding: string,
    decision: Decision,
  ): Promise<readonly GrantStatus[]> {
    return this.#parts.services.decide(tenant, service, binding, decision)
  }

  /** Calls an exported method of a deployed service. Arguments and result are JSON. */
  invoke(
    target: `${string}/${string}`,
    method: string,
    args: readonly JsonValue[] = [],
  ): Promise<JsonValue | undefined> {
    return this.#parts.services.invoke(target, method, args)
  }

  runSchedule(tenant: string, service: string, cron?: string): Promise<ScheduledRun> {
    return this.#parts.scheduler.run(tenant, service, cron)
  }

  tail(tenant: string, service: string, listener: (entry: LogEntry) => void): () => void {
    return this.#parts.services.tail(tenant, service, listener)
  }

  doctor(): Promise<DoctorCheck[]> {
    return runDoctor(this.#parts.config, this.#parts.cells)
  }

  metrics(): Promise<string> {
    return this.#parts.metrics.render()
  }

  health(): { status: 'ok' | 'starting' | 'draining'; services: number; cells: number } {
    const { lifecycle, services, cells } = this.#parts
    const { state } = lifecycle
    const status =
      state === 'ready' ? 'ok' : state === 'new' || state === 'starting' ? 'starting' : 'draining'
    return { status, services: services.size, cells: cells.supervisor.count().assigned }
  }

  #gatewayUrl(): string {
    return this.#parts.urls.gateway
  }

  #closed = false
  async #close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    const { cells, registry, log, services, capabilities } = this.#parts
    services.close()
    await cells.close()
    await capabilities.close()
    await registry.close()
    await log.close()
  }
}
