/**
 * What a tenant's actors store in the whole cluster, for the quota. It is counted in the log when it is first wanted, then kept by what this host
 * writes, and counted anew now and then, and sooner near the quota: several hosts may together go over it by what they write in
 * these seconds, and no further.
 */
import type { ActorUsage } from './log.ts'

export interface Quotas {
  /** Bytes that the tenant's actors have, all told. At once if it is known. */
  bytesOf(tenant: string, quotaBytes: number): number | Promise<number>
  /** This host has written. */
  add(tenant: string, bytes: number): void
  forget(tenant: string): void
}

interface Counted {
  bytes: number
  atMs: number
  tookMs: number
  counting: Promise<number> | undefined
}

const FRESH_MS = 20_000
const FRESH_NEAR_MS = 2000
/** Of the quota. */
const NEAR = 0.9
/** Counting takes one part in so many of the time, at most. */
const SHARE = 20

export function createQuotas(
  usage: (tenant: string) => Promise<ActorUsage>,
  now: () => number = () => performance.now(),
): Quotas {
  const tenants = new Map<string, Counted>()

  const count = (tenant: string, counted: Counted): Promise<number> => {
    counted.counting ??= (async () => {
      const startMs = now()
      try {
        const { bytes } = await usage(tenant)
        counted.bytes = bytes
        return bytes
      } finally {
        counted.atMs = now()
        counted.tookMs = counted.atMs - startMs
        counted.counting = undefined
      }
    })()
    return counted.counting
  }

  return {
    bytesOf(tenant, quotaBytes) {
      const known = tenants.get(tenant)
      if (known === undefined) {
        const fresh: Counted = { bytes: 0, atMs: -Infinity, tookMs: 0, counting: undefined }
        tenants.set(tenant, fresh)
        return count(tenant, fresh).catch((thrown: unknown) => {
          tenants.delete(tenant)
          throw thrown
        })
      }
      if (known.atMs === -Infinity) return count(tenant, known)
      const ageMs = now() - known.atMs
      const leastMs = known.tookMs * SHARE
      if (known.bytes > quotaBytes * NEAR && ageMs > Math.max(FRESH_NEAR_MS, leastMs))
        return count(tenant, known)
      if (ageMs > Math.max(FRESH_MS, leastMs)) count(tenant, known).catch(() => undefined)
      return known.bytes
    },
    add(tenant, bytes) {
      const known = tenants.get(tenant)
      if (known !== undefined) known.bytes += bytes
    },
    forget: (tenant) => void tenants.delete(tenant),
  }
}
