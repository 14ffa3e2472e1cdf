/** Order statistics of small samples. Empty samples have none: NaN, which JSON shows as null and no goal passes. */

export function percentile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b)
  const index = Math.max(0, Math.ceil(sorted.length * share) - 1)
  return sorted[index] ?? Number.NaN
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  const upper = sorted[middle] ?? Number.NaN
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2
}

/** The median of each metric over the rounds. */
export function medians(rounds: readonly Readonly<Record<string, number>>[]): Record<string, number> {
  const names = new Set(rounds.flatMap((round) => Object.keys(round)))
  const entries = [...names].map(
    (name) => [name, median(rounds.flatMap((round) => round[name] ?? []))] as const,
  )
  return Object.fromEntries(entries)
}

/** Four significant digits: more would claim a precision that no run has. */
export function rounded(value: number): number {
  return Number.isFinite(value) ? Number(value.toPrecision(4)) : value
}
