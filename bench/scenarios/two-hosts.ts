/**
 * An actor asked from another host: two hosts of a cluster and one nats-server, beside NATS's own client doing a bare request between two
 * processes through the same kind of server. 100 characters there and back.
 */
import type { Running, Scenario } from '../contract.ts'
import { type Operations, runOnce, runOperations } from '../load/operations.ts'

const LANES = 64

const scenario = (name: string, lanes: number, goals: Scenario['goals'], primary: string): Scenario => {
  const asks = (running: Running): Operations => ({
    url: `${running.url('', '')}/ask`,
    parameters: () => ({}),
    lanes,
  })
  return {
    name,
    title: `an actor on another host, ${lanes} in flight`,
    contenders: ['hosts', 'nats'],
    subject: 'hosts',
    primary,
    goals,
    start: {},
    freshEachRound: false,
    guests: () => [],
    prepare: (running) => runOnce(asks(running)),
    round: (running, { seconds }) => runOperations(asks(running), seconds),
  }
}

export const twoHosts: readonly Scenario[] = [
  scenario(
    'two-hosts',
    1,
    [{ metric: 'msPerOperation', peer: 'nats', relation: 'at-most', bound: 1.5 }],
    'msPerOperation',
  ),
  scenario('two-hosts-64', LANES, [], 'operationsPerSecond'),
]
