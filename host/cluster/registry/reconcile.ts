/**
 * Brings this host to what the cluster's registry says, part by part and whatever happened in between: it compares states and replays
 * nothing, so a change that was missed, came twice or failed half-way is mended by the next look. Before services run it writes the
 * store alone; afterwards they follow.
 */
import { toVelaError, VelaError } from '../../core/errors.ts'
import type { Log } from '../../core/log.ts'
import { canonicalJson } from '../../registry/canonical-json.ts'
import type { LocalRegistry } from '../../registry/registry.ts'
import type { SecretBox } from '../../registry/secret-box.ts'
import type { Bundle, Deployment, ServiceRecord, Tenant } from '../../registry/types.ts'
import type { Bundles } from './bundles.ts'
import type { Follower } from './follower.ts'
import type { ServiceState, VersionEntry } from './records.ts'
import { createSettings } from './settings.ts'
import type { View } from './view.ts'

export interface ReconcilerDeps {
  readonly local: LocalRegistry
  readonly view: () => View
  readonly bundles: Bundles
  /** Undefined without a cluster key. */
  readonly box: SecretBox | undefined
  readonly follower: () => Follower | undefined
  /** Started for real by a host such as this one. */
  readonly isAccepted: (entry: VersionEntry) => boolean
  readonly log: Log
}

export interface Reconciler {
  tenant(name: string): Promise<void>
  /** With its secrets and decisions. */
  service(tenant: string, service: string): Promise<void>
  token(digest: string): Promise<void>
  /** Names of everything that there is, here or in the cluster. */
  everything(): Promise<Everything>
  /** The revision of the service's key that this host acts by. */
  appliedRevision(tenant: string, service: string): number
  /** Into this host's store, after a change that was made here. */
  store(
    tenant: string,
    service: string,
    state: ServiceState,
    revision: number,
    added?: { readonly deployment: Deployment; readonly bundle: Bundle },
  ): Promise<void>
  /** It was deleted here. */
  forget(tenant: string, service: string, revision: number): void
  deploymentOf(tenant: string, service: string, entry: VersionEntry): Promise<Deployment | undefined>
  bundleOf(tenant: string, service: string, entry: VersionEntry): Promise<Bundle>
}

export interface Everything {
  readonly tenants: readonly string[]
  readonly services: readonly { readonly tenant: string; readonly service: string }[]
  readonly tokens: readonly string[]
}

