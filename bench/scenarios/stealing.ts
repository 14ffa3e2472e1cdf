/**
 * All load on one service, which gets replicas and whose replicas take calls from each other, against the same load spread
 * evenly over as many tenants as there are cores. The servers have every core; a request burns milliseconds, so that the load
 * itself needs little of them.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Metrics, RoundOptions, Running, Scenario } from '../contract.ts'
import { guest } from '../guests.ts'
import { startClosedLoop } from '../load/closed-loop.ts'
import { CORES } from '../machine.ts'

const LANES_PER_CORE = 8
const ITERATIONS = 1_000_000
/** Replicas come when a service has been busy for a while. */
const WARM_MS = 2500

const EVEN: readonly string[] = Array.from({ length: CORES }, (_, index) => `even-${index}`)

export const stealing: Scenario = {
  name: 'stealing',
  title: 'all load on one service with replicas, every core',
  contenders: ['vela'],
  primary: 'overEven',
  goals: [
    { metric: 'overEven', relation: 'at-least', bound: 0.85 },
    { metric: 'unserved', relation: 'at-most', bound: 0 },
  ],
  start: { allCores: true },
  freshEachRound: false,
  guests: () => ['skewed', ...EVEN].map((tenant) => guest('loop', tenant)),
  prepare: async (running) => void (await serve(running, ['skewed', ...EVEN], 1, 0, 0)),
  round,
}

async function round(running: Running, { seconds }: RoundOptions): Promise<Metrics> {
  const even = await serve(running, EVEN, LANES_PER_CORE, WARM_MS, seconds * 1000)
  const skewed = await serve(running, ['skewed'], LANES_PER_CORE * CORES, WARM_MS, seconds * 1000)
  return {
    overEven: skewed.served / even.served,
    evenPerSecond: even.served / seconds,
    skewedPerSecond: skewed.served / seconds,
    unserved: even.unserved + skewed.unserved,
  }
}

async function serve(
  running: Running,
  tenants: readonly string[],
  lanes: number,
  warmMs: number,
  lengthMs: number,
): Promise<{ readonly served: number; readonly unserved: number }> {
  const loops = tenants.map((tenant) =>
    startClosedLoop(`${running.url(tenant, 'loop')}/x?iterations=${ITERATIONS}`, lanes, 60_000),
  )
  const count = (isRight: (status: number) => boolean): number =>
    loops.reduce((sum, { answers }) => sum + answers.filter(({ status }) => isRight(status)).length, 0)
  try {
    await Promise.all(loops.map((loop) => loop.until(() => true)))
    await sleep(warmMs)
    const before = count((status) => status === 200)
    await sleep(lengthMs)
    return { served: count((status) => status === 200) - before, unserved: count((status) => status !== 200) }
  } finally {
    await Promise.all(loops.map((loop) => loop.stop('finish')))
  }
}
