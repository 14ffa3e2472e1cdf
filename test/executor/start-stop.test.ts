/** Starts that fail or break off and a stop that does not end: nothing is done twice, and nobody else hears of it. */
import { once } from 'node:events'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { until } from '../e2e/support.ts'
import { startCells, type TestCells } from './support.ts'

let cells: TestCells
beforeAll(async () => {
  cells = await startCells()
})
afterAll(async () => cells[Symbol.asyncDispose]())

/** Lines that a guest has logged, and a place to have it write them. */
const createLines = (): { lines: string[]; onLog: (level: number, text: string) => void } => {
  const lines: string[] = []
  return { lines, onLog: (_, text) => void lines.push(text.slice(text.indexOf('\n') + 1)) }
}

test('code that cannot be read fails the call that waits for it, and not the host', async () => {
  const unhandled: unknown[] = []
  const note = (reason: unknown): void => void unhandled.push(reason)
  process.on('unhandledRejection', note)
  try {
    const { call } = cells.deploy('', {
      tenant: 'unreadable',
      startsAtOnce: true,
      prepare: () => Promise.reject(new Error('The store is gone')),
    })
    await expect(call('who')).rejects.toMatchObject({ code: 'VELA_CELL_START_FAILED' })
    // Node reports them when the microtasks are done.
    await once(AbortSignal.timeout(1), 'abort')
    expect(unhandled).toEqual([])
  } finally {
    process.off('unhandledRejection', note)
  }
})

test('code that waits where it did not wait before is waited for, and no call meets it half started', async () => {
  const tenant = 'slower'
  await cells.pool.supervisor.acquire(tenant, 0)
  const source = `await new Promise((done) => setTimeout(done, 50)); export const who = () => 'me'`
  const { live, call } = cells.deploy(source, { tenant, startsAtOnce: true })
  expect(await Promise.all([call('who'), call('who'), call('who')])).toEqual(['me', 'me', 'me'])
  expect([live.replicas, live.startsAtOnce]).toEqual([1, false])
})

test('a stop hook that does not end is given up, and brings no further isolate', async () => {
  const { lines, onLog } = createLines()
  const source = `console.log('loaded'); export default { stop: () => new Promise(() => {}) }`
  const { live } = cells.deploy(source, { tenant: 'stuck', onLog })
  await live.start()
  await live.drain('replaced', 50)
  expect(live.queueLength).toBe(0)
  // In the same cell, behind whatever else it would have to load.
  await cells.deploy(`export const who = () => 'next'`, { tenant: 'stuck' }).call('who')
  expect(lines).toEqual(['loaded'])
})

test('a start hook whose cell is killed while it waits runs once in the isolate that comes instead', async () => {
  const { lines, onLog } = createLines()
  const source = `
let started = 0
export default { async start() { console.log('start ' + ++started); await new Promise((done) => setTimeout(done, 300)) } }
export const starts = () => started
`
  const { live, call } = cells.deploy(source, { tenant: 'killed', onLog })
  const starting = live.start()
  await until('it starts', () => lines.length > 0)
  const cell = await cells.pool.supervisor.acquire('killed', 0)
  await until('it waits', () => cell.outstanding === 0)
  process.kill(cell.pid, 'SIGKILL')
  await starting
  expect(await call('starts')).toBe(1)
  expect(lines).toEqual(['start 1', 'start 1'])
})