export function createReconciler(deps: ReconcilerDeps): Reconciler {
  const { local, view, bundles, follower, isAccepted, log } = deps
  const applied = new Map<string, number>()
  /** Eras of what runs here. */
  const running = new Map<string, string>()
  /** Revisions whose version did not start here: tried again. */
  const failing = new Map<string, number>()
  const { secrets, grants } = createSettings(deps)

  const deploymentOf: Reconciler['deploymentOf'] = async (tenant, service, entry) =>
    (await local.getDeployment(tenant, service, entry.version)) ??
    (await bundles.deployment(tenant, service, entry))

  const bundleOf: Reconciler['bundleOf'] = async (tenant, service, entry) => {
    const own = await local.getBundle(tenant, service, entry.version)
    if (own !== undefined) return own
    const deployment = await requireDeployment(tenant, service, entry)
    return await bundles.bundle(tenant, service, entry, deployment.manifest)
  }

  const requireDeployment = async (
    tenant: string,
    service: string,
    entry: VersionEntry,
  ): Promise<Deployment> => {
    const found = await deploymentOf(tenant, service, entry)
    if (found !== undefined) return found
    throw new VelaError(
      'VELA_STORE_DAMAGED',
      `The manifest of ${tenant}/${service} ${entry.version} is missing in the cluster. Deploy the service again.`,
    )
  }

  const store: Reconciler['store'] = async (tenant, service, state, revision, given) => {
    const { activeVersion, updatedAt, engine, trail } = state
    const added = given === undefined ? [] : [given]
    const here = await local.getDeployment(tenant, service, activeVersion)
    if (here === undefined && given?.deployment.version !== activeVersion) {
      const entry = activeEntry(state)
      const deployment = await requireDeployment(tenant, service, entry)
      added.push({ deployment, bundle: await bundleOf(tenant, service, entry) })
    }
    const versions = state.versions.map(({ version }) => version)
    await local.mirror.putService(
      { tenant, service, activeVersion, updatedAt, engine, versions, trail },
      added,
    )
    applied.set(`${tenant}/${service}`, revision)
    running.set(`${tenant}/${service}`, eraOf(state))
    failing.delete(`${tenant}/${service}`)
  }

  const tenant = async (name: string): Promise<void> => {
    const wanted = view().tenant(name)
    const here = await local.getTenant(name)
    // Made again while this host was away: what is here belonged to the one that was deleted.
    const isAnother = here !== undefined && here.createdAt !== wanted?.createdAt
    if (isAnother) {
      // The store last: while it has the tenant, what failed half-way is done again.
      await follower()?.dropTenant(name)
      await local.deleteTenant(name, true)
      log.info('tenant deleted on another host', { tenant: name })
    }
    if (wanted === undefined) return
    if (!isAnother && here !== undefined && sameJson(here.limits, wanted.limits)) return
    await local.mirror.putTenant({ name, limits: wanted.limits, createdAt: wanted.createdAt })
  }

  const follow = async (
    owner: string,
    name: string,
    state: ServiceState,
    revision: number,
  ): Promise<void> => {
    const entry = activeEntry(state)
    const deployment = await requireDeployment(owner, name, entry)
    const record = recordOf(owner, name, state)
    const engine = state.engine ?? deployment.manifest.engine
    let bundle: Bundle | undefined
    const getBundle = async (): Promise<Bundle> => (bundle ??= await bundleOf(owner, name, entry))
    const accept = async (): Promise<void> =>
      store(owner, name, state, revision, { deployment, bundle: await getBundle() })
    const services = follower()
    if (services === undefined) return accept()
    const accepted = isAccepted(entry) && entry.engine === engine
    try {
      await services.adopt({ deployment, record, engine, bundle: getBundle, accepted, store: accept })
      log.info('deployed on another host', { tenant: owner, service: name, version: entry.version })
    } catch (thrown) {
      const error = toVelaError(thrown, 'VELA_CELL_START_FAILED')
      // Not of the version's making: tried again.
      if (error.code === 'VELA_CLUSTER_UNAVAILABLE' || error.code.startsWith('VELA_STORE_')) throw error
      const place = `${owner}/${name}`
      if (failing.get(place) !== revision)
        log.error('version of another host does not start here, the old one stays until it does', {
          tenant: owner,
          service: name,
          version: entry.version,
          error,
        })
      // Whoever deploys here or rolls back knows what he replaces.
      applied.set(place, revision)
      failing.set(place, revision)
      throw error
    }
  }

  /** Deleted, or deleted and made again while this host did not look: what runs here is the former one, with all it has in memory. */
  const dropFormer = async (owner: string, name: string): Promise<void> => {
    const place = `${owner}/${name}`
    const state = view().service(owner, name)
    if (state !== undefined && (running.get(place) ?? eraOf(state)) === eraOf(state)) return
    await follower()?.dropService(owner, name)
    const here = (await local.listServices()).some((one) => one.tenant === owner && one.service === name)
    if (here) {
      await local.deleteService(owner, name)
      log.info('service deleted on another host', { tenant: owner, service: name })
    }
    running.delete(place)
    failing.delete(place)
    if (state === undefined) applied.set(place, view().serviceKey(owner, name)?.revision ?? 0)
  }

  const active = async (owner: string, name: string): Promise<void> => {
    const place = `${owner}/${name}`
    const revision = view().serviceKey(owner, name)?.revision ?? 0
    const state = view().service(owner, name)
    if (state === undefined) return
    if (applied.get(place) === revision && running.has(place) && !failing.has(place)) return
    await follow(owner, name, state, revision)
  }

  return {
    tenant,
    store,
    deploymentOf,
    bundleOf,
    async service(owner, name) {
      await tenant(owner)
      const alone = <Result>(work: () => Promise<Result>): Promise<Result> =>
        follower()?.exclusively(owner, name, work) ?? work()
      await alone(() => dropFormer(owner, name))
      if (view().tenant(owner) === undefined) return
      // What it needs to start is here before it is.
      await secrets(owner, name)
      await grants(owner, name)
      await alone(() => active(owner, name))
    },
    async token(digest) {
      const wanted = view().token(digest)
      if (wanted !== undefined) {
        const { id, scopes, createdAt } = wanted
        if (wanted.tenant !== null) await tenant(wanted.tenant)
        const token = { id, tenant: wanted.tenant, scopes, createdAt, digest: Buffer.from(digest, 'hex') }
        return await local.mirror.putToken(token)
      }
      const here = (await local.mirror.tokens()).find(
        (one) => Buffer.from(one.digest).toString('hex') === digest,
      )
      if (here !== undefined) await local.deleteToken(here.id)
    },
    async everything() {
      const now = view()
      const services = [...now.services(), ...now.places(), ...(await local.listServices())]
      services.push(...((await local.mirror.placesWithSecrets()) as ServiceRecord[]))
      const places = new Map(
        services.map(({ tenant: owner, service }) => [`${owner}/${service}`, { tenant: owner, service }]),
      )
      const hexOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')
      const here = await local.mirror.tokens()
      const known = new Map(here.map((token) => [hexOf(token.digest), token.id]))
      const tokens = now.tokens().filter(({ digest, token }) => known.get(digest) !== token.id)
      const gone = [...known.keys()].filter((digest) => now.token(digest) === undefined)
      return {
        tenants: [...new Set([...now.tenants(), ...(await local.listTenants()).map(({ name }) => name)])],
        services: [...places.values()],
        tokens: [...tokens.map(({ digest }) => digest), ...gone],
      }
    },
    appliedRevision: (owner, name) => applied.get(`${owner}/${name}`) ?? 0,
    forget(owner, name, revision) {
      applied.set(`${owner}/${name}`, revision)
      running.delete(`${owner}/${name}`)
      failing.delete(`${owner}/${name}`)
    },
  }
}

export function recordOf(tenant: string, service: string, state: ServiceState): ServiceRecord {
  const { activeVersion, updatedAt, engine } = state
  return { tenant, service, activeVersion, updatedAt, ...(engine === null ? {} : { engineOverride: engine }) }
}

export function activeEntry(state: ServiceState): VersionEntry {
  // The record was refused when it lists no such version.
  return state.versions.find(({ version }) => version === state.activeVersion) as VersionEntry
}

const eraOf = ({ tenantEra, era }: ServiceState): string => `${tenantEra}.${era}`

const sameJson = (a: Tenant['limits'], b: Tenant['limits']): boolean => canonicalJson(a) === canonicalJson(b)
