/**
 * What the host keeps in memory of the store, so that a get need not wait behind a commit. It holds only what is on the
 * disk, and is told of every write before that leaves (namespace.ts), so it is never older than what was acknowledged.
 * Bounded in bytes; a tenant is made room for at the cost of whoever has more than an equal share, so that one which
 * reads much does not empty the cache of all others. Second chance: a hit costs a flag, not a move.
 */
import type { KvEntry } from './types.ts'

/** null: there is no such key. */
export type Cached = KvEntry | null

export interface Cache {
  /** undefined: not known. May have expired meanwhile. */
  get(tenant: string, id: string): Cached | undefined
  set(tenant: string, id: string, cached: Cached): void
  drop(tenant: string, id: string): void
  dropTenant(tenant: string): void
  readonly bytes: number
}

interface Slot {
  readonly cached: Cached
  readonly bytes: number
  used: boolean
}

interface Share {
  readonly slots: Map<string, Slot>
  bytes: number
}

// Two map entries, two objects and the string's header, roughly.
const SLOT_BYTES = 256

export function createCache(maxBytes: number): Cache {
  // The order is that in which tenants are looked at when there must be room.
  const shares = new Map<string, Share>()
  let total = 0

  const remove = (tenant: string, share: Share, id: string, slot: Slot): void => {
    share.slots.delete(id)
    share.bytes -= slot.bytes
    total -= slot.bytes
    if (share.slots.size === 0) shares.delete(tenant)
  }

  const evictFrom = (tenant: string, share: Share): void => {
    for (const [id, slot] of share.slots) {
      if (!slot.used) return remove(tenant, share, id, slot)
      slot.used = false
      share.slots.delete(id)
      share.slots.set(id, slot)
    }
  }

  const makeRoom = (tenant: string): void => {
    const mine = shares.get(tenant)
    if (mine !== undefined && mine.bytes * shares.size >= total) return evictFrom(tenant, mine)
    for (const [other, share] of shares) {
      if (share.bytes * shares.size >= total) return evictFrom(other, share)
      shares.delete(other)
      shares.set(other, share)
    }
  }

  const drop = (tenant: string, id: string): void => {
    const share = shares.get(tenant)
    const slot = share?.slots.get(id)
    if (share !== undefined && slot !== undefined) remove(tenant, share, id, slot)
  }

  return {
    get(tenant, id) {
      const slot = shares.get(tenant)?.slots.get(id)
      if (slot === undefined) return undefined
      slot.used = true
      return slot.cached
    },
    set(tenant, id, cached) {
      drop(tenant, id)
      const bytes =
        SLOT_BYTES + 2 * id.length + (cached?.value.length ?? 0) + 2 * (cached?.metadata?.length ?? 0)
      if (bytes > maxBytes) return
      while (total + bytes > maxBytes) makeRoom(tenant)
      const share = shares.get(tenant) ?? { slots: new Map(), bytes: 0 }
      shares.set(tenant, share)
      share.slots.set(id, { cached, bytes, used: false })
      share.bytes += bytes
      total += bytes
    },
    drop,
    dropTenant(tenant) {
      total -= shares.get(tenant)?.bytes ?? 0
      shares.delete(tenant)
    },
    get bytes() {
      return total
    },
  }
}
