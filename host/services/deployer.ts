/**
 * Takes a new version from an upload to serving: check, start it for real beside the old one, store, switch. Until the
 * switch the old version serves; whatever fails before it leaves no trace but the message.
 */
import { checkSource } from '../bundle/check-source.ts'
import type { Broker } from '../capabilities/broker.ts'
import type { Adoption } from '../cluster/registry/follower.ts'
import type { DeployRequest } from '../core/control.ts'
import { toVelaError, VelaError } from '../core/errors.ts'
import { checkRoutes } from '../http/router.ts'
import { checkSchedules } from '../manifest/schedule.ts'
import { checkName } from '../registry/names.ts'
import type { Bundle, Deployment, Manifest, Registry, ServiceRecord } from '../registry/types.ts'
import { versionOf } from '../registry/version.ts'
import type { EngineName } from '../../sandbox/protocol/engine-files.ts'
import { resolveLimits, type Limits } from '../../sandbox/protocol/limits.ts'
import type { Catalog } from './catalog.ts'
import { checkExports } from './check-exports.ts'
import { checkNeeds } from './check-needs.ts'
import { createMutex } from './mutex.ts'
import { withPlaces } from './places.ts'
import type { ServiceVersion } from './version.ts'

export interface DeployerDeps {
  readonly registry: Registry
  readonly catalog: Catalog
  readonly broker: Pick<Broker, 'check' | 'lacks'>
  readonly limits: { readonly default: Limits; readonly maximum: Limits }
  readonly createVersion: (
    deployment: Deployment,
    limits: Limits,
    source: DeployRequest['bundle'] | undefined,
    engine: EngineName,
  ) => ServiceVersion
  /** The version serves from now on; the old one drains behind it. */
  readonly install: (version: ServiceVersion, record: ServiceRecord) => void
  readonly prepareCodeCache: (source: string) => Promise<void>
}

export interface Deployed {
  readonly deployment: Deployment
  readonly record: ServiceRecord
}

export interface Deployer {
  deploy(request: DeployRequest): Promise<Deployed>
  rollback(tenant: string, service: string, version?: string): Promise<ServiceRecord>
  /** Loads the active version again (secrets have changed). */
  reload(tenant: string, service: string): Promise<void>
  /** Moves the service to the engine, if it is on another; null leaves it to the manifest. Resolves to what it runs on. */
  setEngine(tenant: string, service: string, engine: EngineName | null): Promise<EngineName>
  /** Within `exclusively`: a version that another host has accepted, on the way of a deploy. The old one serves if it fails. */
  adopt(adoption: Omit<Adoption, 'bundle'> & { readonly bundle: Bundle }): Promise<void>
  /** Runs the work while nothing else changes this service. */
  exclusively<Result>(tenant: string, service: string, work: () => Promise<Result>): Promise<Result>
  limitsOf(tenant: string, manifest: Manifest): Promise<Limits>
}

