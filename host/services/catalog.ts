/**
 * Every deployed service of this host, and the routes that lead to them. Built from the registry at start, changed by
 * deploys; the router is rebuilt and swapped whole.
 */
import { VelaError } from '../core/errors.ts'
import { createRouter, type Router } from '../http/router.ts'
import type { Service } from './service.ts'

export interface Catalog {
  get(tenant: string, service: string): Service | undefined
  /** Throws VELA_SERVICE_NOT_FOUND. */
  find(tenant: string, service: string): Service
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
      // The longest in place first: of two that have one route, every host then chooses the same.
      [...services.values()].sort(bySeniority).map((target) => ({
        tenant: target.tenant,
        service: target.service,
        routes: target.active.deployment.manifest.routes,
        target,
      })),
    )
  const get = (tenant: string, service: string): Service | undefined => services.get(`${tenant}/${service}`)
  return {
    get,
    find(tenant, service) {
      const found = get(tenant, service)
      if (found !== undefined) return found
      throw new VelaError('VELA_SERVICE_NOT_FOUND', `There is no service ${tenant}/${service}`)
    },
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

function bySeniority(a: Service, b: Service): number {
  return a.updatedAt - b.updatedAt || (`${a.tenant}/${a.service}` < `${b.tenant}/${b.service}` ? -1 : 1)
}
