/**
 * What a host that was never in this cluster brings along. Of an empty cluster it is the first and its registry becomes the cluster's;
 * into another it brings what does not conflict. What does conflict is named in the log and is then, as everything that the
 * cluster does not have, removed from this host: a name means the same on all hosts. A host that is a copy of this cluster
 * already brings nothing: what only it has was deleted while it was away.
 */
import { randomUUID } from 'node:crypto'
import { VelaError } from '../../core/errors.ts'
import type { Log } from '../../core/log.ts'
import type { LocalRegistry } from '../../registry/registry.ts'
import type { SecretBox } from '../../registry/secret-box.ts'
import type { Deployment, ServiceRecord } from '../../registry/types.ts'
import type { Bundles } from './bundles.ts'
import { encode, fieldsOf, keys, type ServiceState, type VersionEntry } from './records.ts'
import { beingErased } from './service-state.ts'
import type { Truth } from './truth.ts'

export interface JoinDeps {
  readonly local: LocalRegistry
  readonly truth: Truth
  readonly bundles: Bundles
  readonly box: SecretBox | undefined
  /** Throws when a route of the candidate belongs to another. */
  readonly checkRoutes: (candidate: Routed, others: Iterable<Routed>) => void
  readonly vela: string
  readonly log: Log
}

export interface Routed {
  readonly tenant: string
  readonly service: string
  readonly routes: readonly string[]
}

/** Resolves when this host's store may be made a copy of the cluster. Done again from the start if it is interrupted. */
export async function join(deps: JoinDeps): Promise<void> {
  const { local, truth, log } = deps
  const { id, isNew } = await truth.identify()
  const own = await local.mirror.cluster()
  if (own === id) return
  log.info(isNew ? 'first host of a new cluster' : 'joins a cluster', { cluster: id })
  for (const tenant of await local.listTenants()) await bringTenant(deps, tenant.name)
  for (const record of await local.listServices()) await bringService(deps, record)
  for (const place of await local.mirror.placesWithSecrets()) await bringSecrets(deps, place)
  for (const grant of await local.listGrants()) {
    const { tenant, service, binding, state, asked } = grant
    const eras = truth.view.eras(tenant, service)
    if (eras !== undefined)
      await add(deps, keys.grant(tenant, service, binding), { ...eras, binding, state, asked })
  }
  for (const { digest, ...token } of await local.mirror.tokens()) {
    const tenantEra = token.tenant === null ? 0 : truth.view.tenant(token.tenant)?.era
    if (tenantEra !== undefined) await add(deps, keys.token(digest), { ...token, tenantEra })
  }
  await local.mirror.setCluster(id)
}

async function bringTenant({ local, truth, log }: JoinDeps, name: string): Promise<void> {
  const here = await local.getTenant(name)
  if (here === undefined) return
  const { revision } = await truth.read(keys.tenant(name))
  await truth.catchUp(keys.tenant(name))
  const there = truth.view.tenant(name)
  if (there === undefined) {
    if (truth.view.tenantKey(name)?.value.erasing !== undefined) throw beingErased(name)
    const era = (truth.view.tenantKey(name)?.value.era ?? 0) + 1
    const record = { era, live: true, limits: here.limits, createdAt: here.createdAt }
    if (await accepted(truth.write(keys.tenant(name), revision, encode(record)))) return
    return await bringTenant({ local, truth, log } as JoinDeps, name)
  }
  if (JSON.stringify(there.limits) !== JSON.stringify(here.limits))
    log.warn('limits of a tenant differ, the cluster’s stand', { tenant: name })
  // The same tenant from here on; a later deletion in the cluster deletes it here.
  await local.mirror.putTenant({ name, limits: there.limits, createdAt: there.createdAt })
}

