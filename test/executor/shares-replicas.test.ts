/**
 * A tenant whose service has replicas has several processes, and the system would give it as many shares. The cells are told
 * that they have one core together, so that they compete whatever machine this is.
 */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { until } from '../e2e/support.ts'
import { startCells, type TestCells, type TestDeployment } from './support.ts'

let cells: TestCells
beforeAll(async () => {
  cells = await startCells({ cores: 1 })
})
afterAll(async () => cells[Symbol.asyncDispose]())

/** Some milliseconds of CPU time a call. */
const SOURCE = `export function burn() {
  let sum = 0
  for (let i = 0; i < 2_000_000; i++) sum = (sum * 31 + i) | 0
  return sum
}`
const LIMITS = { cpuMs: 5_000, wallMs: 60_000, replicas: 2 }
/** Calls over which shares are counted: a busy machine takes its time for them. */
const COUNTED = 300

interface Load {
  served: number
  stop(): Promise<void>
}

function load(deployment: TestDeployment, lanes: number): Load {
  let stopped = false
  const lane = async (): Promise<void> => {
    while (!stopped) {
      await deployment.call('burn')
      state.served++
    }
  }
  const all = Promise.all(Array.from({ length: lanes }, lane))
  const state: Load = {
    served: 0,
    async stop() {
      stopped = true
      await all
    },
  }
  return state
}

/** What each was served of the next COUNTED, and how many that were a second. */
async function during(...loads: readonly Load[]): Promise<{ served: number[]; perSecond: number }> {
  const total = (): number => loads.reduce((sum, { served }) => sum + served, 0)
  const before = loads.map(({ served }) => served)
  const end = total() + COUNTED
  const startedMs = performance.now()
  await until('enough is served', () => total() >= end, 60_000)
  return {
    served: loads.map(({ served }, index) => served - (before[index] ?? 0)),
    perSecond: (COUNTED * 1000) / (performance.now() - startedMs),
  }
}

test('a tenant with two replicas and eight times the load has its share beside a busy one, and everything when alone', async () => {
  const deploy = (tenant: string): TestDeployment => cells.deploy(SOURCE, { tenant, limits: LIMITS })
  const greedy = deploy('greedy')
  const modest = deploy('modest')
  const loads = [load(greedy, 96)]
  try {
    await until('it has a second replica', () => greedy.live.replicas === 2, 30_000)
    loads.push(load(modest, 12))
    await until('the other one is served', () => (loads[1]?.served ?? 0) > 5, 30_000)
    const { served, perSecond } = await during(...loads)
    const [share = 0, other = 0] = served
    expect(greedy.live.replicas).toBe(2)
    expect(share / other).toBeGreaterThan(0.7)
    expect(share / other).toBeLessThan(1.4)
    await loads.pop()?.stop()
    // Half of what both had was its share. The machine has other things to do: it may take a second look.
    await until(
      'it gets more when alone',
      async () => (await during(...loads)).perSecond > perSecond * 0.7,
      60_000,
    )
  } finally {
    await Promise.all(loads.map((one) => one.stop()))
  }
})
