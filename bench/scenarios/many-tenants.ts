/**
 * 48 tenants active at once on one core, requests spread evenly: a process each, and all in one cordon. workerd
 * dispatches to as many dynamic workers in its one process.
 */
import { BenchError, type Running, type Scenario } from '../contract.ts'
import { tenants } from '../guests.ts'
import { runWrk } from '../load/wrk.ts'
import { verifyHello } from './verify.ts'

const TENANTS = 48

function tenantsScenario(name: string, connections: number, cordon: boolean, bound: number): Scenario {
  return {
    name,
    title: `${TENANTS} tenants, ${cordon ? 'one cordon' : 'a process each'}, ${connections} connections`,
    contenders: ['vela', 'workerd'],
    primary: 'requestsPerSecond',
    goals: [{ metric: 'requestsPerSecond', peer: 'workerd', relation: 'at-least', bound }],
    start: { cordon },
    freshEachRound: false,
    guests: () => tenants(TENANTS),
    async prepare(running) {
      for (const { tenant, service } of tenants(TENANTS)) await verifyHello(running, tenant, service)
      requireCells(running, cordon)
    },
    round: (running, { seconds }) =>
      runWrk({
        urls: tenants(TENANTS).map(({ tenant, service }) => `${running.url(tenant, service)}/x`),
        connections,
        seconds,
      }),
  }
}

/** A process each is the claim: a fast figure from shared processes must not stand for it. */
function requireCells(running: Running, cordon: boolean): void {
  if (running.name !== 'vela' || cordon) return
  const cells = running.pids().length - 1
  if (cells < TENANTS) throw new BenchError(`vela has ${cells} child processes for ${TENANTS} active tenants`)
}

export const manyTenants: readonly Scenario[] = [
  tenantsScenario('many-tenants', 64, false, 1.7),
  tenantsScenario('many-tenants-256', 256, false, 3),
  tenantsScenario('many-tenants-cordon', 64, true, 5),
  tenantsScenario('many-tenants-cordon-256', 256, true, 5),
]
