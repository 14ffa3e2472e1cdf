/** As many requests in flight as there are connections, always; each answer sends the next. */
import { type Answer, createClient } from './client.ts'

export interface ClosedLoop {
  /** Every answer so far, in order of arrival. */
  readonly answers: readonly Answer[]
  inFlight(): number
  /** Resolves at the first answer that satisfies the test, past ones included; undefined when the loop stops first. */
  until(test: (answer: Answer) => boolean): Promise<Answer | undefined>
  /** Lets what is in flight finish, or breaks it. */
  stop(how: 'finish' | 'break'): Promise<void>
}

export function startClosedLoop(url: string, connections: number, timeoutMs = 10_000): ClosedLoop {
  const client = createClient(connections)
  const answers: Answer[] = []
  const watchers = new Set<(answer: Answer | undefined) => void>()
  let inFlight = 0
  const stopping = new AbortController()

  const lane = async (): Promise<void> => {
    while (!stopping.signal.aborted) {
      inFlight++
      const answer = await client.get(url, timeoutMs)
      inFlight--
      answers.push(answer)
      for (const watcher of watchers) watcher(answer)
      // A refused connection answers at once: without a breath this lane would starve the others.
      if (answer.status === 0) await new Promise(setImmediate)
    }
  }
  const lanes = Array.from({ length: connections }, lane)

  return {
    answers,
    inFlight: () => inFlight,
    until(test) {
      const past = answers.find(test)
      if (past || stopping.signal.aborted) return Promise.resolve(past)
      return new Promise((resolve) => {
        const watcher = (answer: Answer | undefined): void => {
          if (answer && !test(answer)) return
          watchers.delete(watcher)
          resolve(answer)
        }
        watchers.add(watcher)
      })
    },
    async stop(how) {
      stopping.abort()
      if (how === 'break') client.close()
      await Promise.all(lanes)
      for (const watcher of watchers) watcher(undefined)
      client.close()
    },
  }
}
