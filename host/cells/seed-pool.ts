/** Random seeds for batches, drawn from the system in lots: asking for sixteen bytes costs as much as for a page. */
import { randomFillSync } from 'node:crypto'

export interface SeedPool {
  copyInto(target: Buffer, at: number): void
}

const SEED_BYTES = 16
const POOL_BYTES = 4096

export function createSeedPool(): SeedPool {
  const pool = Buffer.alloc(POOL_BYTES)
  let next = POOL_BYTES
  return {
    copyInto(target, at) {
      if (next === POOL_BYTES) {
        randomFillSync(pool)
        next = 0
      }
      pool.copy(target, at, next, next + SEED_BYTES)
      // A seed that was used must not be found in memory again.
      pool.fill(0, next, next + SEED_BYTES)
      next += SEED_BYTES
    },
  }
}
