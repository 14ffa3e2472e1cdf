/**
 * The registry of a host alone, while a tenant is deleted: what it stored is erased after the registry has forgotten it, and takes time.
 * Until that is done no tenant can be made under its name, which would meet what is old and lose what is new. If the erasure fails the
 * name stays taken until the host starts again, which finishes it.
 */
import { VelaError } from '../core/errors.ts'
import type { Registry } from './types.ts'

export function withErasing(local: Registry): Registry {
  const names = new Set<string>()
  return {
    ...local,
    async createTenant(name, limits) {
      if (names.has(name) && (await local.getTenant(name)) === undefined)
        throw new VelaError(
          'VELA_CLUSTER_CONFLICT',
          `What the deleted ${name} stored is still being erased. Try again in a moment; if that goes on, see the host’s log and start it again.`,
        )
      return await local.createTenant(name, limits)
    },
    async erasing(tenant, service, work) {
      // A deploy of the service waits for its deletion.
      if (service !== null || names.has(tenant)) return await work()
      names.add(tenant)
      let isHalf = false
      try {
        isHalf = (await local.getTenant(tenant)) !== undefined
        const result = await work()
        isHalf = false
        return result
      } catch (error) {
        isHalf &&= (await local.getTenant(tenant)) === undefined
        throw error
      } finally {
        if (!isHalf) names.delete(tenant)
      }
    },
  }
}
