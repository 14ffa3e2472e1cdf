/** The job pipeline: everything that was accepted comes out once, and what finds no place is refused instead of kept. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { describeEngines } from '../engines.ts'
import { startExample, type ExampleHost } from './support.ts'

interface Result {
  readonly number: number
  readonly factors?: readonly number[]
  readonly error?: string
}

/** The largest prime that a number of JavaScript holds: far more work than the limit below allows. */
const TOO_MUCH = 9_007_199_254_740_881

describeEngines('the pipeline', (engine) => {
  let host: ExampleHost
  beforeAll(async () => {
    host = await startExample('pipeline', { engine, limits: { cpuMs: 200 } })
  })
  afterAll(() => host[Symbol.asyncDispose]())

  /** Asks until so many have come. */
  const results = async (count: number): Promise<Result[]> => {
    const found: Result[] = []
    const deadline = performance.now() + 30_000
    while (found.length < count) {
      if (performance.now() > deadline) throw new Error(`only ${found.length} of ${count} results`)
      found.push(...((await host.get('/results')).body as { results: Result[] }).results)
    }
    return found.sort((a, b) => a.number - b.number)
  }

  test('factorizes what is posted', async () => {
    expect(await host.post('/jobs', [12, 1_000_003, 97])).toMatchObject({
      status: 202,
      body: { accepted: 3 },
    })
    expect(await results(3)).toEqual([
      { number: 12, factors: [2, 2, 3] },
      { number: 97, factors: [97] },
      { number: 1_000_003, factors: [1_000_003] },
    ])
  })

  test('gives a job that breaks a limit an error for a result, and goes on', async () => {
    await host.post('/jobs', [15, TOO_MUCH, 21])
    expect(await results(3)).toEqual([
      { number: 15, factors: [3, 5] },
      { number: 21, factors: [3, 7] },
      { number: TOO_MUCH, error: 'VELA_TURN_EXCEEDED_CPU' },
    ])
  })

  test('refuses more when nobody takes the results, and loses nothing that it accepted', async () => {
    const accepted: number[] = []
    const deadline = performance.now() + 20_000
    // Both channels are full then; on a slow machine a post may find no place before.
    for (let from = 2, placed = 1; placed > 0 || accepted.length < 250; from += 100) {
      if (performance.now() > deadline) throw new Error(`the pipeline took only ${accepted.length} jobs`)
      const jobs = Array.from({ length: 100 }, (_, at) => from + at)
      const { status, body } = await host.post('/jobs', jobs)
      placed = (body as { accepted: number }).accepted
      accepted.push(...jobs.slice(0, placed))
      expect(status).toBe(placed === 100 ? 202 : 429)
      // What both hold, and a few between them.
      expect(accepted.length).toBeLessThan(300)
    }
    expect((await results(accepted.length)).map(({ number }) => number)).toEqual(accepted)
    expect((await host.get('/results')).body).toEqual({ results: [] })
  })

  test('says what it takes', async () => {
    for (const body of ['', '{}', '[]', '["12"]', '[1]', '[2.5]', '[9007199254740993]'])
      expect((await host.post('/jobs', body)).status, body).toBe(400)
    expect((await host.get('/nowhere')).status).toBe(404)
  })
})
