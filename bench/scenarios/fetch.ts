/**
 * Outgoing HTTP with 64 requests in flight, to a server of this machine that the operator's policy allows for the test.
 * undici's Agent in a bare process is the client that Vela's is built on; workerd is there to compare.
 */
import { BenchError, type Metrics, type Running, type Scenario } from '../contract.ts'
import { guest } from '../guests.ts'
import { COUNT, type Operations, runOnce, runOperations } from '../load/operations.ts'
import { type Origin, startOrigin } from '../load/origin.ts'

const LANES = 64
const RPS = 1_000_000

export const fetchScenario: Scenario = {
  name: 'fetch',
  title: `fetch from a local server, ${LANES} in flight`,
  contenders: ['vela', 'undici', 'workerd'],
  primary: 'operationsPerSecond',
  goals: [{ metric: 'operationsPerSecond', peer: 'undici', relation: 'at-least', bound: 0.7 }],
  start: { policy: { default: { fetch: { networks: ['127.0.0.0/8'], rps: RPS } } } },
  freshEachRound: false,
  guests: () => [{ ...guest('fetch'), capabilities: { fetch: { allow: ['http://127.0.0.1:*'], rps: RPS } } }],
  prepare: (running) =>
    withOrigin(async (origin) => {
      await runOnce(operations(running, origin))
      if (origin.served() !== COUNT)
        throw new BenchError(`${running.name} sent ${origin.served()} requests for ${COUNT} fetches`)
    }),
  round: (running, { seconds }) =>
    withOrigin((origin): Promise<Metrics> => runOperations(operations(running, origin), seconds)),
}

function operations(running: Running, { url, body }: Origin): Operations {
  return {
    url: `${running.url('bench', 'fetch')}/x`,
    parameters: () => ({ target: url, expected: body }),
    lanes: LANES,
  }
}

/** Rounds have an origin each: what one contender keeps open must not wait on another's. */
async function withOrigin<T>(use: (origin: Origin) => Promise<T>): Promise<T> {
  const origin = await startOrigin()
  try {
    return await use(origin)
  } finally {
    await origin.close()
  }
}
