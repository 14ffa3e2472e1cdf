/**
 * A guest's key-value store with 64 calls in flight. workerd's is the storage of a Durable Object, reached by RPC, as a
 * service there would have it. A put counts when it was acknowledged, which both promise to do once it is durable.
 */
import type { Metrics, RoundOptions, Running, Scenario } from '../contract.ts'
import { guest } from '../guests.ts'
import { type Operations, runOnce, runOperations } from '../load/operations.ts'

const LANES = 64

function kvScenario(name: string, title: string, operation: 'get' | 'put'): Scenario {
  return {
    name,
    title: `${title}, ${LANES} in flight`,
    contenders: ['vela', 'workerd'],
    primary: 'operationsPerSecond',
    goals: [{ metric: 'operationsPerSecond', peer: 'workerd', relation: 'at-least', bound: 2 }],
    start: {},
    freshEachRound: false,
    guests: () => [{ ...guest('kv'), capabilities: { kv: {} } }],
    async prepare(running) {
      await runOnce(operations(running, 'put', () => 0))
      await runOnce(operations(running, 'get', () => 0))
    },
    round: operation === 'get' ? getRound : putRound,
  }
}

function getRound(running: Running, { seconds }: RoundOptions): Promise<Metrics> {
  return runOperations(
    operations(running, 'get', () => 0),
    seconds,
  )
}

/** Every request puts values that were not there before: SQLite does not write what it has already. */
async function putRound(running: Running, { seconds }: RoundOptions): Promise<Metrics> {
  let generation = Date.now()
  const puts = operations(running, 'put', () => ++generation)
  const metrics = await runOperations(puts, seconds)
  await runOnce(operations(running, 'get', () => generation))
  return metrics
}

function operations(running: Running, operation: 'get' | 'put', generation: () => number): Operations {
  const url = `${running.url('bench', 'kv')}/${operation}`
  return { url, parameters: () => ({ generation: generation() }), lanes: LANES }
}

export const kv: readonly Scenario[] = [
  kvScenario('kv-get', 'key-value store: get', 'get'),
  kvScenario('kv-put', 'key-value store: durable put', 'put'),
]
