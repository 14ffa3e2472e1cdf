/** Whose share a cell counts for, what it weighs, and whose clock is believed. */
import { expect, test } from 'vitest'
import { createSeats } from '../../host/cells/seats.ts'

test('weights are of tenants, and a cordon has what its tenants have together', () => {
  const seats = createSeats({ cores: 1, weights: { a: 2 }, cordons: { small: ['a', 'b'], empty: [] } })
  const join = (owner: string): object => {
    const cell = { pid: process.pid, proceed: () => undefined }
    seats.take(cell, owner)
    return cell
  }
  expect(seats.enter(join('tenant:least-served'))).toBe(true)
  /** Whether it may go on after it has used so much. */
  const goesOn = (owner: string, cpuMs: number): boolean => {
    const cell = join(owner)
    expect(seats.enter(cell)).toBe(true)
    seats.done(cell, cpuMs * 1000, true)
    const may = seats.enter(cell)
    seats.end(cell)
    return may
  }
  // 20 ms ahead is allowed at weight 1.
  expect([goesOn('tenant:c', 20), goesOn('tenant:d', 21)]).toEqual([true, false])
  expect([goesOn('cordon:small', 60), goesOn('cordon:small', 1)]).toEqual([true, false])
  expect(goesOn('tenant:constructor', 20)).toBe(true)
  // Who has no owner is in no line.
  expect(seats.enter({})).toBe(true)
  seats.close()
})

test.runIf(process.platform === 'linux')(
  'what a process used and its cell did not say is found by its clock',
  () => {
    const seats = createSeats({ cores: 1, weights: {}, cordons: {} })
    const cell = { pid: process.pid, proceed: () => undefined }
    seats.take(cell, 'tenant:liar')
    seats.enter(cell)
    seats.audit()
    const before = process.cpuUsage()
    const usedMs = (): number => {
      const { user, system } = process.cpuUsage(before)
      return (user + system) / 1000
    }
    while (usedMs() < 60);
    seats.done(cell, 0, false)
    seats.audit()
    expect(seats.takeCpuMicros().get('tenant:liar')).toBeGreaterThan(30_000)
    seats.close()
  },
)
