/** Part of the composition root: actors, joined with the services they belong to. */
import { setTimeout as sleep } from 'node:timers/promises'
import { actorClassesOf } from '../capabilities/actors.ts'
import type { CapabilityCall } from '../capabilities/capability.ts'
import { createActors, type ActorMeter, type Actors } from '../concurrency/actors/actors.ts'
import type { ActorService } from '../concurrency/actors/directory-contract.ts'
import { HOST } from '../concurrency/actors/host/host-actors.ts'
import { openActorStore, type ActorStore } from '../concurrency/actors/store/store.ts'
import type { Manifest, Registry } from '../registry/types.ts'
import type { Catalog } from '../services/catalog.ts'
import type { Service } from '../services/service.ts'
import { createServiceFetch } from '../services/service-fetch.ts'
import type { NodeCalls } from '../cluster/calls/calls.ts'
import type { Peers } from '../cluster/peers/types.ts'
import type { LogLevel } from '../registry/store/protocol.ts'
import type { ClusterParts } from './cluster.ts'
import type { Config } from './config.ts'
import { VelaError } from './errors.ts'
import type { Log } from './log.ts'

/** For what the host stored of actors while it was alone; the rest of it follows. */
const BRING_IN_MS = 30_000

export interface HostActorsDeps {
  readonly config: Config
  readonly log: Log
  readonly registry: Registry
  readonly catalog: Catalog
  readonly meter: ActorMeter
  /** null: this host is alone. */
  readonly cluster: Pick<ClusterParts, 'nats' | 'membership'> | null
  readonly peers: Peers | null
  readonly calls: NodeCalls | null
}

export async function createHostActors(deps: HostActorsDeps): Promise<Actors> {
  const { config, log, registry, catalog, meter, cluster, peers, calls } = deps
  const onLog = (level: LogLevel, message: string): void => log[level]('actors', { message })
  const store = await openActorStore({ dataDir: config.data, onLog })
  try {
    await forgetStrangers(store, registry)
  } catch (thrown) {
    await store.close()
    throw thrown
  }
  let requests = 0
  const requestIdOf = ({ requestId }: CapabilityCall): string =>
    requestId === '' ? `actor-${(++requests).toString(36)}` : requestId
  const classes = new WeakMap<Manifest, ReadonlySet<string>>()
  const classesOf = (manifest: Manifest): ReadonlySet<string> => {
    const known = classes.get(manifest) ?? actorClassesOf(manifest)
    classes.set(manifest, known)
    return known
  }

  const createLocal = (over: ActorStore): Actors =>
    createActors({
      store: over,
      meter,
      find(tenant, name) {
        const service = catalog.get(tenant, name)
        return service === undefined ? undefined : placeFor(service, classesOf)
      },
      createFetch(from, request, to, target) {
        const requestId = requestIdOf(from)
        return createServiceFetch(
          from,
          requestId,
          (error) => catalog.get(to.tenant, to.service)?.threw(error, requestId),
          {
            request,
            onAbsent: () => target.absent(),
            actor() {
              const carried = target.activation()
              return {
                class: to.class,
                name: to.name,
                activation: carried === null ? '' : JSON.stringify(carried),
              }
            },
          },
        )
      },
      onThrew: ({ tenant, service }, error, requestId) =>
        catalog.get(tenant, service)?.threw(error, requestId),
      onFailure: (what, error) => log.error('actors', { message: what, error }),
    })
  if (cluster === null || peers === null || calls === null) return createLocal(store)
  const { createActorsInCluster } = await import('../cluster/actors/assemble.ts')
  const { createFetchAt } = await import('../cluster/calls/fetch-at.ts')
  const cache = await openActorStore({ dataDir: null, onLog })
  const actors = createActorsInCluster({
    ...cluster,
    peers,
    log,
    cache,
    own: store,
    createLocal,
    fetchAt: createFetchAt({
      calls,
      // What it throws is in the log of the host where it lives.
      createFetch: (from, request) =>
        createServiceFetch(from, requestIdOf(from), () => undefined, { request }),
    }),
  })
  // Before this host serves, so that nobody meets an actor without what it had.
  if (cluster.nats.state === 'connected')
    await Promise.race([actors.broughtIn, sleep(BRING_IN_MS, undefined, { ref: false })])
  return actors
}

function placeFor(service: Service, classesOf: (manifest: Manifest) => ReadonlySet<string>): ActorService {
  return {
    declares: (className) => classesOf(service.active.deployment.manifest).has(className),
    homes: () => service.active.live.homes(),
    async start() {
      const { live } = service.active
      if (live.state === 'paused')
        throw new VelaError('VELA_GUEST_QUARANTINED', 'The service broke its limits too often; it is paused')
      try {
        await live.start()
      } catch (thrown) {
        if (!(thrown instanceof VelaError) || !thrown.code.startsWith('VELA_DEPLOY_')) throw thrown
        // What the guest says about it is the tenant's: it goes to the log, not to whoever called.
        const { stack } = thrown.details
        service.threw(
          { name: 'Start failed', message: thrown.message, ...(typeof stack === 'string' ? { stack } : {}) },
          '',
        )
        throw new VelaError('VELA_GUEST_THREW', 'The service does not start')
      }
    },
  }
}

/** A host that ended between the two steps of deleting a service or a tenant finishes it here. */
async function forgetStrangers(store: ActorStore, registry: Registry): Promise<void> {
  const known = new Set((await registry.listServices()).map(({ tenant, service }) => `${tenant}/${service}`))
  for (const { tenant, service } of await store.services())
    if (tenant !== HOST && !known.has(`${tenant}/${service}`)) await store.drop(tenant, service)
}
