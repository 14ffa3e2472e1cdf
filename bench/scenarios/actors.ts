/**
 * Actors asked by a guest: in its own isolate, in another cell, and with state that is durable before the answer. workerd's
 * actors are Durable Objects reached by RPC, their storage on the same disk; between processes, the floor is a socket.
 */
import {
  BenchError,
  type Goal,
  type Guest,
  type Metrics,
  type RoundOptions,
  type Running,
  type Scenario,
} from '../contract.ts'
import { guest } from '../guests.ts'
import { createClient } from '../load/client.ts'
import { COUNT, type Operations, runOnce, runOperations } from '../load/operations.ts'
import { field, parseJson } from '../unknown.ts'

const LANES = 64
const ACTORS = 16
/** An ask within an isolate takes microseconds: so many that the request around them is a small part. */
const MANY = 2000

/** The class is in another service, of another tenant: so its cell is another. */
const APART: readonly Guest[] = [
  {
    ...guest('actors'),
    capabilities: { actors: { COUNTERS: { service: 'others/actors', class: 'Counter' } } },
  },
  { ...guest('actors', 'others'), capabilities: { actors: { COUNTERS: { class: 'Counter' } } } },
]
const TOGETHER: readonly Guest[] = [
  { ...guest('actors'), capabilities: { actors: { COUNTERS: { class: 'Counter' } } } },
]

interface Asks {
  readonly name: string
  readonly title: string
  readonly guests: readonly Guest[]
  readonly lanes: number
  readonly count: number
  readonly contenders: Scenario['contenders']
  readonly goals: readonly Goal[]
}

function askScenario({ name, title, guests, lanes, count, contenders, goals }: Asks): Scenario {
  const asks = (running: Running): Operations => operations(running, 'ask', lanes, count)
  return {
    name,
    title: `${title}, ${lanes} in flight`,
    contenders,
    primary: 'operationsPerSecond',
    goals,
    start: { policy: { tenants: { bench: { actors: { services: ['others/actors'] } } } } },
    freshEachRound: false,
    guests: () => guests,
    prepare: (running) => runOnce(asks(running)),
    round: (running, { seconds }) => runOperations(asks(running), seconds),
  }
}

const durable: Scenario = {
  name: 'actor-durable',
  title: `actors: durable read, add and write, ${LANES} in flight over ${ACTORS} actors`,
  contenders: ['vela', 'workerd'],
  primary: 'operationsPerSecond',
  goals: [{ metric: 'operationsPerSecond', peer: 'workerd', relation: 'at-least', bound: 1 }],
  start: {},
  freshEachRound: false,
  guests: () => TOGETHER,
  prepare: (running) => runOnce(operations(running, 'increment', LANES)),
  round: durableRound,
}

/** What was acknowledged is counted in the actors: no increment may be lost. */
async function durableRound(running: Running, { seconds }: RoundOptions): Promise<Metrics> {
  const before = await total(running)
  const metrics = await runOperations(operations(running, 'increment', LANES), seconds)
  // The first request of a run is not measured, and counts here.
  const expected = before + (metrics['operations'] ?? 0) + COUNT
  const after = await total(running)
  if (after !== expected)
    throw new BenchError(`${running.name}: the counters stand at ${after}, not at ${expected}`)
  return metrics
}

async function total(running: Running): Promise<number> {
  const client = createClient(1)
  try {
    const { body } = await client.get(`${running.url('bench', 'actors')}/total?actors=${ACTORS}`)
    return Number(field(parseJson(body), 'total'))
  } finally {
    client.close()
  }
}

function operations(
  running: Running,
  operation: 'ask' | 'increment',
  lanes: number,
  count: number = COUNT,
): Operations {
  const actors = Math.min(lanes, ACTORS)
  return {
    url: `${running.url('bench', 'actors')}/${operation}`,
    parameters: () => ({ actors }),
    lanes,
    count,
  }
}

const THREE_TIMES: readonly Goal[] = [
  { metric: 'operationsPerSecond', peer: 'workerd', relation: 'at-least', bound: 3 },
]
const ASK = { guests: TOGETHER, count: MANY, contenders: ['vela', 'workerd'], goals: THREE_TIMES } as const
const ACROSS = { guests: APART, count: COUNT } as const

export const actors: readonly Scenario[] = [
  askScenario({ ...ASK, name: 'actor-ask', title: 'actors: ask in the same isolate', lanes: LANES }),
  askScenario({ ...ASK, name: 'actor-ask-1', title: 'actors: ask in the same isolate', lanes: 1 }),
  askScenario({
    ...ACROSS,
    name: 'actor-ask-cells',
    title: 'actors: ask across cells',
    lanes: LANES,
    contenders: ['vela', 'workerd'],
    goals: [{ metric: 'operationsPerSecond', peer: 'workerd', relation: 'at-least', bound: 1 }],
  }),
  askScenario({
    ...ACROSS,
    name: 'actor-ask-cells-1',
    title: 'actors: ask across cells',
    lanes: 1,
    contenders: ['vela', 'socket', 'workerd'],
    goals: [{ metric: 'msPerOperation', peer: 'socket', relation: 'at-most', bound: 3 }],
  }),
  durable,
]
