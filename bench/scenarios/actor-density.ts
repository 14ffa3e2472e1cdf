/**
 * Many actors, few of them active: each name is given a durable state and let go; then a tenth are activated one after the
 * other and stay. What does an active one weigh, and how long does it take to become one?
 */
import { performance } from 'node:perf_hooks'
import type { Metrics, RoundOptions, Running, Scenario } from '../contract.ts'
import { guest } from '../guests.ts'
import { type Operations, runOnce } from '../load/operations.ts'
import { memoryOf } from '../procfs.ts'
import { median, percentile } from '../stats.ts'

const NAMED = 100_000
const NAMED_QUICK = 2_000
const ACTIVE_SHARE = 0.1
const LANES = 64
const WRITES_AT_A_TIME = 500
/** So few that one slow activation shows, so many that the request around them does not. */
const ACTIVATIONS_AT_A_TIME = 20

export const actorDensity: Scenario = {
  name: 'actor-density',
  title: '100,000 actors named, a tenth of them active',
  contenders: ['vela'],
  primary: 'kibPerActiveActor',
  goals: [{ metric: 'activationP50Ms', relation: 'at-most', bound: 1 }],
  start: {},
  freshEachRound: true,
  maxRounds: 1,
  guests: () => [{ ...guest('visits'), capabilities: { actors: { VISITS: { class: 'Visit' } } } }],
  async prepare(running) {
    await runOnce(operations(running, 'write', 0, 1, 1))
    await runOnce(operations(running, 'read', 0, 1, 1))
  },
  round,
}

async function round(running: Running, { quick }: RoundOptions): Promise<Metrics> {
  const named = quick ? NAMED_QUICK : NAMED
  const active = named * ACTIVE_SHARE
  const startedMs = performance.now()
  for (let from = 0; from < named; from += WRITES_AT_A_TIME)
    await runOnce(operations(running, 'write', from, WRITES_AT_A_TIME, LANES))
  const writtenMs = performance.now()
  const before = memoryOf(running.pids())
  const times: number[] = []
  for (let from = 0; from < active; from += ACTIVATIONS_AT_A_TIME) {
    const beganMs = performance.now()
    await runOnce(operations(running, 'read', from, ACTIVATIONS_AT_A_TIME, 1))
    times.push((performance.now() - beganMs) / ACTIVATIONS_AT_A_TIME)
  }
  const after = memoryOf(running.pids())
  return {
    kibPerActiveActor: (after.pssBytes - before.pssBytes) / 1024 / active,
    activationP50Ms: median(times),
    activationP99Ms: percentile(times, 0.99),
    writtenPerSecond: (named * 1000) / (writtenMs - startedMs),
    named,
    active,
  }
}

function operations(
  running: Running,
  what: 'write' | 'read',
  from: number,
  count: number,
  lanes: number,
): Operations {
  return {
    url: `${running.url('bench', 'visits')}/${what}`,
    parameters: () => ({ from }),
    lanes,
    count,
  }
}
