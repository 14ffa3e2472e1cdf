/**
 * Everything that is deployed, as the control side and the gateway use it: joins registry, deployer, catalog and cells.
 */
import type { Actors } from '../concurrency/actors/actors.ts'
import type { Broker } from '../capabilities/broker.ts'
import type { Decisions } from '../capabilities/decisions.ts'
import type { CellPool } from '../cells/cell-pool.ts'
import type { Config } from '../core/config.ts'
import type { DeployRequest } from '../core/control.ts'
import { VelaError } from '../core/errors.ts'
import type { Log } from '../core/log.ts'
import type { Metrics } from '../core/metrics.ts'
import type { Deployment, Registry, ServiceRecord } from '../registry/types.ts'
import type { EngineName } from '../../sandbox/protocol/engine-files.ts'
import type { Limits } from '../../sandbox/protocol/limits.ts'
import type { Catalog } from './catalog.ts'
import { createCodeCaches } from './code-caches.ts'
import { createDeployer } from './deployer.ts'
import type { EventSubscriptions } from './event-subscriptions.ts'
import { createFollower } from './follow.ts'
import { createLogHubs } from './log-hubs.ts'
import { createMethodCall } from './method-call.ts'
import { Service, type Elsewhere } from './service.ts'
import type { Services } from './services-contract.ts'
import { loadOf, pick, statusOf, sum, urlOf } from './status.ts'
import { createServiceVersion, type ServiceVersion } from './version.ts'
import { createWorkerSettings } from './version-workers.ts'

export type { Services } from './services-contract.ts'

export interface ServicesDeps {
  readonly config: Config
  readonly registry: Registry
  readonly cells: CellPool
  readonly log: Log
  readonly metrics: Metrics
  readonly broker: Broker
  readonly decisions: Decisions
  readonly catalog: Catalog
  /** Left out: this host is alone. */
  readonly elsewhere?: Elsewhere | undefined
  readonly actors: Pick<Actors, 'rest' | 'drop' | 'leave'>
  readonly events: Pick<EventSubscriptions, 'sync' | 'forget' | 'recheck'>
}

const TICK_MS = 25
const SLOW_TICK_MS = 1000
const PRELOAD_BYTES = 32 * 1024 * 1024

