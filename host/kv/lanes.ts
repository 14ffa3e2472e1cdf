/**
 * The queue before the store thread. Each tenant has a lane, first in first out, and the lanes take turns: a tenant with
 * a thousand writes waiting delays another's one by a turn. Only a window of calls and bytes is at the thread at a
 * time, so that what is one commit stays small and short; the rest gathers here meanwhile.
 * Invariants: calls of a lane leave in their order; each settles exactly once; lanes are bounded and refuse what is over.
 */
import { VelaError } from '../core/errors.ts'

export interface LaneLimits {
  /** At the thread at once; a call with more bytes than the window goes alone. */
  readonly windowCalls: number
  readonly windowBytes: number
  /** Waiting in one lane. */
  readonly laneCalls: number
}

export interface Lanes {
  /** `start` is called when it is this call's turn; `bytes` is what it moves between the threads. */
  run<Value>(lane: string, bytes: number, start: () => Promise<Value>): Promise<Value>
  /** Resolves when nothing waits and nothing is under way. */
  idle(): Promise<void>
}

interface Waiting {
  readonly bytes: number
  start(): void
}

export function createLanes({ windowCalls, windowBytes, laneCalls }: LaneLimits): Lanes {
  // Only lanes in which something waits, in the order of their turns.
  const lanes = new Map<string, Waiting[]>()
  let calls = 0
  let bytes = 0
  let onIdle: (() => void)[] = []

  const fits = (more: number): boolean => calls === 0 || (calls < windowCalls && bytes + more <= windowBytes)

  const begin = <Value>(weight: number, start: () => Promise<Value>): Promise<Value> => {
    calls += 1
    bytes += weight
    const running = start()
    const end = (): void => {
      calls -= 1
      bytes -= weight
      advance()
    }
    running.then(end, end)
    return running
  }

  const advance = (): void => {
    for (const [lane, waiting] of lanes) {
      const next = waiting[0]
      if (next === undefined || !fits(next.bytes)) break
      waiting.shift()
      lanes.delete(lane)
      if (waiting.length > 0) lanes.set(lane, waiting)
      next.start()
    }
    if (calls > 0) return
    for (const resolve of onIdle) resolve()
    onIdle = []
  }

  return {
    run<Value>(lane: string, weight: number, start: () => Promise<Value>): Promise<Value> {
      if (lanes.size === 0 && fits(weight)) return begin(weight, start)
      const waiting = lanes.get(lane) ?? []
      if (waiting.length >= laneCalls) return Promise.reject(tooMany(laneCalls))
      const { promise, resolve, reject } = Promise.withResolvers<Value>()
      waiting.push({ bytes: weight, start: () => void begin(weight, start).then(resolve, reject) })
      lanes.set(lane, waiting)
      return promise
    },
    idle() {
      if (calls === 0) return Promise.resolve()
      const { promise, resolve } = Promise.withResolvers<void>()
      onIdle.push(resolve)
      return promise
    },
  }
}

function tooMany(calls: number): VelaError {
  return new VelaError(
    'VELA_TENANT_QUOTA_EXCEEDED',
    `${calls} calls of this tenant wait for the store, which is as many as may. Await some of them first.`,
  )
}
