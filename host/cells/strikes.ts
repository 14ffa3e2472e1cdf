/**
 * Counts the offences of one deployment. A few in a short time put it on pause, each time for longer, so that a
 * service that always kills its isolate costs its neighbours little.
 */
export interface Strikes {
  /** Returns how long the pause is that this strike brings (milliseconds), 0 if none. */
  strike(nowMs: number): number
  /** Until when it is paused (monotonic milliseconds), 0 if it is not. */
  pausedUntilMs(nowMs: number): number
  /** Has it offended lately? Then the engine's timer is worth its price. */
  isSuspect(nowMs: number): boolean
}

const WINDOW_MS = 10_000
const STRIKES_BEFORE_PAUSE = 5
const FIRST_PAUSE_MS = 1_000
const LONGEST_PAUSE_MS = 60_000
const SUSPECT_MS = 600_000

export function createStrikes(): Strikes {
  let recent: number[] = []
  let pauseMs = 0
  let pausedUntil = 0
  let lastStrikeMs = -Infinity

  return {
    strike(nowMs) {
      if (nowMs - lastStrikeMs > SUSPECT_MS) pauseMs = 0
      lastStrikeMs = nowMs
      recent = recent.filter((at) => nowMs - at < WINDOW_MS)
      recent.push(nowMs)
      if (recent.length < STRIKES_BEFORE_PAUSE) return 0
      recent = []
      pauseMs = pauseMs === 0 ? FIRST_PAUSE_MS : Math.min(pauseMs * 2, LONGEST_PAUSE_MS)
      pausedUntil = nowMs + pauseMs
      return pauseMs
    },
    pausedUntilMs: (nowMs) => (nowMs < pausedUntil ? pausedUntil : 0),
    isSuspect: (nowMs) => nowMs - lastStrikeMs < SUSPECT_MS,
  }
}
