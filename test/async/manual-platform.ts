/** A platform whose time stands still until a test moves it; its signals are Node's. Counts what is pending. */
import { createAsync, type Async } from '../../guest-sdk/async/async.ts'

export interface Manual extends Async<AbortSignal> {
  /** Moves the time on (milliseconds), calling timers as they come due. */
  pass(ms: number): Promise<void>
  readonly now: () => number
  /** Timers that are set. */
  readonly timers: () => number
  /** Listeners on signals that are not the library's own. */
  readonly listeners: () => number
}

/** Lets everything that only waits for promises go on. */
export const settled = async (): Promise<void> => {
  for (let turn = 0; turn < 50; turn++) await Promise.resolve()
}

export function createManual(random: () => number = () => 0.5): Manual {
  let nowMs = 1_000_000
  let nextId = 0
  let listening = 0
  const timers = new Map<number, { readonly dueMs: number; readonly callback: () => void }>()
  const library = createAsync<AbortSignal>({
    createAbort: () => new AbortController(),
    onAbort(signal, listener) {
      listening++
      const heard = (): void => listener(signal.reason)
      signal.addEventListener('abort', heard, { once: true })
      return () => {
        listening--
        signal.removeEventListener('abort', heard)
      }
    },
    setTimeout(callback, ms) {
      if (ms > 2_147_483_647) throw new RangeError('no timer takes that long')
      timers.set(++nextId, { dueMs: nowMs + ms, callback })
      return nextId
    },
    clearTimeout: (id) => timers.delete(id as number),
    now: () => nowMs,
    random,
  })
  return {
    ...library,
    now: () => nowMs,
    timers: () => timers.size,
    listeners: () => listening,
    async pass(ms) {
      const endMs = nowMs + ms
      await settled()
      for (;;) {
        const [next] = [...timers].sort(([, a], [, b]) => a.dueMs - b.dueMs)
        if (next === undefined || next[1].dueMs > endMs) break
        nowMs = Math.max(nowMs, next[1].dueMs)
        timers.delete(next[0])
        next[1].callback()
        await settled()
      }
      nowMs = endMs
    },
  }
}

/** What a promise came to, so far. */
export function watch<Value>(promise: PromiseLike<Value>): { outcome: string } {
  const watched = { outcome: 'pending' }
  promise.then(
    (value) => (watched.outcome = `value ${JSON.stringify(value)}`),
    (thrown: unknown) => (watched.outcome = `threw ${describe(thrown)}`),
  )
  return watched
}

const describe = (thrown: unknown): string => {
  if (!(thrown instanceof Error)) return String(thrown)
  const { code } = thrown as { code?: unknown }
  return typeof code === 'string' ? `${thrown.name} ${code}` : `${thrown.name}: ${thrown.message}`
}

export const CANCELED = 'threw AbortError VELA_TASK_CANCELED'
export const TIMED_OUT = 'threw TimeoutError VELA_TASK_TIMEOUT'
