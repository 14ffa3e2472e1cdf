/**
 * How much each tenant has the host hold for its tasks: inputs that wait and results that were not taken. Counted over all
 * its services and bindings, since a guest may have as many of those as it likes.
 */
import { VelaError } from '../core/errors.ts'

export interface Holdings {
  /** Throws VELA_TASK_OVERLOADED when it would be too much; then nothing was counted. */
  hold(tenant: string, characters: number): void
  release(tenant: string, characters: number): void
}

const MIB = 1024 * 1024
/** Characters of one tenant. */
const MOST_HELD = 64 * MIB

export function createHoldings(): Holdings {
  const held = new Map<string, number>()
  const set = (tenant: string, characters: number): void => {
    if (characters > 0) held.set(tenant, characters)
    else held.delete(tenant)
  }
  return {
    hold(tenant, characters) {
      const sum = (held.get(tenant) ?? 0) + characters
      if (sum > MOST_HELD)
        throw new VelaError(
          'VELA_TASK_OVERLOADED',
          `Inputs and results of ${MOST_HELD / MIB} MiB wait already; take some results first`,
        )
      set(tenant, sum)
    },
    release: (tenant, characters) => set(tenant, (held.get(tenant) ?? 0) - characters),
  }
}