export async function createServices(deps: ServicesDeps): Promise<Services> {
  const { config, registry, cells, log, metrics, broker, decisions, catalog, actors, events } = deps
  const { supervisor } = cells
  const codeCaches = createCodeCaches((source) => supervisor.compile(source, 'service'))
  let requests = 0
  let ticker: NodeJS.Timeout | undefined
  let slowTicker: NodeJS.Timeout | undefined

  const { cores, isolateIdleMs } = config.cells
  const scale = {
    // The cells have so many cores; one more process would only wait for another.
    mostReplicas: cores > 0 ? cores : undefined,
    calmMs: isolateIdleMs,
    onSteal: (count: number) => metrics.stolen(count),
  }

  const workers = createWorkerSettings(isolateIdleMs, (outcome) => metrics.taskEnded('worker', outcome))
  const hubs = createLogHubs({ config, catalog, log, metrics })

  const createVersion = (
    deployment: Deployment,
    limits: Limits,
    bundle: DeployRequest['bundle'] | undefined,
    engine: EngineName,
  ): ServiceVersion => {
    const { tenant, service, version } = deployment
    return createServiceVersion({
      deployment,
      limits,
      engine,
      prepareEngine: () => cells.prepareEngine(engine),
      hub: hubs.of(tenant, service),
      codeCaches,
      acquireCell: (index) => supervisor.acquire(tenant, index),
      scale,
      readBundle: () => bundle ?? readBundle(tenant, service, version),
      readSecrets: () => registry.readSecrets(tenant, service),
      openGrants: (isolates) => broker.open(deployment, isolates),
      workers,
      onRest: (home) => actors.rest(home),
      onFault: (end) => metrics.cellRestarted(`isolate-${end.reason}`),
    })
  }

  const readBundle = async (
    tenant: string,
    service: string,
    version: string,
  ): Promise<DeployRequest['bundle']> => {
    const bundle = await registry.getBundle(tenant, service, version)
    if (bundle === undefined)
      throw new VelaError(
        'VELA_VERSION_NOT_FOUND',
        `The code of ${tenant}/${service} ${version} is not stored`,
      )
    return bundle
  }

  const install = (version: ServiceVersion, record: ServiceRecord): void => {
    const { tenant, service } = record
    const current = catalog.get(tenant, service)
    if (current === undefined) {
      const meter = metrics.service(tenant, service)
      const added = new Service(version, hubs.of(tenant, service), meter, record, deps.elsewhere)
      catalog.add(added)
      events.sync(added)
      return
    }
    current.engineOverride = record.engineOverride
    void current.switchTo(version, record.updatedAt, config.drainMs)
    catalog.refresh()
    events.sync(current)
  }

  const deployer = createDeployer({
    registry,
    catalog,
    limits: config.limits,
    broker,
    createVersion,
    install,
    prepareCodeCache: (source) => codeCaches.prepare(Buffer.from(source)),
  })

  for (const record of await registry.listServices()) {
    const { tenant, service, activeVersion } = record
    const deployment = await registry.getDeployment(tenant, service, activeVersion)
    if (deployment === undefined) continue
    const limits = await deployer.limitsOf(tenant, deployment.manifest)
    const engine = record.engineOverride ?? deployment.manifest.engine
    install(createVersion(deployment, limits, undefined, engine), record)
  }

  /** `isOurs`: it was deleted here; else what it stored is the matter of the host that did. Ends it also if a store fails. */
  const remove = async (service: Service, isOurs: boolean): Promise<void> => {
    catalog.remove(service)
    metrics.forgetService(service.tenant, service.service)
    hubs.forget(service.tenant, service.service)
    decisions.forget(service.tenant, service.service)
    try {
      await events.forget(service, isOurs)
    } finally {
      await service.stop('deleted', config.drainMs)
      await actors[isOurs ? 'drop' : 'leave'](service.tenant, service.service)
    }
  }

  /** What another host that is gone was to erase. */
  const erase = async (tenant: string, service: string): Promise<void> => {
    await events.forget({ tenant, service }, true)
    await actors.drop(tenant, service)
  }

  /** After a restart: the code of what is deployed, in the background, as far as it fits. */
  const preload = async (): Promise<void> => {
    let left = PRELOAD_BYTES
    for (const { active } of catalog.values()) {
      if (left <= 0 || ticker === undefined) return
      left -= await active.preload()
    }
  }

  const slowTick = (): void => {
    const nowMs = performance.now()
    for (const { active } of catalog.values()) {
      if (nowMs - active.live.lastUsedMs > isolateIdleMs) active.live.hibernate()
    }
    supervisor.tick(nowMs)
    for (const [owner, micros] of supervisor.takeCpuMicros())
      metrics.tenant(owner.replace(/^tenant:/, '')).addCpu(micros / 1000)
  }

  return {
    get router() {
      return catalog.router
    },
    get size() {
      return catalog.size
    },
    async deploy(request, gatewayUrl) {
      const { tenant, manifest } = request
      try {
        const before = catalog.get(tenant, manifest.name)?.active.deployment.manifest
        const { deployment } = await deployer.deploy(request)
        metrics.deployed('ok')
        log.info('deployed', { tenant, service: manifest.name, version: deployment.version })
        return {
          ...pick(deployment),
          url: urlOf(gatewayUrl, tenant, manifest.name),
          grants: broker.status(deployment),
          asksMore: before === undefined ? [] : broker.asksMore(before, manifest),
        }
      } catch (thrown) {
        metrics.deployed(thrown instanceof VelaError && thrown.status < 500 ? 'refused' : 'failed')
        throw thrown
      }
    },
    async rollback(tenant, service, version) {
      catalog.find(tenant, service)
      const record = await deployer.rollback(tenant, service, version)
      log.info('rolled back', { tenant, service, version: record.activeVersion })
      return record
    },
    async deleteService(tenant, service) {
      catalog.find(tenant, service)
      await registry.settle?.(tenant, service)
      await deployer.exclusively(tenant, service, async () => {
        const work = async (): Promise<void> => {
          await registry.deleteService(tenant, service)
          await remove(catalog.find(tenant, service), true)
        }
        await (registry.erasing?.(tenant, service, work) ?? work())
      })
    },
    async deleteTenant(tenant, force) {
      await registry.deleteTenant(tenant, force)
      const own = [...catalog.values()].filter((service) => service.tenant === tenant)
      const removed = await Promise.allSettled(own.map((service) => remove(service, true)))
      metrics.forgetTenant(tenant)
      for (const result of removed) if (result.status === 'rejected') throw result.reason
    },
    list: (gatewayUrl, tenant) =>
      [...catalog.values()]
        .filter((service) => tenant === undefined || service.tenant === tenant)
        .map((service) => statusOf(service, gatewayUrl)),
    async setEngine(tenant, service, override) {
      const engine = await deployer.setEngine(tenant, service, override)
      log.info('engine set', { tenant, service, engine, override })
      return { engine, override }
    },
    async putSecret(tenant, service, key, value) {
      await registry.putSecret(tenant, service, key, value)
      await deployer.reload(tenant, service)
    },
    async deleteSecret(tenant, service, key) {
      await registry.deleteSecret(tenant, service, key)
      await deployer.reload(tenant, service)
    },
    async invoke(target, method, args, options = {}) {
      const slash = target.indexOf('/')
      const service = catalog.find(target.slice(0, Math.max(0, slash)), target.slice(slash + 1))
      const requestId = `call-${(++requests).toString(36)}`
      const mapStack = (stack: string): string => service.active.mapStack(stack)
      const { call, result } = createMethodCall(method, args, { ...options, requestId, mapStack })
      service.dispatch(call)
      return await service.counted(result)
    },
    grants: (tenant, service) => broker.status(catalog.find(tenant, service).active.deployment),
    async decide(tenant, service, binding, decision) {
      const { deployment } = catalog.find(tenant, service).active
      const asked = broker.askedOf(deployment, binding)
      await decisions.set(tenant, service, binding, decision === 'policy' ? null : { state: decision, asked })
      events.recheck()
      log.info('grant decided', { tenant, service, binding, decision })
      return broker.status(deployment)
    },
    follower: createFollower({
      catalog,
      deployer,
      decisions,
      recheck: () => events.recheck(),
      remove: (service) => remove(service, false),
      erase,
      forgetTenant: (tenant) => metrics.forgetTenant(tenant),
    }),
    tail: (tenant, service, listener) => hubs.of(tenant, service).listen(listener),
    gauges: () => ({
      turnsInFlight: () => sum(catalog.values(), ({ inFlight }) => inFlight),
      queueLength: () => sum(catalog.values(), ({ active }) => active.live.queueLength),
      isolatesLoaded: () => sum(catalog.values(), ({ active }) => active.live.replicas),
      services: () => [...catalog.values()].map(loadOf),
    }),
    startTicking() {
      ticker = setInterval(() => {
        const nowMs = performance.now()
        for (const service of catalog.values()) service.tick(nowMs)
      }, TICK_MS).unref()
      slowTicker = setInterval(slowTick, SLOW_TICK_MS).unref()
      preload().catch((error: unknown) => log.warn('preload failed', { error }))
    },
    async drain(deadlineMs) {
      await Promise.all([...catalog.values()].map((service) => service.stop('shutdown', deadlineMs)))
    },
    close() {
      clearInterval(ticker)
      ticker = undefined
      clearInterval(slowTicker)
    },
  }
}
