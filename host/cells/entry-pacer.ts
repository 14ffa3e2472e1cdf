/**
 * Decides how many calls go into one entry, and what CPU time it may take. An entry of several calls is cheaper a
 * call, but a loop in one of them is found later; so calls are gathered up to a slice of expected CPU time, by what this
 * service's calls have taken so far.
 */
import type { Limits } from '../../sandbox/protocol/limits.ts'

export interface EntryPacer {
  callsPerEntry(): number
  /** CPU budget of an entry with that many calls (milliseconds): the limit of one, and what the others take by experience. */
  budgetMs(calls: number): number
  measured(calls: number, cpuMicros: number): void
}

const SLICE_MICROS = 8_000
const MOST_CALLS = 256
const INITIAL_CALL_MICROS = 500
/** Experience may be off by this factor before an entry is taken for a loop. */
const SLACK = 4

export function createEntryPacer(limits: Limits): EntryPacer {
  let callMicros = INITIAL_CALL_MICROS
  return {
    callsPerEntry: () => Math.max(1, Math.min(MOST_CALLS, Math.floor(SLICE_MICROS / callMicros))),
    budgetMs(calls) {
      const wanted = limits.cpuMs + (Math.max(0, calls - 1) * callMicros * SLACK) / 1000
      // One call may be a thousand slow events; nobody waits for their answer longer than that.
      return Math.ceil(Math.min(wanted, Math.max(limits.cpuMs, limits.wallMs)))
    },
    measured(calls, cpuMicros) {
      if (calls > 0) callMicros += (cpuMicros / calls - callMicros) / 8
    },
  }
}
