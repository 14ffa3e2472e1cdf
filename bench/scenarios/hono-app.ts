/**
 * A real application: the Hono example of this repository, bundled once, the same text on both. Notes are read, a list
 * and one at a time; they live in the isolate, so each round sees to it that they are there.
 */
import type { Running, Scenario } from '../contract.ts'
import { example } from '../guests.ts'
import { runWrk } from '../load/wrk.ts'
import { verifyJson } from './verify.ts'

const CONNECTIONS = 64
const EXAMPLE = 'hono-api'
const NOTES = [1, 2, 3].map((id) => ({ id, title: `note ${id}`, tags: ['green', 'blue'] }))

export const honoApp: Scenario = {
  name: 'hono-app',
  title: `the Hono example, ${CONNECTIONS} connections`,
  contenders: ['vela', 'workerd'],
  primary: 'requestsPerSecond',
  goals: [{ metric: 'requestsPerSecond', peer: 'workerd', relation: 'at-least', bound: 2 }],
  start: {},
  freshEachRound: false,
  guests: async () => [await example(EXAMPLE)],
  async prepare(running) {
    for (const note of NOTES) {
      const body = JSON.stringify({ title: note.title, tags: note.tags })
      await verifyJson(running, `${base(running)}/`, 201, note, body)
    }
  },
  async round(running, { seconds }) {
    await verifyJson(running, `${base(running)}/`, 200, { notes: NOTES })
    for (const note of NOTES) await verifyJson(running, `${base(running)}/${note.id}`, 200, note)
    const urls = ['', ...NOTES.map(({ id }) => id)].map((path) => `${base(running)}/${path}`)
    return await runWrk({ urls, connections: CONNECTIONS, seconds })
  },
}

const base = (running: Running): string => running.url('bench', EXAMPLE)