export function createDeployer(deps: DeployerDeps): Deployer {
  const { registry, catalog } = deps
  const exclusive = createMutex()
  /** Routes of versions on their way: checked, and not in the catalog yet. */
  const claims = new Map<string, { tenant: string; service: string; routes: readonly string[] }>()

  const limitsOf = async (tenant: string, manifest: Manifest): Promise<Limits> => {
    const record = await registry.getTenant(tenant)
    if (record === undefined) {
      throw new VelaError(
        'VELA_TENANT_NOT_FOUND',
        `There is no tenant ${tenant}; create it with \`vela tenant create ${tenant}\``,
      )
    }
    const maximum = resolveLimits(deps.limits.maximum, record.limits, deps.limits.maximum)
    return resolveLimits(maximum, manifest.limits, record.limits, deps.limits.default)
  }

  const checkLimits = async (tenant: string, manifest: Manifest): Promise<Limits> => {
    const limits = await limitsOf(tenant, manifest)
    for (const [key, asked] of Object.entries(manifest.limits) as [keyof Limits, number][]) {
      if (asked <= limits[key]) continue
      throw new VelaError(
        'VELA_DEPLOY_LIMIT_TOO_HIGH',
        `limits.${key} is ${asked}, but at most ${limits[key]} is allowed here`,
        {
          details: { key: `limits.${key}`, value: asked, allowed: limits[key] },
        },
      )
    }
    return limits
  }

  const check = async ({ tenant, manifest, bundle }: DeployRequest): Promise<Limits> => {
    checkName('tenant', tenant)
    checkName('service', manifest.name)
    deps.broker.check(manifest)
    checkSchedules(manifest.schedules ?? [])
    const limits = await checkLimits(tenant, manifest)
    const sizeBytes = Buffer.byteLength(bundle.source)
    if (sizeBytes > limits.bundleBytes) {
      throw new VelaError(
        'VELA_DEPLOY_TOO_LARGE',
        `The bundle has ${sizeBytes} bytes, but at most ${limits.bundleBytes} are allowed here`,
      )
    }
    await checkSource(bundle.source, bundle.sourceMap)
    return limits
  }

  /** An operator's word goes over every version's manifest. */
  const engineOf = ({ tenant, service, manifest }: Deployment): EngineName =>
    catalog.get(tenant, service)?.engineOverride ?? manifest.engine

  /** Holds the routes until the work has ended, so that of two versions that ask at the same time one is refused. */
  const claiming = async <Result>(
    tenant: string,
    manifest: Manifest,
    work: () => Promise<Result>,
  ): Promise<Result> => {
    const serving = [...catalog.values()].map((other) => ({
      tenant: other.tenant,
      service: other.service,
      routes: other.active.deployment.manifest.routes,
    }))
    const claim = { tenant, service: manifest.name, routes: manifest.routes }
    checkRoutes(claim, [...serving, ...claims.values()])
    const key = `${tenant}/${manifest.name}`
    claims.set(key, claim)
    try {
      return await work()
    } finally {
      claims.delete(key)
    }
  }

  /** Starts a version in its tenant's cell; what it throws carries the author's places. */
  const start = async (version: ServiceVersion, bundle: Bundle, isNew = false): Promise<void> => {
    try {
      const description = await version.live.start()
      checkExports(description, version.deployment.manifest)
      // What ran yesterday runs again, whatever became of those it calls.
      if (isNew) await checkNeeds(description.needs, version.deployment, deps.broker)
    } catch (thrown) {
      await version.drain('refused', 0)
      throw withPlaces(thrown, version, bundle)
    }
  }

  const deploy = async (request: DeployRequest): Promise<Deployed> => {
    request.onProgress?.('checking')
    const limits = await check(request)
    return await claiming(request.tenant, request.manifest, () => accept(request, limits))
  }

  const accept = async (request: DeployRequest, limits: Limits): Promise<Deployed> => {
    const { tenant, manifest, bundle, onProgress } = request
    const draft: Deployment = {
      tenant,
      service: manifest.name,
      version: versionOf(bundle, manifest),
      manifest,
      sizeBytes: Buffer.byteLength(bundle.source),
      startupMs: 0,
      createdAt: Date.now(),
    }
    onProgress?.('starting')
    const startedMs = performance.now()
    const version = deps.createVersion(draft, limits, bundle, engineOf(draft))
    await start(version, bundle, true)
    const startupMs = Math.round((performance.now() - startedMs) * 10) / 10
    const deployment = { ...draft, startupMs, ...(version.live.startsAtOnce ? { startsAtOnce: true } : {}) }
    onProgress?.('storing')
    let record: ServiceRecord
    try {
      record = await registry.activate(deployment, bundle)
    } catch (thrown) {
      await version.drain('refused', 0)
      throw thrown
    }
    onProgress?.('switching')
    deps.install(version, record)
    if (version.engine === 'v8') void deps.prepareCodeCache(bundle.source)
    return { deployment, record }
  }

  /** A stored version, started anew; the caller puts it in place of what runs. */
  const restart = async (
    deployment: Deployment,
    engine: EngineName = engineOf(deployment),
  ): Promise<ServiceVersion> => {
    const { tenant, service, version, manifest } = deployment
    const bundle = await registry.getBundle(tenant, service, version)
    if (bundle === undefined)
      throw new VelaError('VELA_VERSION_NOT_FOUND', `The code of version ${version} is not stored`)
    const fresh = deps.createVersion(deployment, await limitsOf(tenant, manifest), bundle, engine)
    await start(fresh, bundle)
    return fresh
  }

  /** Started first and stored afterwards: a version that does not start is none to go back to. */
  const rollback = async (tenant: string, service: string, version?: string): Promise<ServiceRecord> => {
    const target = await registry.rollbackTarget(tenant, service, version)
    return await claiming(tenant, target.manifest, async () => {
      const fresh = await restart(target)
      let record: ServiceRecord
      try {
        record = await registry.rollback(tenant, service, target.version)
      } catch (thrown) {
        await fresh.drain('refused', 0)
        throw thrown
      }
      deps.install(fresh, record)
      return record
    })
  }

  /** Started on the other engine first and stored afterwards: what does not run there stays where it is. */
  const setEngine = async (
    tenant: string,
    service: string,
    engine: EngineName | null,
  ): Promise<EngineName> => {
    const current = catalog.find(tenant, service)
    const { deployment, engine: present } = current.active
    const next = engine ?? deployment.manifest.engine
    const fresh = next === present ? undefined : await restart(deployment, next)
    let record: ServiceRecord
    try {
      record = await registry.setEngine(tenant, service, engine)
    } catch (thrown) {
      await fresh?.drain('refused', 0)
      throw thrown
    }
    if (fresh === undefined) current.engineOverride = record.engineOverride
    else deps.install(fresh, record)
    return next
  }

  const adopt: Deployer['adopt'] = async ({ deployment, record, engine, bundle, accepted, store }) => {
    const limits = await limitsOf(deployment.tenant, deployment.manifest)
    const version = deps.createVersion(deployment, limits, bundle, engine)
    if (!accepted) await start(version, bundle)
    try {
      await store()
    } catch (thrown) {
      await version.drain('refused', 0)
      throw thrown
    }
    deps.install(version, record)
    if (version.engine === 'v8') void deps.prepareCodeCache(bundle.source)
  }

  /** Before the service is held: what others changed is applied by those who hold it. */
  const settled = async <Result>(
    tenant: string,
    service: string,
    work: () => Promise<Result>,
  ): Promise<Result> => {
    await registry.settle?.(tenant, service)
    return await exclusive(`${tenant}/${service}`, work)
  }

  const reload = async (tenant: string, service: string): Promise<void> => {
    const current = catalog.get(tenant, service)
    if (current === undefined) return
    const { deployment } = current.active
    try {
      const fresh = await restart(deployment)
      deps.install(fresh, {
        tenant,
        service,
        activeVersion: deployment.version,
        updatedAt: current.updatedAt,
        ...(current.engineOverride === undefined ? {} : { engineOverride: current.engineOverride }),
      })
    } catch (thrown) {
      const error = toVelaError(thrown, 'VELA_CELL_START_FAILED')
      const message = `The secrets are stored, but the service does not start with them; it keeps serving with the old ones. ${error.message}`
      throw new VelaError(error.code, message, { cause: thrown, details: error.details })
    }
  }

  return {
    limitsOf,
    deploy: (request) => settled(request.tenant, request.manifest.name, () => deploy(request)),
    rollback: (tenant, service, version) =>
      settled(tenant, service, () => rollback(tenant, service, version)),
    reload: (tenant, service) => exclusive(`${tenant}/${service}`, () => reload(tenant, service)),
    setEngine: (tenant, service, engine) =>
      settled(tenant, service, () => setEngine(tenant, service, engine)),
    adopt,
    exclusively: (tenant, service, work) => exclusive(`${tenant}/${service}`, work),
  }
}
