/** What runs in a worker: trial division, which is slow for a large prime. */

/** A number and, if nothing went wrong, its prime factors in rising order. */
export interface Result {
  readonly number: number
  readonly factors?: readonly number[]
  /** Instead of the factors: why there are none. */
  readonly error?: string
}

export function factorize(number: number): Result {
  const factors: number[] = []
  let rest = number
  for (let factor = 2; factor * factor <= rest; factor++) {
    for (; rest % factor === 0; rest /= factor) factors.push(factor)
  }
  if (rest > 1) factors.push(rest)
  return { number, factors }
}
