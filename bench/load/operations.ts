/**
 * What a guest does with a capability, rather than what it answers: one request makes it do many operations with a
 * fixed number in flight, and says how many came out right. The HTTP around them is one request in hundreds.
 */
import { performance } from 'node:perf_hooks'
import { BenchError, type Metrics } from '../contract.ts'
import { field, parseJson } from '../unknown.ts'
import { type Client, createClient } from './client.ts'

export interface Operations {
  /** Of a guest that answers `{"right": n}` to `count`, `lanes` and the parameters here. */
  readonly url: string
  /** Called for each request. */
  parameters(): Readonly<Record<string, string | number>>
  readonly lanes: number
  /** Operations of one request; COUNT unless they are so short that HTTP would be a part of the figure. */
  readonly count?: number
}

/** Operations of one request: enough that the ends, where lanes run dry, are few; little enough for one turn's CPU. */
export const COUNT = 512
const TIMEOUT_MS = 60_000

/** Operations of one request. Throws unless every one of them was right. */
export async function runOnce(operations: Operations): Promise<void> {
  const client = createClient(1)
  try {
    await ask(client, operations)
  } finally {
    client.close()
  }
}

/** operationsPerSecond, and msPerOperation of one lane. Throws at the first operation that was not right. */
export async function runOperations(operations: Operations, seconds: number): Promise<Metrics> {
  const client = createClient(1)
  let elapsedMs = 0
  let done = 0
  try {
    // The first brings connections and caches to the state that the others find.
    await ask(client, operations)
    while (elapsedMs < seconds * 1000) {
      elapsedMs += await ask(client, operations)
      done += operations.count ?? COUNT
    }
  } finally {
    client.close()
  }
  const operationsPerSecond = (done * 1000) / elapsedMs
  return {
    operationsPerSecond,
    msPerOperation: (operations.lanes * 1000) / operationsPerSecond,
    operations: done,
  }
}

/** Resolves to the milliseconds it took. */
async function ask(client: Client, operations: Operations): Promise<number> {
  const { url, lanes, count = COUNT } = operations
  const target = new URL(url)
  for (const [name, value] of Object.entries({ ...operations.parameters(), count, lanes }))
    target.searchParams.set(name, String(value))
  const startedMs = performance.now()
  const { status, code, body } = await client.get(target.href, TIMEOUT_MS)
  const elapsedMs = performance.now() - startedMs
  if (status === 200 && field(parseJson(body), 'right') === count) return elapsedMs
  throw new BenchError(
    `${url}: ${count} operations were asked for; the answer was ${status} ${code}: ${body.slice(0, 300)}`,
  )
}
