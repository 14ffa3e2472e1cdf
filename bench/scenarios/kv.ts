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
      await runOnce(operations(running, 'put', 0))
      await runOnce(operations(running, 'get', 0))
    },
    round: (running, options) => round(running, options, operation),
  }
}

async function round(
  running: Running,
  { seconds }: RoundOptions,
  operation: 'get' | 'put',
): Promise<Metrics> {
  if (operation === 'get') return await runOperations(operations(running, 'get', 0), seconds)
  // A generation of its own, so that what is read afterwards cannot be what an earlier round left.
  const generation = Date.now()
  const metrics = await runOperations(operations(running, 'put', generation), seconds)
  await runOnce(operations(running, 'get', generation))
  return metrics
}

function operations(running: Running, operation: 'get' | 'put', generation: number): Operations {
  return { url: `${running.url('bench', 'kv')}/${operation}`, parameters: { generation }, lanes: LANES }
}

export const kv: readonly Scenario[] = [
  kvScenario('kv-get', 'key-value store: get', 'get'),
  kvScenario('kv-put', 'key-value store: durable put', 'put'),
]
