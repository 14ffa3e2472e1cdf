/** Token bucket: `perSecond` on average, and at most one second's worth at once. Needs no timer. */
export interface RateLimit {
  readonly perSecond: number
  /** Takes one; false when there is none. */
  take(): boolean
}

/** `now` in milliseconds of a monotonic clock. */
export function createRateLimit(perSecond: number, now: () => number): RateLimit {
  const capacity = Math.max(1, perSecond)
  let tokens = capacity
  let filledAt = now()
  return {
    perSecond,
    take() {
      const at = now()
      tokens = Math.min(capacity, tokens + ((at - filledAt) * perSecond) / 1000)
      filledAt = at
      if (tokens < 1) return false
      tokens--
      return true
    },
  }
}
