/**
 * Every deployed service of this host, and the routes that lead to them. Built from the registry at start, changed by
 * deploys; the router is rebuilt and swapped whole.
 */
import { createRouter, type Router } from '../http/router.ts'
import type { Service } from './service.ts'

export interface Catalog {
  get(tenant: string, service: string): Service | undefined
  add(service: Service): void
  /** The routes of a service may have changed. */
  refresh(): void
  remove(service: Service): void
  values(): IterableIterator<Service>
  readonly router: Router<Service>
  readonly size: number
}

export function createCatalog(): Catalog {
  const services = new Map<string, Service>()
  let router: Router<Service> | undefined
  const build = (): Router<Service> =>
    createRouter(
      [...services.values()].map((target) => ({
        tenant: target.tenant,
        service: target.service,
        routes: target.active.deployment.manifest.routes,
        target,
      })),
    )
  return {
    get: (tenant, service) => services.get(`${tenant}/${service}`),
    add(service) {
      services.set(`${service.tenant}/${service.service}`, service)
      router = undefined
    },
    refresh() {
      router = undefined
    },
    remove(service) {
      services.delete(`${service.tenant}/${service.service}`)
      router = undefined
    },
    values: () => services.values(),
    get router() {
      return (router ??= build())
    },
    get size() {
      return services.size
    },
  }
}
