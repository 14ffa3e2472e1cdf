/**
 * The residents of one cell and the numbers that frames call them by. A number is given again only after all others have
 * had their turn, so that a late frame does not find somebody else.
 */
import { MAX_GUEST } from '../../sandbox/protocol/frame.ts'
import type { Resident } from './resident.ts'

export interface ResidentTable {
  readonly size: number
  /** Returns its number. */
  add(resident: Resident): number
  get(number: number): Resident | undefined
  numberOf(resident: Resident): number | undefined
  remove(number: number): void
  takeAll(): Resident[]
}

export function createResidentTable(): ResidentTable {
  const residents = new Map<number, Resident>()
  const numbers = new Map<Resident, number>()
  let next = 1
  const step = (): void => {
    next = (next % MAX_GUEST) + 1
  }
  return {
    get size() {
      return residents.size
    },
    add(resident) {
      while (residents.has(next)) step()
      const number = next
      step()
      residents.set(number, resident)
      numbers.set(resident, number)
      return number
    },
    get: (number) => residents.get(number),
    numberOf: (resident) => numbers.get(resident),
    remove(number) {
      const resident = residents.get(number)
      if (resident !== undefined) numbers.delete(resident)
      residents.delete(number)
    },
    takeAll() {
      const all = [...residents.values()]
      residents.clear()
      numbers.clear()
      return all
    },
  }
}
