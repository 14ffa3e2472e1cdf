/** The log of a service under test: kept for a while, and waited for. */
import type { LogLine } from './types.ts'

export interface LogLines {
  add(line: LogLine): void
  all(): readonly LogLine[]
  waitFor(text: string, timeoutMs: number): Promise<LogLine>
  /** Nothing will be logged any more: rejects those who wait. */
  close(): void
}

const MOST_LINES = 10_000
const SHOWN_LINES = 20

export function createLogLines(): LogLines {
  let lines: LogLine[] = []
  const waiting = new Set<{ readonly text: string; readonly found: (line?: LogLine) => void }>()

  return {
    add(line) {
      lines.push(line)
      // In halves, so that a flood does not copy the list for each line.
      if (lines.length >= 2 * MOST_LINES) lines = lines.slice(-MOST_LINES)
      for (const one of waiting) if (line.message.includes(one.text)) one.found(line)
    },
    all: () => lines.slice(-MOST_LINES),
    waitFor(text, timeoutMs) {
      const there = lines.find(({ message }) => message.includes(text))
      if (there !== undefined) return Promise.resolve(there)
      return new Promise((resolve, reject) => {
        const one = {
          text,
          found: (line?: LogLine): void => {
            clearTimeout(timer)
            waiting.delete(one)
            if (line === undefined) reject(new Error(missing(text, lines)))
            else resolve(line)
          },
        }
        const timer = setTimeout(one.found, timeoutMs)
        waiting.add(one)
      })
    },
    close() {
      for (const one of waiting) one.found()
    },
  }
}

function missing(text: string, lines: readonly LogLine[]): string {
  const shown = lines.slice(-SHOWN_LINES).map(({ level, message }) => `  ${level}: ${message}`)
  const head = `The service did not log ${JSON.stringify(text)}; it logged`
  return shown.length === 0 ? `${head} nothing` : `${head}\n${shown.join('\n')}`
}
