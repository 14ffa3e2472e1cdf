/**
 * How fast the guests of a tenant may publish, all together: what they publish is carried by the host's own thread, which belongs
 * to all tenants. A bucket for each tenant that has published lately; what is over is refused and tells the guest so.
 */
import { GuestFacingError } from './capability.ts'

/** Events a second if a policy says nothing; each begun KiB of data counts as one. */
const DEFAULT_EVENT_RATE = 250_000
/** A tenant that is quiet may publish so many seconds' worth at once. */
const BURST_SECONDS = 2
const MOST_BUCKETS = 4_096

interface Bucket {
  left: number
  atMs: number
}

export interface EventRates {
  /** Throws VELA_EVENTS_OVERLOADED. `rate` null: the default. */
  take(tenant: string, rate: number | null, cost: number): void
}

export function createEventRates(now: () => number = () => performance.now()): EventRates {
  const buckets = new Map<string, Bucket>()

  /** Those that are full again are as good as new. */
  const forgetFull = (atMs: number): void => {
    for (const [tenant, { atMs: lastMs }] of buckets)
      if (atMs - lastMs > BURST_SECONDS * 1000) buckets.delete(tenant)
  }

  return {
    take(tenant, rate, cost) {
      const perSecond = rate ?? DEFAULT_EVENT_RATE
      const most = perSecond * BURST_SECONDS
      const atMs = now()
      let bucket = buckets.get(tenant)
      if (bucket === undefined) {
        if (buckets.size >= MOST_BUCKETS) forgetFull(atMs)
        bucket = { left: most, atMs }
        buckets.set(tenant, bucket)
      }
      bucket.left = Math.min(most, bucket.left + ((atMs - bucket.atMs) / 1000) * perSecond)
      bucket.atMs = atMs
      // One that is dearer than all there can be would never pass: it may go when the bucket is full.
      if (bucket.left < Math.min(cost, most))
        throw new GuestFacingError(
          'Error',
          `This tenant publishes more than ${perSecond} events a second; wait a little`,
          'VELA_EVENTS_OVERLOADED',
        )
      bucket.left -= cost
    },
  }
}
