/** Performance (HR Time) on the clock of the turn: it does not move while a guest computes. */
import type { EventsKit } from './events.ts'

export interface Performance {
  readonly timeOrigin: number
  now(): number
}

export function createPerformance(
  EventTarget: EventsKit['EventTarget'],
  now: () => number,
): { Performance: unknown; performance: Performance } {
  const token = {}
  // An isolate may be made before its first turn brings the time, so the origin is the first time that is one.
  let origin = 0
  const originMs = (): number => (origin ||= now())
  class PerformanceClass extends EventTarget {
    // Read where an instance is wanted: what is none throws a TypeError.
    readonly #originMs = originMs

    constructor(given: unknown = undefined) {
      if (given !== token) throw new TypeError('Illegal constructor')
      super()
    }
    get timeOrigin(): number {
      return this.#originMs()
    }
    now(): number {
      const start = this.#originMs()
      return now() - start
    }
    toJSON(): { timeOrigin: number } {
      return { timeOrigin: this.#originMs() }
    }
  }
  return { Performance: PerformanceClass, performance: new PerformanceClass(token) }
}
