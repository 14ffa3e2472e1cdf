/** Chance that can be had again: the same seed gives the same choices. `VELA_FAULT_SEED` sets it, for a run that is to be repeated. */
import { cellPidsOf, until } from '../e2e/support.ts'

export const SEED: number = Number(process.env['VELA_FAULT_SEED'] ?? 20_261_122)

export interface Chance {
  /** From 0 up to, and without, `below`. */
  below(below: number): number
  pick<Item>(items: readonly Item[]): Item | undefined
}

/** mulberry32. */
export function createChance(seed: number): Chance {
  let state = seed >>> 0
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
  return {
    below: (below) => Math.floor(next() * below),
    pick: (items) => items[Math.floor(next() * items.length)],
  }
}

/** Kills cells of this process one after another, each once there has been some progress since, so that the next hits work too. */
export async function killCells(chance: Chance, kills: number, progress: () => number): Promise<void> {
  for (let killed = 0; killed < kills; killed++) {
    const goal = progress() + 20 + chance.below(60)
    await until(`there is progress after ${killed} kills`, () => progress() >= goal)
    const pid = chance.pick(cellPidsOf(process.pid))
    if (pid !== undefined) process.kill(pid, 'SIGKILL')
  }
}
