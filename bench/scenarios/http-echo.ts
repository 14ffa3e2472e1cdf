/** 10 KB of JSON parsed by the guest and answered: what bodies cost on both ways. */
import { BenchError, type Running, type Scenario } from '../contract.ts'
import { guest } from '../guests.ts'
import { runWrk } from '../load/wrk.ts'

const BODY = JSON.stringify({
  items: Array.from({ length: 100 }, (_, id) => ({
    id,
    name: `item ${id}`,
    tags: ['red', 'green', 'blue'],
    note: 'n'.repeat(32),
  })),
})

export const httpEcho: Scenario = {
  name: 'http-echo',
  title: `echo, ${(BODY.length / 1000).toFixed(1)} KB of JSON, 64 connections`,
  contenders: ['vela', 'workerd', 'node'],
  primary: 'requestsPerSecond',
  goals: [{ metric: 'requestsPerSecond', peer: 'workerd', relation: 'at-least', bound: 2 }],
  start: {},
  freshEachRound: false,
  guests: () => [guest('echo')],
  prepare: verifyEcho,
  round: (running, { seconds }) =>
    runWrk({
      urls: [`${running.url('bench', 'echo')}/x`],
      connections: 64,
      seconds,
      method: 'POST',
      body: BODY,
    }),
}

async function verifyEcho(running: Running): Promise<void> {
  const headers = { 'content-type': 'application/json' }
  const response = await fetch(`${running.url('bench', 'echo')}/x`, { method: 'POST', headers, body: BODY })
  const text = await response.text()
  if (text !== BODY) throw new BenchError(`${running.name} echoed ${response.status}: ${text.slice(0, 300)}`)
}
