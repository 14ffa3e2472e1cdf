/**
 * The first request to a service whose isolate is not loaded, over a warm connection, one after the other with a pause. With one
 * tenant its cell runs already. With a tenant each, Vela also has to hand a spare cell over; those come at a pace
 * that lets it make new spares, since a stream of new tenants faster than processes start measures starting them.
 */
import {
  BenchError,
  type Guest,
  type Metrics,
  type RoundOptions,
  type Running,
  type Scenario,
} from '../contract.ts'
import { services, tenants } from '../guests.ts'
import { createClient } from '../load/client.ts'
import { median, percentile } from '../stats.ts'
import { verifyHello } from './verify.ts'

/** Cold requests come now and then: whoever prepares for the next one may do it between two of them. */
const PAUSE_MS = 25
const PAUSE_FOR_SPARE_MS = 250

function coldScenario(
  name: string,
  title: string,
  fleet: (count: number) => Guest[],
  pauseMs: number,
): Scenario {
  // One more than is measured: the first wakes the connection, the code paths and, for one tenant, its cell.
  const guests = ({ quick }: RoundOptions): Guest[] => fleet(quick ? 11 : 41)
  return {
    name,
    title,
    contenders: ['vela', 'workerd'],
    primary: 'p50Ms',
    goals: [{ metric: 'p50Ms', peer: 'workerd', relation: 'at-most', bound: 0.4 }],
    start: { unloaded: true },
    freshEachRound: true,
    guests,
    async prepare(running) {
      const [first] = fleet(1)
      if (first) await verifyHello(running, first.tenant, first.service)
    },
    round: (running, options) => round(running, guests(options).slice(1), pauseMs),
  }
}

async function round(running: Running, cold: readonly Guest[], pauseMs: number): Promise<Metrics> {
  const client = createClient(1)
  const times: number[] = []
  try {
    for (const { tenant, service } of cold) {
      if (pauseMs > 0) await new Promise((resolve) => setTimeout(resolve, pauseMs))
      const answer = await client.get(`${running.url(tenant, service)}/x`)
      if (answer.status !== 200)
        throw new BenchError(`${running.name}: a cold request got ${answer.status} ${answer.code}`)
      times.push(answer.endedMs - answer.startedMs)
    }
  } finally {
    client.close()
  }
  return { p50Ms: median(times), p99Ms: percentile(times, 0.99), requests: times.length }
}

export const coldRequest: readonly Scenario[] = [
  coldScenario('cold-request', 'first request to a service, tenant active', services, PAUSE_MS),
  coldScenario('cold-tenant', 'first request to a tenant', tenants, PAUSE_FOR_SPARE_MS),
]
