/**
 * Durable events over JetStream: each published, stored, acknowledged and handled, 64 in flight. Against NATS's own client, which
 * publishes to a stream, consumes and acknowledges, on a nats-server of its own.
 */
import type { Running, Scenario } from '../contract.ts'
import { type Operations, runOnce, runOperations } from '../load/operations.ts'

export const eventDurableNats: Scenario = {
  name: 'event-durable-nats',
  title: 'durable events over JetStream, 64 in flight',
  contenders: ['durable-nats', 'jetstream'],
  subject: 'durable-nats',
  primary: 'operationsPerSecond',
  goals: [{ metric: 'operationsPerSecond', peer: 'jetstream', relation: 'at-least', bound: 0.7 }],
  // nats-server is a process of its own for both.
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
  count: 5000,
})
