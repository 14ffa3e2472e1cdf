/**
 * Which cells of a tenant its workers are in: each worker that has an isolate holds a number, and with it a cell, for itself
 * alone, so that ending one worker's cell touches no other. Numbers are few; a worker that is idle gives its up when
 * another pool has none.
 */
export interface WorkerSlots {
  /** A number that no other worker of the tenant has; undefined when all are taken by workers that are busy. */
  take(tenant: string): number | undefined
  give(tenant: string, slot: number): void
  /** `giveUp` may be called, once, to have the slot back; returns how to take that back. */
  idle(tenant: string, giveUp: () => void): () => void
  /** `callback` runs once, when a number may be free; returns how to take the wish back. */
  wait(tenant: string, callback: () => void): () => void
  /** Somebody waits. */
  isWanted(tenant: string): boolean
}

interface Tenant {
  readonly taken: Set<number>
  readonly idle: Set<() => void>
  readonly waiting: Set<() => void>
}

/** `first`: numbers below are the service's own replicas'. `count`: how many workers a tenant may have at a time. */
export function createWorkerSlots(first: number, count: number): WorkerSlots {
  const tenants = new Map<string, Tenant>()

  const tenantOf = (name: string): Tenant => {
    let tenant = tenants.get(name)
    if (tenant === undefined)
      tenants.set(name, (tenant = { taken: new Set(), idle: new Set(), waiting: new Set() }))
    return tenant
  }
  const forgetIfUnused = (name: string, { taken, idle, waiting }: Tenant): void => {
    if (taken.size + idle.size + waiting.size === 0) tenants.delete(name)
  }
  const free = ({ taken }: Tenant): number | undefined => {
    for (let slot = first; slot < first + count; slot++) if (!taken.has(slot)) return slot
    return undefined
  }
  /** Takes the wish out before it is granted, since granting may express another. */
  const callFirst = (wishes: Set<() => void>): void => {
    const [wish] = wishes
    if (wish === undefined) return
    wishes.delete(wish)
    wish()
  }
  const enlist = (name: string, wishes: Set<() => void>, callback: () => void): (() => void) => {
    const wish = (): void => callback()
    wishes.add(wish)
    return () => {
      wishes.delete(wish)
      const tenant = tenants.get(name)
      if (tenant !== undefined) forgetIfUnused(name, tenant)
    }
  }

  return {
    take(name) {
      const tenant = tenantOf(name)
      if (free(tenant) === undefined) callFirst(tenant.idle)
      const slot = free(tenant)
      if (slot !== undefined) tenant.taken.add(slot)
      return slot
    },
    give(name, slot) {
      const tenant = tenantOf(name)
      tenant.taken.delete(slot)
      callFirst(tenant.waiting)
      forgetIfUnused(name, tenant)
    },
    idle: (name, giveUp) => enlist(name, tenantOf(name).idle, giveUp),
    wait: (name, callback) => enlist(name, tenantOf(name).waiting, callback),
    isWanted: (name) => (tenants.get(name)?.waiting.size ?? 0) > 0,
  }
}
