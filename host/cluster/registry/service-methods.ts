/**
 * Services and versions of a cluster's registry, as the rest of the host calls them. A change is refused when the service was changed
 * elsewhere since this host looked: what was checked and started for real was checked against what it knew.
 */
import { randomUUID } from 'node:crypto'
import { VelaError } from '../../core/errors.ts'
import type { Log } from '../../core/log.ts'
import type { LocalRegistry } from '../../registry/registry.ts'
import { checkDeployment } from '../../registry/check.ts'
import type { Bundle, Deployment, Registry } from '../../registry/types.ts'
import type { Bundles } from './bundles.ts'
import { type JoinDeps, routedOf } from './join.ts'
import { activeEntry, type Reconciler, recordOf } from './reconcile.ts'
import { encode, keys, type ServiceState, type VersionEntry } from './records.ts'
import { activated, deleted, rollbackTarget, rolledBack } from './service-state.ts'
import type { Truth } from './truth.ts'

export interface ServiceMethodsDeps {
  readonly local: LocalRegistry
  readonly truth: Truth
  readonly bundles: Bundles
  readonly reconciler: Reconciler
  readonly checkRoutes: JoinDeps['checkRoutes']
  /** Throws VELA_CLUSTER_UNAVAILABLE when nothing can be changed. */
  readonly ready: () => void
  /** This node. */
  readonly self: string
  /** Looks at the service again, when nothing else changes it: whatever became of a change here, the copy and what runs agree in the end. */
  readonly later: (tenant: string, service: string) => void
  readonly vela: string
  readonly log: Log
}

type ServiceMethods = Pick<
  Registry,
  | 'activate'
  | 'rollback'
  | 'rollbackTarget'
  | 'deleteService'
  | 'setEngine'
  | 'listVersions'
  | 'getDeployment'
  | 'getBundle'
>

interface Given {
  readonly deployment: Deployment
  readonly bundle: Bundle
}

