/**
 * What is said about one service: its console, and Vela's own words on its errors and limits. Goes to whoever tails and
 * to the host's log, under a rate: a service that floods loses lines, and is told how many.
 */
import type { LogEntry } from '../core/control.ts'

export interface LogHub {
  /** Under the service's rate. */
  guest(entry: LogEntry): void
  /** Vela's own words are few and always pass. */
  runtime(entry: LogEntry): void
  listen(listener: (entry: LogEntry) => void): () => void
}

export interface LogHubOptions {
  readonly bytesPerSecond: () => number
  readonly write: (entry: LogEntry) => void
  readonly onDropped: (lines: number) => void
}

const BURST_SECONDS = 10

export function createLogHub({ bytesPerSecond, write, onDropped }: LogHubOptions): LogHub {
  const listeners = new Set<(entry: LogEntry) => void>()
  let tokens = Infinity
  let lastMs = performance.now()
  let dropped = 0

  const publish = (entry: LogEntry): void => {
    write(entry)
    for (const listener of listeners) listener(entry)
  }
  const admit = (entry: LogEntry): boolean => {
    const rate = bytesPerSecond()
    const nowMs = performance.now()
    tokens = Math.min(rate * BURST_SECONDS, tokens + ((nowMs - lastMs) / 1000) * rate)
    lastMs = nowMs
    const cost = entry.message.length + (entry.stack?.length ?? 0) + 64
    if (tokens < cost) return false
    tokens -= cost
    return true
  }

  return {
    guest(entry) {
      if (!admit(entry)) {
        dropped++
        onDropped(1)
        return
      }
      if (dropped > 0) {
        const message = `${dropped} log lines dropped: the service is over limits.logBytesPerSecond`
        dropped = 0
        publish({ ...entry, level: 'warn', source: 'runtime', message })
      }
      publish(entry)
    },
    runtime: publish,
    listen(listener) {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
  }
}
