/** The arithmetic of shares: who goes, who waits and who pays. */
import fc from 'fast-check'
import { expect, test, vi } from 'vitest'
import { createShares, type Seat } from '../../host/cells/shares.ts'
import { machineOf } from './shares-machine.ts'

const jain = (values: readonly number[]): number =>
  values.reduce((sum, value) => sum + value, 0) ** 2 /
  (values.length * values.reduce((sum, value) => sum + value * value, 0))

test('an owner with four cells beside nine with one has a tenth', () => {
  const machine = machineOf(1)
  for (let index = 0; index < 4; index++) machine.cell('greedy', 8)
  const quiet = Array.from({ length: 9 }, (_, index) => machine.cell(`quiet-${index}`, 8).owner)
  machine.run(20_000)
  const used = [...quiet, 'greedy'].map((owner) => machine.usedMs(owner))
  expect(jain(used)).toBeGreaterThan(0.99)
  expect(used.reduce((sum, ms) => sum + ms)).toBe(20_000)
})

test.each([1, 2, 4])('weights hold on %i cores as long as each owner can use its share', (cores) => {
  const machine = machineOf(cores, { heavy: 3 })
  for (let index = 0; index < cores; index++) {
    machine.cell('heavy', 5)
    machine.cell('light', 30)
  }
  machine.run(10_000)
  const ratio = machine.usedMs('heavy') / machine.usedMs('light')
  expect(ratio).toBeGreaterThan(2.7)
  expect(ratio).toBeLessThan(3.3)
  expect(machine.usedMs('heavy') + machine.usedMs('light')).toBe(10_000 * cores)
})

test('nobody waits while a core is free, whatever has been used and whatever the weights are', () => {
  const machine = machineOf(2, { light: 0.01 })
  machine.cell('light', 30)
  machine.cell('heavy', 5)
  machine.run(5_000, () => expect(machine.shares.held).toBe(0))
  expect(machine.usedMs('light')).toBe(5_000)
  expect(machine.usedMs('heavy')).toBe(5_000)
})

test('what was used while nobody else wanted it is no debt afterwards, and idleness saves nothing up', () => {
  const machine = machineOf(1)
  for (let index = 0; index < 4; index++) machine.cell('first', 10)
  machine.run(10_000)
  expect(machine.usedMs('first')).toBe(10_000)
  machine.cell('second', 10)
  machine.run(2_000)
  const late = machine.usedMs('second')
  expect(late).toBeGreaterThan(950)
  expect(late).toBeLessThan(1_100)
})

test('owners that come together after both were idle begin alike, whoever had used more', () => {
  const machine = machineOf(1)
  const second = machine.cell('second', 10, 0)
  const first = machine.cell('first', 10, 500)
  machine.run(5_100)
  expect(first.todo).toBe(0)
  first.todo = Infinity
  second.todo = Infinity
  machine.run(1_000)
  expect(machine.usedMs('first') - 5_000).toBeGreaterThan(400)
})

test('a short call of a quiet owner keeps back the next batches of a busy one, no more than that', () => {
  const { shares } = machineOf(1)
  const hog = [0, 1].map(() => shares.join('hog', () => told.push('hog')))
  const told: string[] = []
  const quiet = shares.join('quiet', () => told.push('quiet'))
  for (const seat of hog) expect(seat.enter()).toBe(true)
  hog[0]?.done(200_000, true)
  hog[1]?.done(200_000, true)
  for (const seat of hog) expect(seat.enter()).toBe(true)
  expect(quiet.enter()).toBe(true)
  // Not ahead by much, but the quiet one has slept.
  hog[0]?.done(5_000, true)
  expect(hog[0]?.enter()).toBe(false)
  expect([shares.held, told]).toEqual([1, []])
  quiet.done(300, false)
  // The other cell of the busy owner holds the core; but nobody else wants it.
  expect([shares.held, told]).toEqual([0, ['hog']])
  expect(hog[0]?.enter()).toBe(true)
})

test('an owner that waits gets one batch a second, even beside one that never answers', () => {
  vi.useFakeTimers()
  try {
    let nowMs = 0
    const shares = createShares({ cores: 1, weightOf: () => 1, nowMs: () => nowMs })
    let told = 0
    const cells: Seat[] = [0, 1, 2].map((index) =>
      shares.join('waiting', () => {
        told++
        const seat = cells[index] as Seat
        expect(seat.enter()).toBe(true)
        seat.done(40_000, true)
        expect(seat.enter()).toBe(false)
      }),
    )
    expect(shares.join('stuck', () => undefined).enter()).toBe(true)
    for (const seat of cells) expect(seat.enter()).toBe(true)
    for (const seat of cells) seat.done(40_000, true)
    for (const seat of cells) expect(seat.enter()).toBe(false)
    for (; nowMs < 10_050; nowMs += 50) vi.advanceTimersByTime(50)
    expect(told).toBeGreaterThanOrEqual(9)
    expect(told).toBeLessThanOrEqual(10)
    shares.close()
  } finally {
    vi.useRealTimers()
  }
})

