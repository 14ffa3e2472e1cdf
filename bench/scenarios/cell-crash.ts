/**
 * kill -9 of the busiest cell under load. Only what that cell had taken may fail, each request with a typed 502, and
 * the service must answer again at once. No peer: workerd has one process, whose death is the end of every tenant.
 */
import { performance } from 'node:perf_hooks'
import { BenchError, type Metrics, type RoundOptions, type Running, type Scenario } from '../contract.ts'
import { guest } from '../guests.ts'
import { startClosedLoop } from '../load/closed-loop.ts'
import { cpuTicks } from '../procfs.ts'
import { verifyHello } from './verify.ts'

const CONNECTIONS = 32
const WARM_ANSWERS = 2000

export const cellCrash: Scenario = {
  name: 'cell-crash',
  title: `kill -9 of a cell, ${CONNECTIONS} connections`,
  contenders: ['vela'],
  primary: 'recoveryMs',
  goals: [
    { metric: 'failuresOverInFlight', relation: 'at-most', bound: 0 },
    { metric: 'untypedFailures', relation: 'at-most', bound: 0 },
    { metric: 'recoveryMs', relation: 'at-most', bound: 250 },
  ],
  start: {},
  freshEachRound: false,
  guests: () => [guest('hello')],
  prepare: (running) => verifyHello(running, 'bench', 'hello'),
  round,
}

async function round(running: Running, _options: RoundOptions): Promise<Metrics> {
  const ticksBefore = new Map(running.pids().map((pid) => [pid, cpuTicks(pid)]))
  const loop = startClosedLoop(`${running.url('bench', 'hello')}/x`, CONNECTIONS)
  try {
    await loop.until(() => loop.answers.length >= WARM_ANSWERS)
    const cell = busiestCell(running, ticksBefore)
    const inFlight = loop.inFlight()
    const answersBefore = loop.answers.length
    const killedMs = performance.now()
    process.kill(cell, 'SIGKILL')
    const served = await loop.until((answer) => answer.status === 200 && answer.startedMs > killedMs)
    const settled = loop.answers.length + WARM_ANSWERS
    await loop.until(() => loop.answers.length >= settled)
    const failures = loop.answers.slice(answersBefore).filter((answer) => answer.status !== 200)
    const typed = failures.filter((answer) => answer.status === 502 && answer.code === 'VELA_CELL_LOST')
    return {
      recoveryMs: (served?.endedMs ?? Number.POSITIVE_INFINITY) - killedMs,
      failures: failures.length,
      inFlight,
      failuresOverInFlight: Math.max(0, failures.length - inFlight),
      untypedFailures: failures.length - typed.length,
      failedBefore: loop.answers.slice(0, answersBefore).filter((answer) => answer.status !== 200).length,
    }
  } finally {
    await loop.stop('finish')
  }
}

/** The child process that used most CPU since: spares idle, and a wrapper around a cell does too. */
function busiestCell(running: Running, ticksBefore: ReadonlyMap<number, number>): number {
  const used = (pid: number): number => cpuTicks(pid) - (ticksBefore.get(pid) ?? 0)
  const [busiest] = running
    .pids()
    .slice(1)
    .sort((a, b) => used(b) - used(a))
  if (busiest === undefined) throw new BenchError(`${running.name} has no cell process to kill`)
  return busiest
}
