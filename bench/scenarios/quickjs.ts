/**
 * Vela on QuickJS against Vela on V8: what a tenant gives up when an operator moves it there. The same scenarios as
 * against workerd, with the other engine in workerd's place. The CPU it costs is told and not judged: an interpreter
 * is slower, and by how much depends on the guest.
 */
import type { ContenderName, Goal, Scenario } from '../contract.ts'
import { coldRequest } from './cold-request.ts'
import { density } from './density.ts'
import { httpHello } from './http-hello.ts'
import { webApi } from './web-api.ts'

const CONTENDERS: readonly ContenderName[] = ['vela-quickjs', 'vela']

/** No more of it than V8 takes, and a half. */
const atMost = (metric: string): Goal => ({ metric, peer: 'vela', relation: 'at-most', bound: 1.5 })

function onQuickjs(scenarios: readonly Scenario[], name: string, goals: readonly Goal[]): Scenario {
  const scenario = scenarios.find((one) => one.name === name)
  if (scenario === undefined) throw new Error(`there is no scenario ${name} to run on QuickJS`)
  return {
    ...scenario,
    name: `quickjs-${name}`,
    title: `${scenario.title}; QuickJS`,
    contenders: CONTENDERS,
    subject: 'vela-quickjs',
    goals,
  }
}

export const quickjs: readonly Scenario[] = [
  onQuickjs(coldRequest, 'cold-request', [atMost('p50Ms')]),
  onQuickjs([density], 'density', [atMost('pssKibPerService'), atMost('privateKibPerService')]),
  onQuickjs(httpHello, 'http-hello', []),
  onQuickjs([webApi], 'web-api', []),
]
