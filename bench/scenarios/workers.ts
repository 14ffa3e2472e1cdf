/**
 * A CPU-bound function mapped over workers of the guest's own code, against the same function of the same file as trusted
 * code on a piscina thread. One core for everything, so that what differs is what isolation costs.
 */
import type { Running, Scenario } from '../contract.ts'
import { guest } from '../guests.ts'
import { type Operations, runOnce, runOperations } from '../load/operations.ts'

/** Some milliseconds a task. */
const ITERATIONS = 2_000_000
const TASKS = 32

export const workers: Scenario = {
  name: 'workers-map',
  title: 'workers.map of a CPU-bound function, one worker',
  contenders: ['vela', 'piscina'],
  primary: 'operationsPerSecond',
  goals: [{ metric: 'operationsPerSecond', peer: 'piscina', relation: 'at-least', bound: 0.9 }],
  start: {},
  freshEachRound: false,
  guests: () => [{ ...guest('workers'), capabilities: { workers: { POOL: { size: 1 } } } }],
  prepare: (running) => runOnce(maps(running)),
  round: (running, { seconds }) => runOperations(maps(running), seconds),
}

function maps(running: Running): Operations {
  const expected = burn(ITERATIONS)
  return {
    url: `${running.url('bench', 'workers')}/map`,
    parameters: () => ({ iterations: ITERATIONS, expected }),
    lanes: TASKS,
    count: TASKS,
  }
}

/** What the guest's function of this name answers. */
function burn(iterations: number): number {
  let sum = 0
  for (let index = 0; index < iterations; index++) sum = (sum * 31 + index) | 0
  return sum
}
