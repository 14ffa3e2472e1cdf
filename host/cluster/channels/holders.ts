/**
 * Which host holds which channel. The truth is a key of a bucket for each, written by compare-and-set: the first host that uses the channel
 * holds it until that host is gone.
 */
import type { KV } from '@nats-io/kv'
import { toVelaError, VelaError } from '../../core/errors.ts'
import { isWrongSequence } from '../../nats/api-errors.ts'
import type { Nats } from '../../nats/types.ts'
import type { Membership } from '../types.ts'

export interface Holders {
  /** The node that holds it, which is this one if none did. Rejects VELA_CLUSTER_UNAVAILABLE. */
  find(tenant: string, name: string): Promise<string>
  /** What was held here and is another's now, since this host could not be reached. */
  lostSince(): Promise<readonly { readonly tenant: string; readonly name: string }[]>
  /** What is known here of a tenant's. */
  forget(tenant: string): void
  /** No channel of a tenant is held by anybody. Rejects VELA_CLUSTER_UNAVAILABLE. */
  erase(tenant: string): Promise<void>
}

export interface HoldersDeps {
  readonly nats: Pick<Nats, 'prefix' | 'kv' | 'state'>
  readonly membership: Pick<Membership, 'self' | 'isAlive' | 'holdsLease'>
}

const MOST_TRIES = 8
/** Tries at which NATS may stay silent; each takes its seconds. */
const ANSWERS_LOST = 3
/** Copies of what others hold: the oldest make room. */
const MOST_KNOWN = 10_000
const LOOKS_AT_ONCE = 128

export const channelKey = (tenant: string, name: string): string => `${tenant}.${name}`

export function createHolders({ nats, membership }: HoldersDeps): Holders {
  const known = new Map<string, Promise<string> | string>()
  const { self } = membership

  const bucket = (): Promise<KV> => nats.kv(`${nats.prefix}-channels`, { history: 1 })

  const claim = async (kv: KV, key: string, revision: number): Promise<boolean> => {
    try {
      await kv.put(key, self, { previousSeq: revision })
      return true
    } catch (thrown) {
      if (isWrongSequence(thrown)) return false
      throw thrown
    }
  }

  /** undefined: somebody was quicker. */
  const look = async (key: string): Promise<string | undefined> => {
    const kv = await bucket()
    const entry = await kv.get(key)
    const holder = entry?.operation === 'PUT' ? entry.string() : undefined
    if (holder !== undefined && membership.isAlive(holder)) return holder
    if (!membership.holdsLease)
      throw new VelaError(
        'VELA_CLUSTER_UNAVAILABLE',
        'This host is not part of the cluster just now; retry later',
      )
    return (await claim(kv, key, entry?.revision ?? 0)) ? self : undefined
  }

  const ask = async (key: string): Promise<string> => {
    for (let tries = 1; tries <= MOST_TRIES; tries++) {
      try {
        const holder = await look(key)
        if (holder !== undefined) return holder
      } catch (thrown) {
        // An answer that was lost: what this host may have claimed all the same is found at the next look.
        const isLost = !(thrown instanceof VelaError) && tries < ANSWERS_LOST && nats.state === 'connected'
        if (!isLost) throw thrown
      }
    }
    throw new VelaError('VELA_CLUSTER_UNAVAILABLE', 'The channel changes hosts too often; retry later')
  }

  const remember = (key: string, holder: Promise<string> | string): void => {
    known.set(key, holder)
    if (known.size <= MOST_KNOWN) return
    for (const [other, one] of known) {
      if (one === self || other === key) continue
      known.delete(other)
      return
    }
  }

  const forget = (tenant: string): void => {
    for (const key of known.keys()) if (key.startsWith(`${tenant}.`)) known.delete(key)
  }

  return {
    find(tenant, name) {
      const key = channelKey(tenant, name)
      const there = known.get(key)
      if (there instanceof Promise) return there
      if (there !== undefined && membership.isAlive(there)) return Promise.resolve(there)
      if (nats.state !== 'connected')
        return Promise.reject(new VelaError('VELA_CLUSTER_UNAVAILABLE', 'NATS is lost; retry later'))
      const asking = ask(key).then(
        (holder) => {
          remember(key, holder)
          return holder
        },
        (thrown: unknown) => {
          known.delete(key)
          throw toVelaError(thrown, 'VELA_CLUSTER_UNAVAILABLE')
        },
      )
      known.set(key, asking)
      return asking
    },
    async lostSince() {
      const mine = [...known].flatMap(([key, holder]) => (holder === self ? [key] : []))
      if (mine.length === 0) return []
      const kv = await bucket()
      const isLost = async (key: string): Promise<boolean> => {
        const entry = await kv.get(key)
        return entry?.operation !== 'PUT' || entry.string() !== self
      }
      const lost: string[] = []
      for (let index = 0; index < mine.length; index += LOOKS_AT_ONCE) {
        const keys = mine.slice(index, index + LOOKS_AT_ONCE)
        const are = await Promise.all(keys.map(isLost))
        lost.push(...keys.filter((_, place) => are[place]))
      }
      // Only now: if a look fails, the next round finds all of them.
      return lost.map((key) => {
        known.delete(key)
        const [tenant = '', name = ''] = key.split('.')
        return { tenant, name }
      })
    },
    forget,
    async erase(tenant) {
      forget(tenant)
      if (nats.state !== 'connected')
        throw new VelaError('VELA_CLUSTER_UNAVAILABLE', 'NATS is lost; retry later')
      const kv = await bucket()
      for await (const key of await kv.keys(`${tenant}.*`)) await kv.purge(key)
    },
  }
}
