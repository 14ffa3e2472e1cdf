/** Durable events on a host's own disk: each published, stored, acknowledged and handled, 64 in flight. No peer has the like. */
import type { Running, Scenario } from '../contract.ts'
import { type Operations, runOnce, runOperations } from '../load/operations.ts'

export const eventDurable: Scenario = {
  name: 'event-durable',
  title: 'durable events on SQLite, 64 in flight',
  contenders: ['durable'],
  subject: 'durable',
  primary: 'operationsPerSecond',
  goals: [{ metric: 'operationsPerSecond', relation: 'at-least', bound: 20_000 }],
  // The store has a thread of its own.
  start: { allCores: true },
  freshEachRound: false,
  guests: () => [],
  prepare: (running) => runOnce(events(running)),
  round: (running, options) => runOperations(events(running), options.seconds),
}

const events = (running: Running): Operations => ({
  url: `${running.url('', '')}/ask`,
  parameters: () => ({}),
  lanes: 64,
  count: 10_000,
})