async function bringService(deps: JoinDeps, record: ServiceRecord): Promise<void> {
  const { local, truth, bundles, checkRoutes, log } = deps
  const { tenant, service, activeVersion } = record
  const key = keys.service(tenant, service)
  const { revision } = await truth.read(key)
  await truth.catchUp(key)
  const { view } = truth
  const there = view.service(tenant, service)
  const eras = view.eras(tenant, service)
  if (eras === undefined) return
  const stays = (why: string): void =>
    log.warn('service of this host not brought into the cluster', {
      tenant,
      service,
      version: activeVersion,
      why,
    })
  if (there !== undefined) {
    if (there.activeVersion !== activeVersion) stays(`the cluster has version ${there.activeVersion}`)
    return
  }
  const deployments = (await local.listVersions(tenant, service)).toReversed()
  const routes = deployments.find(({ version }) => version === activeVersion)?.manifest.routes ?? []
  try {
    checkRoutes({ tenant, service, routes }, routedOf(truth))
  } catch (error) {
    return stays(error instanceof Error ? error.message : 'its routes conflict')
  }
  const versions: VersionEntry[] = []
  for (const deployment of deployments) {
    const entry = await upload(deps, bundles, deployment)
    if (entry !== undefined) versions.push(entry)
  }
  const known = new Set(versions.map(({ version }) => version))
  if (!known.has(activeVersion)) return stays('its code is not stored')
  const state: ServiceState = {
    era: eras.serviceEra,
    live: true,
    tenantEra: eras.tenantEra,
    activeVersion,
    updatedAt: record.updatedAt,
    engine: record.engineOverride ?? null,
    routes,
    versions,
    trail: (await local.mirror.trail(tenant, service)).filter((version) => known.has(version)),
    writer: randomUUID(),
  }
  // Somebody brought or deployed it just now: looked at again.
  if (!(await accepted(truth.write(key, revision, encode(state))))) await bringService(deps, record)
}

async function upload(
  { local, vela }: JoinDeps,
  bundles: Bundles,
  deployment: Deployment,
): Promise<VersionEntry | undefined> {
  const { tenant, service, version, createdAt, manifest } = deployment
  const bundle = await local.getBundle(tenant, service, version)
  if (bundle === undefined) return undefined
  const names = await bundles.put(deployment, bundle)
  return { version, ...names, createdAt, vela, runtime: process.version, engine: manifest.engine }
}

async function bringSecrets(
  deps: JoinDeps,
  { tenant, service }: { readonly tenant: string; readonly service: string },
): Promise<void> {
  const { local, truth, box, log } = deps
  const eras = truth.view.eras(tenant, service)
  if (eras === undefined) return
  if (box === undefined)
    throw new VelaError(
      'VELA_CLUSTER_NO_KEY',
      `${tenant}/${service} has secrets, which go to other hosts only sealed: set nats.clusterKey (VELA_NATS_CLUSTER_KEY), the same on all hosts.`,
    )
  const there = truth.view.secrets(tenant, service)
  for (const [key, value] of Object.entries(await local.readSecrets(tenant, service))) {
    if (there.has(key)) {
      log.warn('secret of this host not brought into the cluster, which has one', { tenant, service, key })
      continue
    }
    const sealed = Buffer.from(box.seal({ tenant, service, key }, value)).toString('base64')
    await add(deps, keys.secret(tenant, service, key), { ...eras, sealed })
  }
}

/** Unless there is one in force. */
async function add({ truth }: JoinDeps, key: string, record: Parameters<typeof encode>[0]): Promise<void> {
  const { revision, bytes } = await truth.read(key)
  const text = encode(record)
  const eras = bytes === undefined ? undefined : fieldsOf(bytes)
  if (eras !== undefined && isOfEra(eras, record)) return
  await accepted(truth.write(key, revision, text))
}

function isOfEra(a: object, b: object): boolean {
  const of = (value: object, name: string): unknown => (value as Record<string, unknown>)[name]
  return of(a, 'tenantEra') === of(b, 'tenantEra') && of(a, 'serviceEra') === of(b, 'serviceEra')
}

/** False when somebody else was first. */
async function accepted(write: Promise<number>): Promise<boolean> {
  try {
    await write
    return true
  } catch (error) {
    if (error instanceof VelaError && error.code === 'VELA_CLUSTER_CONFLICT') return false
    throw error
  }
}

export const routedOf = (truth: Truth): Routed[] =>
  truth.view.services().map(({ tenant, service, state }) => ({ tenant, service, routes: state.routes }))
