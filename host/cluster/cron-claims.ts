/**
 * A minute of a schedule is run once in the cluster: by the host that it falls to, and only if no other has claimed it, since two
 * hosts may see different nodes for a moment. A claim is never taken back: a host that is stopped after it has not run that minute.
 */
import { createHash } from 'node:crypto'
import type { Log } from '../core/log.ts'
import type { Nats } from '../nats/types.ts'
import { openBucket } from './buckets.ts'
import type { Membership } from './types.ts'

const KEPT_MS = 10 * 60_000

export interface CronClaimsDeps {
  readonly nats: Pick<Nats, 'prefix' | 'replicas' | 'jetstream'>
  readonly membership: Pick<Membership, 'isMine'>
  readonly log: Log
}

/** Resolves true on one host at most. */
export type CronClaims = (tenant: string, service: string, cron: string, minuteMs: number) => Promise<boolean>

export function createCronClaims({ nats, membership, log }: CronClaimsDeps): CronClaims {
  return async (tenant, service, cron, minuteMs) => {
    if (!membership.isMine(`cron/${tenant}/${service}`)) return false
    const digest = createHash('sha256').update(cron).digest('hex').slice(0, 16)
    try {
      const claims = await openBucket(nats, `${nats.prefix}-cron`, { ttl: KEPT_MS })
      await claims.create(`${tenant}.${service}.${digest}.${minuteMs}`, '')
      return true
    } catch (error) {
      log.debug('minute of a schedule not claimed', { tenant, service, cron, error })
      return false
    }
  }
}
