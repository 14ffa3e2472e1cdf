/**
 * Counts the bytes of guests that the host holds between a guest and the store: values that arrive or wait to be
 * written, and large ones that a guest was given and has not read. Threat: a tenant that starts many transfers and ends
 * none of them would fill the host's memory; it is refused instead.
 */
import { VelaError } from '../core/errors.ts'
import type { MemoryBudget } from './types.ts'

export interface MemoryLimits {
  readonly tenantBytes: number
  readonly totalBytes: number
}

export function createMemoryBudget({ tenantBytes, totalBytes }: MemoryLimits): MemoryBudget {
  const held = new Map<string, number>()
  let total = 0
  return {
    take(tenant, bytes) {
      const mine = (held.get(tenant) ?? 0) + bytes
      if (mine > tenantBytes) {
        throw new VelaError(
          'VELA_TENANT_QUOTA_EXCEEDED',
          `Values of ${tenantBytes} bytes are on their way to and from the store, which is as much as a tenant may have there. Await some of them first.`,
        )
      }
      if (total + bytes > totalBytes)
        throw new VelaError(
          'VELA_STORE_FAILED',
          'Too much waits for the store. Try again when it is less busy.',
        )
      held.set(tenant, mine)
      total += bytes
    },
    give(tenant, bytes) {
      total -= bytes
      const mine = (held.get(tenant) ?? 0) - bytes
      if (mine > 0) held.set(tenant, mine)
      else held.delete(tenant)
    },
  }
}
