/**
 * One tenant burns CPU in eight requests at a time; what does another's client see? The quiet tenant is asked at a
 * steady rate, first alone, then beside the noise. Each loop ends after tens of milliseconds; the second scenario's
 * never do, and only a runtime with limits comes back from that.
 */
import type { Metrics, RoundOptions, Running, Scenario } from '../contract.ts'
import { guest } from '../guests.ts'
import { startClosedLoop } from '../load/closed-loop.ts'
import { runPaced } from '../load/open-loop.ts'
import { verifyHello } from './verify.ts'

const LOOPS_AT_A_TIME = 8
const REQUESTS_PER_SECOND = 500

function neighbourScenario(name: string, title: string, query: string): Scenario {
  return {
    name,
    title,
    contenders: ['vela', 'workerd'],
    primary: 'p99Ms',
    goals: [
      { metric: 'slowdownAtP99', relation: 'at-most', bound: 2 },
      { metric: 'unserved', relation: 'at-most', bound: 0 },
    ],
    start: {},
    // A peer without limits never comes back from the first round.
    freshEachRound: true,
    guests: () => [guest('hello', 'quiet'), guest('loop', 'noisy')],
    prepare: (running) => verifyHello(running, 'quiet', 'hello'),
    round: (running, options) => round(running, options, query),
  }
}

async function round(running: Running, { seconds }: RoundOptions, query: string): Promise<Metrics> {
  const quiet = `${running.url('quiet', 'hello')}/x`
  await runPaced(quiet, REQUESTS_PER_SECOND, Math.min(1, seconds))
  // The better of two: a hiccup of the machine in a single one would make the noise look harmless.
  const first = await runPaced(quiet, REQUESTS_PER_SECOND, seconds)
  const second = await runPaced(quiet, REQUESTS_PER_SECOND, seconds)
  const alone = first.p99Ms <= second.p99Ms ? first : second
  const noise = startClosedLoop(
    `${running.url('noisy', 'loop')}/${query}`,
    LOOPS_AT_A_TIME,
    seconds * 2000 + 10_000,
  )
  const beside = await runPaced(quiet, REQUESTS_PER_SECOND, seconds)
  await noise.stop('break')
  const ended = noise.answers.filter((answer) => answer.status > 0)
  return {
    p99Ms: beside.p99Ms,
    p99AloneMs: alone.p99Ms,
    slowdownAtP99: beside.p99Ms / alone.p99Ms,
    p50Ms: beside.p50Ms,
    p50AloneMs: alone.p50Ms,
    sent: beside.sent,
    unserved: beside.sent - beside.served,
    unanswered: beside.unanswered,
    loopsServed: ended.filter((answer) => answer.status === 200).length,
    loopsRefused: ended.filter((answer) => answer.status !== 200).length,
  }
}

export const neighbour: readonly Scenario[] = [
  neighbourScenario('neighbour', 'hello at 500/s beside a tenant that loops', 'x'),
  neighbourScenario('neighbour-endless', 'hello at 500/s beside a tenant that loops for ever', 'x?endless'),
]
