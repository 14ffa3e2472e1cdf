/** Ephemeral events with 100 characters of data, from a guest in one cell to a handler of a guest in another, through the host's bus. */
import type { Guest, Running, Scenario } from '../contract.ts'
import { guest } from '../guests.ts'
import { type Operations, runOnce, runOperations } from '../load/operations.ts'

/** What may wait for a subscription: more at once could be dropped, which is no failure of ephemeral events, but of this count. */
const COUNT = 10_000

const GUESTS: readonly Guest[] = [
  {
    ...guest('events'),
    // Whoever waits for the events is the isolate that gets them.
    limits: { replicas: 1 },
    capabilities: {
      events: {
        EVENTS: { publish: ['bench.text'], subscribe: [{ subject: 'bench.text', handler: 'onText' }] },
      },
      workers: { POOL: { size: 1 } },
    },
  },
]

export const eventGuest: Scenario = {
  name: 'event-guest',
  title: 'ephemeral events from guest to guest across cells, 100 characters',
  contenders: ['vela'],
  primary: 'operationsPerSecond',
  goals: [{ metric: 'operationsPerSecond', relation: 'at-least', bound: 100_000 }],
  start: {},
  freshEachRound: false,
  guests: () => GUESTS,
  prepare: (running) => runOnce(operations(running)),
  round: (running, { seconds }) => runOperations(operations(running), seconds),
}

const operations = (running: Running): Operations => ({
  url: running.url('bench', 'events'),
  parameters: () => ({}),
  lanes: 1,
  count: COUNT,
})