export function serviceMethods(deps: ServiceMethodsDeps): ServiceMethods {
  const { local, truth, bundles, reconciler, checkRoutes, ready, self, later, vela, log } = deps

  /** Compare-and-set from what this host acts by; then into the copy. */
  const change = async (
    tenant: string,
    service: string,
    next: (before: ServiceState | undefined, writer: string) => ServiceState,
    given?: Given,
  ): Promise<{ readonly state: ServiceState; readonly revision: number }> => {
    const key = keys.service(tenant, service)
    const { revision: found } = await truth.read(key)
    await truth.catchUp(key)
    const before = truth.view.serviceKey(tenant, service)
    if (found !== (before?.revision ?? 0) || reconciler.appliedRevision(tenant, service) !== found)
      throw new VelaError(
        'VELA_CLUSTER_CONFLICT',
        `${tenant}/${service} was changed on another host at the same time, and that change stands. See \`vela versions ${tenant}/${service}\`, then try again.`,
        { details: { tenant, service } },
      )
    const state = next(before?.value, randomUUID())
    const revision = await truth.write(key, found, encode(state))
    // The watch shows nothing new of what was written here.
    later(tenant, service)
    if (!state.live) return { state, revision }
    try {
      await reconciler.store(tenant, service, state, revision, given)
    } catch (error) {
      // It is in force: the copy is brought in line later.
      log.error('change not written to this host’s store', { tenant, service, error })
    }
    return { state, revision }
  }

  /** Two hosts may have accepted the same route at once: of the two changes the later one is taken back. */
  const keepRoutes = async (
    tenant: string,
    service: string,
    state: ServiceState,
    revision: number,
    before: ServiceState | undefined,
  ): Promise<void> => {
    await truth.catchUp(keys.service(tenant, service))
    const earlier = routedOf(truth).filter(
      (other) => (truth.view.serviceKey(other.tenant, other.service)?.revision ?? 0) < revision,
    )
    try {
      checkRoutes({ tenant, service, routes: state.routes }, earlier)
    } catch (error) {
      const back = before?.live === true ? { ...before, writer: randomUUID() } : deleted(state, randomUUID())
      await truth.write(keys.service(tenant, service), revision, encode(back))
      later(tenant, service)
      throw error
    }
  }

  const required = (tenant: string, service: string): ServiceState => {
    const state = truth.view.service(tenant, service)
    if (state !== undefined) return state
    throw new VelaError('VELA_SERVICE_NOT_FOUND', `The tenant ${tenant} has no service ${service}.`, {
      details: { tenant, service },
    })
  }

  const entryOf = (tenant: string, service: string, version: string): VersionEntry | undefined =>
    truth.view.service(tenant, service)?.versions.find((entry) => entry.version === version)

  const started = (entry: VersionEntry, engine: VersionEntry['engine']): VersionEntry => ({
    ...entry,
    vela,
    runtime: process.version,
    engine,
  })

  return {
    async activate(deployment, bundle) {
      const { tenant, manifest, version, createdAt } = deployment
      const service = manifest.name
      checkDeployment(deployment, bundle)
      ready()
      const names = await bundles.put(deployment, bundle)
      const tenantEra = truth.view.tenant(tenant)?.era
      if (tenantEra === undefined)
        throw new VelaError('VELA_TENANT_NOT_FOUND', `There is no tenant ${tenant}. Create it first.`)
      const previous = truth.view.serviceKey(tenant, service)?.value
      const override = truth.view.service(tenant, service)?.engine
      const engine = override ?? manifest.engine
      const entry = { version, ...names, createdAt, vela, runtime: process.version, engine }
      const { state, revision } = await change(
        tenant,
        service,
        (before, writer) =>
          activated(before, {
            place: `${tenant}/${service}`,
            entry,
            routes: manifest.routes,
            tenantEra,
            nowMs: Date.now(),
            writer,
          }),
        { deployment, bundle },
      )
      await bundles.keep(deployment, bundle, names)
      await keepRoutes(tenant, service, state, revision, previous)
      return recordOf(tenant, service, state)
    },
    async rollbackTarget(tenant, service, version) {
      ready()
      const entry = rollbackTarget(required(tenant, service), `${tenant}/${service}`, version)
      const deployment = await reconciler.deploymentOf(tenant, service, entry)
      if (deployment !== undefined) return deployment
      throw new VelaError('VELA_VERSION_NOT_FOUND', `The code of version ${entry.version} is not stored`)
    },
    async rollback(tenant, service, version) {
      ready()
      const place = `${tenant}/${service}`
      const previous = required(tenant, service)
      const target = rollbackTarget(previous, place, version)
      const deployment = await this.rollbackTarget(tenant, service, target.version)
      const bundle = await reconciler.bundleOf(tenant, service, target)
      const { routes } = deployment.manifest
      const { state, revision } = await change(
        tenant,
        service,
        (before, writer) => {
          const from = before ?? previous
          const engine = from.engine ?? deployment.manifest.engine
          const versions = from.versions.map((entry) =>
            entry.version === target.version ? started(entry, engine) : entry,
          )
          return rolledBack({ ...from, versions }, target.version, routes, Date.now(), writer)
        },
        { deployment, bundle },
      )
      await keepRoutes(tenant, service, state, revision, previous)
      return recordOf(tenant, service, state)
    },
    async deleteService(tenant, service) {
      ready()
      required(tenant, service)
      const { revision } = await change(tenant, service, (before, writer) =>
        deleted(before ?? required(tenant, service), writer, self),
      )
      reconciler.forget(tenant, service, revision)
      await local.deleteService(tenant, service)
    },
    async setEngine(tenant, service, engine) {
      ready()
      const present = activeEntry(required(tenant, service))
      const manifest = (await reconciler.deploymentOf(tenant, service, present))?.manifest
      const { state } = await change(tenant, service, (before, writer) => {
        const from = before ?? required(tenant, service)
        const next = engine ?? manifest?.engine ?? present.engine
        const versions = from.versions.map((entry) =>
          entry.version === from.activeVersion ? started(entry, next) : entry,
        )
        return { ...from, engine, versions, writer }
      })
      return recordOf(tenant, service, state)
    },
    async listVersions(tenant, service) {
      const state = truth.view.service(tenant, service)
      if (state === undefined) return await local.listVersions(tenant, service)
      const newest = state.versions.toReversed()
      try {
        const found = await Promise.all(
          newest.map((entry) => reconciler.deploymentOf(tenant, service, entry)),
        )
        return found.filter((deployment) => deployment !== undefined)
      } catch {
        // NATS is away: what this host has of them.
        return await local.listVersions(tenant, service)
      }
    },
    async getDeployment(tenant, service, version) {
      const here = await local.getDeployment(tenant, service, version)
      const entry = here === undefined ? entryOf(tenant, service, version) : undefined
      return entry === undefined ? here : await reconciler.deploymentOf(tenant, service, entry)
    },
    async getBundle(tenant, service, version) {
      const here = await local.getBundle(tenant, service, version)
      const entry = here === undefined ? entryOf(tenant, service, version) : undefined
      return entry === undefined ? here : await reconciler.bundleOf(tenant, service, entry)
    },
  }
}
