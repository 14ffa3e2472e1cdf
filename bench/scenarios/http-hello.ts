/** The cost of a small request at three loads: saturated, busy, and one client alone. */
import type { Goal, Scenario } from '../contract.ts'
import { guest } from '../guests.ts'
import { runWrk } from '../load/wrk.ts'
import { verifyHello } from './verify.ts'

function helloScenario(name: string, connections: number, primary: string, goals: readonly Goal[]): Scenario {
  return {
    name,
    title: `hello, ${connections} connection${connections === 1 ? '' : 's'}`,
    contenders: ['vela', 'workerd', 'node'],
    primary,
    goals,
    start: {},
    freshEachRound: false,
    guests: () => [guest('hello')],
    prepare: (running) => verifyHello(running, 'bench', 'hello'),
    round: (running, { seconds }) =>
      runWrk({ urls: [`${running.url('bench', 'hello')}/x`], connections, seconds }),
  }
}

export const httpHello: readonly Scenario[] = [
  helloScenario('http-hello', 64, 'requestsPerSecond', [
    { metric: 'requestsPerSecond', peer: 'workerd', relation: 'at-least', bound: 3 },
    { metric: 'p99Ms', peer: 'workerd', relation: 'at-most', bound: 0.3 },
    { metric: 'requestsPerSecond', peer: 'node', relation: 'at-least', bound: 0.6 },
  ]),
  helloScenario('http-hello-8', 8, 'requestsPerSecond', [
    { metric: 'requestsPerSecond', peer: 'workerd', relation: 'at-least', bound: 2.5 },
    { metric: 'p50Ms', peer: 'workerd', relation: 'at-most', bound: 0.85 },
  ]),
  helloScenario('http-hello-1', 1, 'p50Ms', [
    { metric: 'p50Ms', peer: 'workerd', relation: 'at-most', bound: 0.85 },
  ]),
]