test('a long batch is charged while it runs, by the clock of its process', () => {
  const { shares } = machineOf(1)
  const told: string[] = []
  const long = shares.join('long', () => told.push('long'))
  const waiting = [0, 1].map(() => shares.join('waiting', () => told.push('waiting')))
  expect(long.enter()).toBe(true)
  for (const seat of waiting) expect(seat.enter()).toBe(true)
  waiting[0]?.done(60_000, true)
  expect(waiting[0]?.enter()).toBe(false)
  long.progress(10_000)
  expect(told).toEqual([])
  long.progress(45_000)
  expect(told).toEqual(['waiting'])
  // What was charged on the way is not charged again.
  long.done(50_000, false)
  expect(shares.takeCpuMicros()).toEqual(
    new Map([
      ['long', 50_000],
      ['waiting', 60_000],
    ]),
  )
})

test('a killed batch is paid for', () => {
  const { shares } = machineOf(1)
  const seat = shares.join('killed', () => undefined)
  seat.enter()
  seat.progress(70_000)
  seat.end()
  expect(shares.takeCpuMicros()).toEqual(new Map([['killed', 70_000]]))
  expect(seat.enter()).toBe(false)
})

test('a cell that says it used nothing gets no more than its share', () => {
  const machine = machineOf(1, {}, true)
  for (let index = 0; index < 4; index++) machine.cell('liar', 10)
  machine.cell('other', 10)
  machine.run(10_000)
  expect(machine.usedMs('liar')).toBeLessThan(5_500)
})

test('one long batch costs its owner seconds, not minutes', () => {
  const machine = machineOf(1)
  const hog = machine.cell('hog', 30_000)
  machine.cell('other', 10)
  machine.run(1)
  hog.sliceMs = 10
  machine.run(32_000)
  const before = machine.usedMs('hog')
  expect(before).toBeGreaterThanOrEqual(30_000)
  machine.run(4_000)
  expect(machine.usedMs('hog') - before).toBeGreaterThan(1_000)
})

test('being ahead while cores were free is forgiven when they no longer are', () => {
  const machine = machineOf(2, { heavy: 10 })
  machine.cell('heavy', 10)
  machine.cell('light', 10)
  machine.run(20_000)
  machine.cell('new', 10)
  const before = machine.usedMs('light')
  machine.run(1_000)
  expect(machine.usedMs('light') - before).toBeGreaterThan(400)
})

test('whatever cells do, no core is left without work that waits, no seat is lost, and everything that was used is charged', () => {
  const action = fc.record({
    cell: fc.nat(5),
    what: fc.constantFrom('enter', 'done', 'more', 'leave', 'progress', 'end'),
    micros: fc.nat(90_000),
  })
  fc.assert(
    fc.property(fc.array(action, { maxLength: 300 }), fc.integer({ min: 1, max: 3 }), (actions, cores) => {
      const shares = createShares({ cores, weightOf: (owner) => Number(owner) + 1, nowMs: () => 0 })
      /** What the test believes: in the cell, waiting, or neither. */
      const state = new Map<Seat, 'in' | 'held' | 'out'>()
      const join = (index: number): Seat => {
        const seat: Seat = shares.join(String(index % 3), () => {
          expect(state.get(seat)).toBe('held')
          state.set(seat, seat.enter() ? 'in' : 'held')
          expect(state.get(seat)).toBe('in')
        })
        state.set(seat, 'out')
        return seat
      }
      const seats = [0, 1, 2, 3, 4, 5].map(join)
      const batches = new Map<Seat, number>()
      let paid = 0
      const pay = (seat: Seat, micros: number): void => {
        const before = batches.get(seat) ?? 0
        paid += Math.max(0, micros - before)
        batches.set(seat, Math.max(before, micros))
      }
      for (const { cell, what, micros } of actions) {
        const seat = seats[cell] as Seat
        const enter = (): void => {
          // The callback may not come before the answer.
          state.set(seat, 'held')
          if (seat.enter()) state.set(seat, 'in')
        }
        if (what === 'end') {
          state.delete(seat)
          seat.end()
          seats[cell] = join(cell)
        } else if (what === 'enter' && state.get(seat) === 'out') enter()
        else if (state.get(seat) === 'in') {
          if (what === 'progress') {
            seat.progress(micros)
            pay(seat, micros)
          } else if (what === 'leave') {
            state.set(seat, 'out')
            // Nothing was sent, so nothing was used.
            if (batches.has(seat)) seat.done(0, false)
            else seat.leave()
            batches.delete(seat)
          } else if (what === 'done') {
            state.set(seat, 'out')
            seat.done(micros, false)
            pay(seat, micros)
            batches.delete(seat)
          } else if (what === 'more') {
            pay(seat, micros)
            batches.delete(seat)
            seat.done(micros, true)
            enter()
          }
        }
        const held = [...state.values()].filter((one) => one === 'held').length
        const busy = [...state.values()].filter((one) => one === 'in').length
        expect(shares.held).toBe(held)
        if (held > 0) expect(busy).toBeGreaterThanOrEqual(cores)
      }
      for (const seat of seats) seat.end()
      const charged = [...shares.takeCpuMicros().values()].reduce((sum, micros) => sum + micros, 0)
      expect(charged).toBeCloseTo(paid, 3)
      expect(shares.held).toBe(0)
      shares.close()
    }),
    { numRuns: 300 },
  )
})
