/** What a deployment's isolates have done so far, and what follows from it: timers that are armed, starts that are fair, pauses. */
import type { ReplicaEnd } from './replica.ts'
import { createStrikes } from './strikes.ts'
import { isInnocent } from './verdict.ts'

export interface History {
  turnEnded(): void
  /** An isolate is gone. Returns for how long the service is paused (milliseconds); 0: it is not. */
  ended(end: ReplicaEnd): number
  /** Isolates that ended for no fault of the guest. */
  readonly innocentEnds: number
  /** Whether the engine's timer is to be armed: it has no history yet, or a bad one. */
  needsTimer(): boolean
  /** Whether it may be: not on a machine that has just been too busy for it. */
  timerIsFair(): boolean
  /** 0: it is not paused. */
  pausedUntilMs(nowMs: number): number
}

/** Entries until a deployment counts as having a history. */
const PROBATION_ENTRIES = 50
const STARVED_MS = 5_000

export function createHistory(): History {
  const strikes = createStrikes()
  let turnsSinceFault = 0
  let starvedAtMs = -Infinity
  let innocentEnds = 0
  // The engine's timer runs on the wall clock: on a machine this busy only the stopwatch, which reads CPU time, is fair.
  const isFair = (nowMs: number): boolean => nowMs - starvedAtMs >= STARVED_MS
  return {
    turnEnded() {
      turnsSinceFault++
    },
    ended(end) {
      turnsSinceFault = 0
      if (end.reason === 'starved') starvedAtMs = performance.now()
      if (isInnocent(end.reason)) innocentEnds++
      return end.guilty ? strikes.strike(performance.now()) : 0
    },
    get innocentEnds() {
      return innocentEnds
    },
    needsTimer() {
      const nowMs = performance.now()
      return isFair(nowMs) && (turnsSinceFault < PROBATION_ENTRIES || strikes.isSuspect(nowMs))
    },
    timerIsFair: () => isFair(performance.now()),
    pausedUntilMs: (nowMs) => strikes.pausedUntilMs(nowMs),
  }
}
