/** Cells for replicas: by number, apart from each other, and never the last room that other tenants need. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Cell } from '../../host/cells/cell.ts'
import { createCellSlots } from '../../host/cells/cell-slots.ts'
import { until } from '../e2e/support.ts'
import { startCells, type TestCells } from './support.ts'

let cells: TestCells
beforeAll(async () => {
  cells = await startCells({ maxCells: 4, cordons: { small: ['one', 'two'] } })
})
afterAll(async () => cells[Symbol.asyncDispose]())

const acquire = async (tenant: string, index?: number): Promise<Cell> =>
  await cells.pool.supervisor.acquire(tenant, index)
const refused = {
  code: 'VELA_CELL_START_FAILED',
  message: expect.stringContaining('cells.maxCells') as string,
}
const SOURCE = `
export const who = () => 'me'
export function spin(rounds) { let sum = 0; for (let round = 0; round < rounds; round++) sum += Math.sqrt(round); return sum }
`

test('a number is one cell, whoever of a cordon asks; replicas leave a quarter of all cells to others', async () => {
  const [first, again, second] = await Promise.all([acquire('one'), acquire('two', 0), acquire('one', 1)])
  expect(again).toBe(first)
  expect(second.pid).not.toBe(first.pid)
  expect(await acquire('two', 1)).toBe(second)
  const third = await acquire('one', 2)
  expect(new Set([first.pid, second.pid, third.pid]).size).toBe(3)
  await expect(acquire('one', 3)).rejects.toMatchObject(refused)
  // Who has none gets the last one.
  const other = await acquire('other')
  expect(cells.pool.supervisor.count().assigned).toBe(4)
  // An empty cell makes room for a tenant, and not for a replica.
  await expect(acquire('other', 1)).rejects.toMatchObject(refused)
  expect(await acquire('one', 2)).toBe(third)
  const last = await acquire('last')
  expect(last.alive).toBe(true)
  expect(cells.pool.supervisor.count().assigned).toBe(4)
  for (const cell of [first, second, third, other, last]) cell.kill('stopped', 'The test is over')
})

test('nothing is kept of tenants whose cells have ended', () => {
  const slots = createCellSlots({}, 100)
  const left = ['one', 'two'].map((tenant) => {
    const cell = { residentCount: 0 } as Cell
    slots.put(slots.of(tenant, 0), cell, 0)
    return cell
  })
  expect([...slots.all()].length).toBe(2)
  for (const cell of left) expect(slots.remove(cell)?.cell).toBeUndefined()
  expect([...slots.all()]).toEqual([])
})

test('a service for whose replicas there is no room goes on with those it has', async () => {
  await until('no cell is left', () => cells.pool.supervisor.count().assigned === 0)
  const others = await Promise.all(['a', 'b'].map((tenant) => acquire(tenant)))
  const deployment = cells.deploy(SOURCE, { tenant: 'busy', mostReplicas: 4, limits: { cpuMs: 2000 } })
  const startedMs = performance.now()
  let answers = 0
  const running = Array.from({ length: 4 }, async () => {
    while (performance.now() - startedMs < 800) {
      await deployment.call('spin', [2_000_000])
      answers++
    }
  })
  await Promise.all(running)
  expect([deployment.live.replicas, answers > 0, cells.pool.supervisor.count().assigned]).toEqual([
    1,
    true,
    3,
  ])
  // With room it grows.
  for (const cell of others) cell.kill('stopped', 'Somebody left')
  await until(
    'the second comes',
    async () => {
      await Promise.all(Array.from({ length: 6 }, () => deployment.call('spin', [2_000_000])))
      return deployment.live.replicas > 1
    },
    30_000,
  )
})
