/**
 * Who enters the next batch. A call that is tried again after a kill goes alone: should the cell be killed once more, it is
 * known who did it, and nobody else pays.
 */
export interface Member {
  /** Its next call is one that is tried again. */
  readonly solitary: boolean
}

/** Takes the numbers that enter off `dirty`; the others stay for the batch after. */
export function takeMembers(dirty: Set<number>, memberOf: (number: number) => Member | undefined): number[] {
  for (const number of dirty) {
    if (memberOf(number)?.solitary !== true) continue
    dirty.delete(number)
    return [number]
  }
  const all = [...dirty]
  dirty.clear()
  return all
}
