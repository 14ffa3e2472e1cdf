/**
 * Ten tenants on one core, one of them greedy. First all of them want more than there is, the greedy one with eight times the
 * load: what was served is what each got, for every request burns the same. Then nine want little: what do their clients see
 * beside the greedy one, and alone?
 */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Guest, Metrics, RoundOptions, Running, Scenario } from '../contract.ts'
import { guest } from '../guests.ts'
import { type ClosedLoop, startClosedLoop } from '../load/closed-loop.ts'
import { runPaced } from '../load/open-loop.ts'
import { verifyHello } from './verify.ts'

const QUIET = 9
const LANES = 2
const GREEDY_LANES = LANES * 8
/** Some milliseconds of CPU time. */
const ITERATIONS = 1_000_000
/** Of all quiet tenants together. */
const REQUESTS_PER_SECOND = 250
const WARM_MS = 500

const QUIET_TENANTS: readonly string[] = Array.from({ length: QUIET }, (_, index) => `quiet-${index}`)
const TENANTS: readonly string[] = ['greedy', ...QUIET_TENANTS]

export const shares: Scenario = {
  name: 'shares',
  title: `${TENANTS.length} tenants, one with eight times the load`,
  contenders: ['vela', 'workerd'],
  primary: 'jainIndex',
  goals: [
    { metric: 'jainIndex', relation: 'at-least', bound: 0.95 },
    { metric: 'slowdownAtP99', relation: 'at-most', bound: 2 },
    { metric: 'unserved', relation: 'at-most', bound: 0 },
  ],
  start: {},
  freshEachRound: false,
  guests: (): readonly Guest[] => [
    ...TENANTS.map((tenant) => guest('loop', tenant)),
    ...QUIET_TENANTS.map((tenant) => guest('hello', tenant)),
  ],
  async prepare(running) {
    for (const tenant of QUIET_TENANTS) await verifyHello(running, tenant, 'hello')
  },
  round,
}

async function round(running: Running, { seconds }: RoundOptions): Promise<Metrics> {
  const served = await contend(running, seconds)
  const quiet = QUIET_TENANTS.map((tenant) => `${running.url(tenant, 'hello')}/x`)
  await runPaced(quiet, REQUESTS_PER_SECOND, Math.min(1, seconds))
  // The better of two: a hiccup of the machine in a single one would make the greedy one look harmless.
  const first = await runPaced(quiet, REQUESTS_PER_SECOND, seconds)
  const second = await runPaced(quiet, REQUESTS_PER_SECOND, seconds)
  const alone = first.p99Ms <= second.p99Ms ? first : second
  const greedy = burn(running, 'greedy', GREEDY_LANES)
  const beside = await runPaced(quiet, REQUESTS_PER_SECOND, seconds)
  const { answers } = greedy
  await greedy.stop('finish')
  return {
    jainIndex: jain(served),
    greedyShare: (served[0] ?? 0) / served.reduce((sum, count) => sum + count, 0),
    p99Ms: beside.p99Ms,
    p99AloneMs: alone.p99Ms,
    slowdownAtP99: beside.p99Ms / alone.p99Ms,
    unserved: beside.sent - beside.served,
    greedyServed: answers.filter((answer) => answer.status === 200).length,
  }
}

/** What each tenant was served within the time, in the order of TENANTS. */
async function contend(running: Running, seconds: number): Promise<number[]> {
  const loops = TENANTS.map((tenant, index) => burn(running, tenant, index === 0 ? GREEDY_LANES : LANES))
  try {
    await Promise.all(loops.map((loop) => loop.until((answer) => answer.status === 200)))
    await sleep(WARM_MS)
    const before = loops.map(servedBy)
    await sleep(seconds * 1000)
    return loops.map((loop, index) => servedBy(loop) - (before[index] ?? 0))
  } finally {
    await Promise.all(loops.map((loop) => loop.stop('finish')))
  }
}

function burn(running: Running, tenant: string, lanes: number): ClosedLoop {
  return startClosedLoop(`${running.url(tenant, 'loop')}/x?iterations=${ITERATIONS}`, lanes, 60_000)
}

function servedBy({ answers }: ClosedLoop): number {
  return answers.reduce((sum, answer) => sum + (answer.status === 200 ? 1 : 0), 0)
}

/** 1 when all got the same, 1/n when one got everything. */
function jain(values: readonly number[]): number {
  const sum = values.reduce((total, value) => total + value, 0)
  return sum ** 2 / (values.length * values.reduce((total, value) => total + value ** 2, 0))
}
