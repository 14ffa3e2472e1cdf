/**
 * Requests at a steady rate whatever the answers do, as a crowd of users sends them. A closed loop would hide a
 * stall, since it stops asking while it waits. What is unanswered at the end counts with its age: at least that.
 */
import { performance } from 'node:perf_hooks'
import { percentile } from '../stats.ts'
import { createClient } from './client.ts'

export interface Paced {
  readonly p50Ms: number
  readonly p99Ms: number
  readonly sent: number
  /** Answered 200. */
  readonly served: number
  readonly unanswered: number
}

const MAX_CONNECTIONS = 1024

/** `urls` are asked one after the other, round and round. */
export async function runPaced(
  urls: string | readonly string[],
  perSecond: number,
  seconds: number,
): Promise<Paced> {
  const targets = [urls].flat()
  const client = createClient(MAX_CONNECTIONS)
  const times: number[] = []
  let sent = 0
  let served = 0
  let unanswered = 0
  let closed = false
  const pending: Promise<void>[] = []

  const send = async (): Promise<void> => {
    const answer = await client.get(targets[sent++ % targets.length] ?? '', seconds * 2000 + 10_000)
    times.push(answer.endedMs - answer.startedMs)
    if (answer.status === 200) served++
    if (closed && answer.status === 0) unanswered++
  }

  const startedMs = performance.now()
  await new Promise<void>((resolve) => {
    const tick = setInterval(() => {
      const elapsedMs = performance.now() - startedMs
      if (elapsedMs >= seconds * 1000) {
        clearInterval(tick)
        resolve()
        return
      }
      // A late timer sends only what is due now, never a burst to catch up: the burst would measure this client.
      if (sent < (elapsedMs / 1000) * perSecond) pending.push(send())
    }, 1)
  })
  await Promise.race([Promise.all(pending), new Promise((resolve) => setTimeout(resolve, 500))])
  closed = true
  client.close()
  await Promise.all(pending)
  return { p50Ms: percentile(times, 0.5), p99Ms: percentile(times, 0.99), sent, served, unanswered }
}
