/** Who wants to hear that there is something new for a tenant. */
export interface Wakes {
  add(tenant: string, wake: () => void): () => void
  wake(tenant: string): void
  has(tenant: string): boolean
}

export function createWakes(): Wakes {
  const listeners = new Map<string, Set<() => void>>()
  return {
    add(tenant, wake) {
      // Each is a listener of its own, also when the function is the same.
      const listener = (): void => wake()
      const all = listeners.get(tenant) ?? new Set()
      listeners.set(tenant, all)
      all.add(listener)
      return () => {
        all.delete(listener)
        if (all.size === 0 && listeners.get(tenant) === all) listeners.delete(tenant)
      }
    },
    wake(tenant) {
      for (const listener of listeners.get(tenant) ?? []) listener()
    },
    has: (tenant) => listeners.has(tenant),
  }
}
