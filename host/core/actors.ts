/** Part of the composition root: actors, joined with the services they belong to. */
import { actorClassesOf } from '../capabilities/actors.ts'
import { createActors, type ActorMeter, type Actors } from '../concurrency/actors/actors.ts'
import type { ActorService } from '../concurrency/actors/directory-contract.ts'
import { HOST } from '../concurrency/actors/host/host-actors.ts'
import { openActorStore, type ActorStore } from '../concurrency/actors/store/store.ts'
import type { Manifest, Registry } from '../registry/types.ts'
import type { Catalog } from '../services/catalog.ts'
import type { Service } from '../services/service.ts'
import { createServiceFetch } from '../services/service-fetch.ts'
import type { Config } from './config.ts'
import { VelaError } from './errors.ts'
import type { Log } from './log.ts'

export interface HostActorsDeps {
  readonly config: Config
  readonly log: Log
  readonly registry: Registry
  readonly catalog: Catalog
  readonly meter: ActorMeter
}

export async function createHostActors(deps: HostActorsDeps): Promise<Actors> {
  const { config, log, registry, catalog, meter } = deps
  const store = await openActorStore({
    dataDir: config.data,
    onLog: (level, message) => log[level]('actors', { message }),
  })
  try {
    await forgetStrangers(store, registry)
  } catch (thrown) {
    await store.close()
    throw thrown
  }
  let requests = 0
  const classes = new WeakMap<Manifest, ReadonlySet<string>>()
  const classesOf = (manifest: Manifest): ReadonlySet<string> => {
    const known = classes.get(manifest) ?? actorClassesOf(manifest)
    classes.set(manifest, known)
    return known
  }

  return createActors({
    store,
    meter,
    find(tenant, name) {
      const service = catalog.get(tenant, name)
      return service === undefined ? undefined : placeFor(service, classesOf)
    },
    createFetch(from, request, to, target) {
      const requestId = from.requestId === '' ? `actor-${(++requests).toString(36)}` : from.requestId
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
    onThrew: ({ tenant, service }, error, requestId) => catalog.get(tenant, service)?.threw(error, requestId),
    onFailure: (what, error) => log.error('actors', { message: what, error }),
  })
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
