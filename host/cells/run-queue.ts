/** Calls that wait for one replica, for it alone, or for the first one of a deployment: first come, first served, bounded. Overflow is refused, never dropped. */
import type { Call } from './call.ts'

export interface RunQueue {
  readonly length: number
  /** False: full. */
  push(call: Call): boolean
  /** Puts calls back in front, in order; they were in before, so the bound does not apply. */
  unshift(calls: readonly Call[]): void
  /** Puts calls behind all others; they were in another queue, so the bound does not apply. */
  append(calls: readonly Call[]): void
  /** The same, each in its place by the time it came. */
  merge(calls: readonly Call[]): void
  /** Takes out up to `most` calls from the front, for a sibling. Calls that are tried again stay: they go alone. */
  steal(most: number): Call[]
  /** Forgets calls that nobody waits for. */
  compact(): void
  /** The next call that somebody still waits for. */
  peek(): Call | undefined
  shift(): Call | undefined
  /** Takes out and returns what has waited since before `startedMs`. */
  takeOlderThan(startedMs: number): Call[]
  takeAll(): Call[]
}

export function createRunQueue(bound: number): RunQueue {
  let calls: Call[] = []
  let head = 0

  const compact = (): void => {
    calls = calls.slice(head).filter((call) => !call.canceled)
    head = 0
  }
  const peek = (): Call | undefined => {
    while (head < calls.length && (calls[head] as Call).canceled) head++
    if (head === calls.length && head > 0) {
      calls.length = 0
      head = 0
    }
    return calls[head]
  }

  return {
    get length() {
      return calls.length - head
    },
    push(call) {
      if (calls.length - head >= bound) {
        compact()
        if (calls.length >= bound) return false
      }
      calls.push(call)
      return true
    },
    unshift(returned) {
      if (returned.length === 0) return
      calls = [...returned, ...calls.slice(head)]
      head = 0
    },
    append(others) {
      for (const call of others) calls.push(call)
    },
    merge(others) {
      compact()
      calls = [...others, ...calls].sort((one, other) => one.startedMs - other.startedMs)
    },
    steal(most) {
      const taken: Call[] = []
      const kept: Call[] = []
      for (; taken.length < most && head < calls.length; head++) {
        const call = calls[head] as Call
        if (call.canceled) continue
        if (call.attempts > 0) kept.push(call)
        else taken.push(call)
      }
      if (kept.length > 0) {
        head -= kept.length
        calls.splice(head, kept.length, ...kept)
      }
      return taken
    },
    compact,
    peek,
    shift() {
      const call = peek()
      if (call === undefined) return undefined
      head++
      if (head > 1024 && head * 2 > calls.length) compact()
      return call
    },
    takeOlderThan(startedMs) {
      const old: Call[] = []
      for (let call = peek(); call !== undefined && call.startedMs < startedMs; call = peek()) {
        old.push(call)
        head++
      }
      return old
    },
    takeAll() {
      const all = calls.slice(head).filter((call) => !call.canceled)
      calls = []
      head = 0
      return all
    },
  }
}
