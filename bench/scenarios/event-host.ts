/**
 * Ephemeral events within the host: published to ten async handlers, on patterns, among other subscriptions. Against emittery with
 * plain names in a process of its own; and the bus against itself, among 100,000 other subscriptions instead of 100.
 */
import type { Metrics, RoundOptions, Running, Scenario } from '../contract.ts'
import { type Operations, runOnce, runOperations } from '../load/operations.ts'

/** Some microseconds each: together long beside the HTTP around them. */
const COUNT = 20_000
const FEW = 100
const MANY = 100_000

export const eventHost: Scenario = {
  name: 'event-host',
  title: 'event bus of the host: publish to ten async handlers',
  contenders: ['bus', 'emittery'],
  subject: 'bus',
  primary: 'operationsPerSecond',
  goals: [
    { metric: 'operationsPerSecond', peer: 'emittery', relation: 'at-least', bound: 0.8 },
    // What an event costs among a thousand times as many subscriptions.
    { metric: 'costRatioAmongMany', relation: 'at-most', bound: 1.3 },
  ],
  start: {},
  freshEachRound: false,
  guests: () => [],
  prepare: (running) => runOnce(publishes(running, FEW)),
  round: (running, options) =>
    running.name === 'bus'
      ? compare(running, options)
      : runOperations(publishes(running, FEW), options.seconds),
}

async function compare(running: Running, { seconds }: RoundOptions): Promise<Metrics> {
  const few = await runOperations(publishes(running, FEW), seconds)
  const many = await runOperations(publishes(running, MANY), seconds)
  const perSecond = (metrics: Metrics): number => metrics['operationsPerSecond'] ?? Number.NaN
  return { ...few, costRatioAmongMany: perSecond(few) / perSecond(many) }
}

const publishes = (running: Running, others: number): Operations => ({
  url: `${running.url('', '')}/publish`,
  parameters: () => ({ others }),
  lanes: 1,
  count: COUNT,
})
