/**
 * Memory of a loaded service: growth of all processes of the contender from one service loaded to 401, over 400.
 * Proportional (PSS) and private bytes, the same for both. Deployed services that are not loaded are weighed by the
 * same start with all of them known and none asked for.
 */
import { BenchError, type Metrics, type RoundOptions, type Running, type Scenario } from '../contract.ts'
import { services } from '../guests.ts'
import { createClient } from '../load/client.ts'
import { type Memory, memoryOf } from '../procfs.ts'
import { verifyHello } from './verify.ts'

const SETTLE_MS = 500
const SETTLE_TRIES = 20
const SETTLED_SHARE = 0.005

export const density: Scenario = {
  name: 'density',
  title: '400 loaded services of one tenant, memory each',
  contenders: ['vela', 'workerd'],
  primary: 'pssKibPerService',
  goals: [
    { metric: 'pssKibPerService', peer: 'workerd', relation: 'at-most', bound: 1 },
    { metric: 'privateKibPerService', peer: 'workerd', relation: 'at-most', bound: 1 },
  ],
  start: { unloaded: true },
  freshEachRound: true,
  maxRounds: 1,
  guests: (options) => services(loaded(options) + 1),
  prepare: (running) => verifyHello(running, 'bench', 'hello-0'),
  round,
}

function loaded({ quick }: RoundOptions): number {
  return quick ? 100 : 400
}

async function round(running: Running, options: RoundOptions): Promise<Metrics> {
  const count = loaded(options)
  const before = await settledMemory(running)
  const client = createClient(1)
  try {
    for (const { tenant, service } of services(count + 1).slice(1)) {
      const answer = await client.get(`${running.url(tenant, service)}/x`)
      if (answer.status !== 200)
        throw new BenchError(`${running.name}: ${service} answered ${answer.status} ${answer.code}`)
    }
  } finally {
    client.close()
  }
  const after = await settledMemory(running)
  const each = (bytes: number): number => bytes / 1024 / count
  return {
    pssKibPerService: each(after.pssBytes - before.pssBytes),
    privateKibPerService: each(after.privateBytes - before.privateBytes),
    rssKibPerService: each(after.rssBytes - before.rssBytes),
    pssUnloadedMib: before.pssBytes / 1024 / 1024,
    pssLoadedMib: after.pssBytes / 1024 / 1024,
    services: count,
    processes: running.pids().length,
  }
}

/** Collectors free at their leisure: read again until two readings agree. */
async function settledMemory(running: Running): Promise<Memory> {
  let last = memoryOf(running.pids())
  for (let attempt = 0; attempt < SETTLE_TRIES; attempt++) {
    await new Promise((resolve) => setTimeout(resolve, SETTLE_MS))
    const next = memoryOf(running.pids())
    if (Math.abs(next.pssBytes - last.pssBytes) <= last.pssBytes * SETTLED_SHARE) return next
    last = next
  }
  return last
}
