/**
 * A scope of a request with ten dependencies (four singletons, two transients, four of the request, of which two are ended with
 * it): opened, resolved, used, disposed. Against awilix alone doing the same, in a process of its own.
 */
import type { Running, Scenario } from '../contract.ts'
import { type Operations, runOnce, runOperations } from '../load/operations.ts'

/** Some microseconds each: together long beside the HTTP around them. */
const COUNT = 5_000

export const diResolve: Scenario = {
  name: 'di-resolve',
  title: 'request scope with ten dependencies: open, resolve, dispose',
  contenders: ['container', 'awilix'],
  subject: 'container',
  primary: 'operationsPerSecond',
  goals: [{ metric: 'operationsPerSecond', peer: 'awilix', relation: 'at-least', bound: 0.9 }],
  start: {},
  freshEachRound: false,
  guests: () => [],
  prepare: (running) => runOnce(requests(running)),
  round: (running, { seconds }) => runOperations(requests(running), seconds),
}

const requests = (running: Running): Operations => ({
  url: `${running.url('', '')}/resolve`,
  parameters: () => ({}),
  lanes: 1,
  count: COUNT,
})
