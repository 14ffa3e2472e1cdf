/**
 * A job pipeline: numbers go in, their prime factors come out. Three stages, each a task, with a bounded channel in front
 * of it, so that where one is slow those before it wait, and in the end whoever posts more is told to come later. What
 * computes runs in workers, beside this isolate. Jobs are in memory: the few between two stages go with their isolate.
 */
import { channel, env as own, select, sleep, taskGroup } from '@vela/guest-sdk'
import type {
  Channel,
  RemoteChannel,
  ExportedHandler,
  Selectable,
  TaskScope,
  VelaError,
  WorkerPool,
} from '@vela/guest-sdk'
import type * as tasks from './factorize.ts'
import type { Result } from './factorize.ts'

interface Env {
  readonly JOBS: RemoteChannel<number>
  readonly RESULTS: RemoteChannel<Result>
  readonly WORKERS: Workers
}

type Workers = WorkerPool<typeof tasks>

const MOST_JOBS = 100
const WORKERS = 2
const FULL_AFTER_MS = 500
const QUIET_MS = 200

// Workers run what the module of the service exports.
export { factorize } from './factorize.ts'

export default {
  async fetch(request: Request, env: Env, ctx): Promise<Response> {
    const { pathname } = new URL(request.url)
    // A guest runs only while it has something to answer: so each request also lets the pipeline go on.
    ctx.waitUntil(keepUp())
    if (request.method === 'POST' && pathname === '/jobs') {
      const numbers: unknown = await request.json().catch(() => undefined)
      if (!areJobs(numbers)) return Response.json({ error: EXPECTED }, { status: 400 })
      const accepted = await enqueue(numbers, env.JOBS)
      ctx.waitUntil(keepUp())
      return Response.json({ accepted }, { status: accepted === numbers.length ? 202 : 429 })
    }
    if (request.method === 'GET' && pathname === '/results')
      return Response.json({ results: await take(env.RESULTS, MOST_JOBS) })
    return Response.json({ error: 'POST /jobs or GET /results' }, { status: 404 })
  },
} satisfies ExportedHandler<Env>

const EXPECTED = `a list of 1 to ${MOST_JOBS} whole numbers from 2 to ${Number.MAX_SAFE_INTEGER}`

const areJobs = (value: unknown): value is number[] =>
  Array.isArray(value) &&
  value.length > 0 &&
  value.length <= MOST_JOBS &&
  value.every((item) => Number.isSafeInteger(item) && item >= 2)

/** How many found a place before the time was up. */
async function enqueue(numbers: readonly number[], jobs: Env['JOBS']): Promise<number> {
  const signal = AbortSignal.timeout(FULL_AFTER_MS)
  let accepted = 0
  try {
    for (const number of numbers) {
      await jobs.send(number, { signal })
      accepted++
    }
  } catch (thrown) {
    if (!signal.aborted) throw thrown
  }
  return accepted
}

let running: Promise<void> | undefined

/** What runs now may have looked for jobs for the last time, so one that begins after now has to end as well. */
async function keepUp(): Promise<void> {
  await running?.catch(() => undefined)
  // The env of no request in particular: what a pipeline has begun does not end with who woke it.
  await (running ??= work(own as unknown as Env).finally(() => {
    running = undefined
  }))
}

/** Works until there have been no jobs for a while. */
async function work(env: Env): Promise<void> {
  await taskGroup(async (stages) => {
    const numbers = channel<number>({ capacity: WORKERS })
    const results = channel<Result>({ capacity: WORKERS })
    stages.spawn((scope) => intake(env.JOBS, numbers, scope))
    stages.spawn((scope) => computeAll(env.WORKERS, numbers, results, scope))
    stages.spawn(async ({ signal }) => {
      for await (const result of results.values({ signal })) await env.RESULTS.send(result, { signal })
    })
  })
}

/** Each stage closes what it feeds, however it ends: the next one's loop is over then. */
async function intake(jobs: Env['JOBS'], numbers: Channel<number>, { signal }: TaskScope): Promise<void> {
  try {
    for (;;) {
      const next = await takeWithin(QUIET_MS, jobs, signal)
      if (next === undefined) return
      await numbers.send(next, { signal })
    }
  } finally {
    numbers.close()
  }
}

async function computeAll(
  workers: Workers,
  numbers: Channel<number>,
  results: Channel<Result>,
  scope: TaskScope,
): Promise<void> {
  const lane = async ({ signal }: TaskScope): Promise<void> => {
    for await (const number of numbers.values({ signal }))
      await results.send(await compute(workers, number, signal), { signal })
  }
  try {
    await taskGroup(async (lanes) => {
      for (let count = 0; count < WORKERS; count++) lanes.spawn(lane)
    }, scope)
  } finally {
    results.close()
  }
}

/** A job that fails, by a limit or because its worker was lost, is a result, too. */
async function compute(workers: Workers, number: number, signal: AbortSignal): Promise<Result> {
  try {
    return await workers.run('factorize', number, { signal })
  } catch (thrown) {
    signal.throwIfAborted()
    return { number, error: (thrown as VelaError).code ?? String(thrown) }
  }
}

/** What is there now, or comes soon. */
async function take(results: Env['RESULTS'], most: number): Promise<Result[]> {
  const taken: Result[] = []
  while (taken.length < most) {
    const next = await takeWithin(QUIET_MS, results)
    if (next === undefined) break
    taken.push(next)
  }
  return taken
}

/** The next value, if one comes in time. `select` takes nothing from a source that was not first, so none is lost. */
async function takeWithin<Value>(
  ms: number,
  source: Selectable<Value>,
  signal?: AbortSignal,
): Promise<Value | undefined> {
  const first = await select({ next: source, quiet: (scope: TaskScope) => sleep(ms, scope) }, { signal })
  return first.key === 'next' ? first.value : undefined
}
