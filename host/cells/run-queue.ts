/** The calls that wait for one deployment: first come, first served, bounded. Overflow is refused, never dropped. */
import type { Call } from './call.ts'

export interface RunQueue {
  readonly length: number
  /** False: full. */
  push(call: Call): boolean
  /** Puts calls back in front, in order; they were in before, so the bound does not apply. */
  unshift(calls: readonly Call[]): void
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
