/** The kernel's timers, against a plain list: order, intervals, clearing, bounds, and what the host is told. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { createTimers } from '../../guest-sdk/kernel/timers.ts'

interface Expected {
  readonly id: number
  readonly everyMs: number
  dueMs: number
  order: number
}

const step = fc.oneof(
  fc.record({
    do: fc.constant('set' as const),
    delayMs: fc.integer({ min: -5, max: 40 }),
    repeat: fc.boolean(),
  }),
  fc.record({ do: fc.constant('clear' as const), which: fc.nat() }),
  fc.record({ do: fc.constant('wait' as const), ms: fc.nat(50) }),
)

describe('timers', () => {
  test('fire when they are due, by time and then by order, until they are cleared', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 50 }), (steps) => {
        const clock = { nowMs: 1000 }
        const fired: number[] = []
        const timers = createTimers(clock, () => expect.fail('nothing throws here'))
        let model: Expected[] = []
        let order = 0
        let announced = 0
        const next = (): Expected | undefined =>
          model.toSorted((one, other) => one.dueMs - other.dueMs || one.order - other.order)[0]
        for (const one of steps) {
          if (one.do === 'set') {
            const delay = Math.max(1, one.delayMs)
            const id: number = timers.set(() => fired.push(id), one.delayMs, [], one.repeat)
            model.push({ id, everyMs: one.repeat ? delay : 0, dueMs: clock.nowMs + delay, order: order++ })
          } else if (one.do === 'clear') {
            const chosen = model[one.which % Math.max(1, model.length)]
            timers.clear(chosen?.id)
            model = model.filter((timer) => timer !== chosen)
          } else {
            clock.nowMs += one.ms
            const expected: number[] = []
            for (let due = next(); due !== undefined && due.dueMs <= clock.nowMs; due = next()) {
              expected.push(due.id)
              if (due.everyMs === 0) model = model.filter((timer) => timer !== due)
              else {
                due.dueMs = clock.nowMs + due.everyMs
                due.order = order++
              }
            }
            fired.length = 0
            if (timers.isDue()) while (timers.fireNext());
            expect(fired).toEqual(expected)
          }
          const dueMs = next()?.dueMs ?? 0
          expect(timers.takeChange(undefined)).toBe(dueMs === announced ? undefined : dueMs)
          announced = dueMs
        }
      }),
      { numRuns: 300 },
    )
  })

  test('are bounded in number; those that fired or were cleared make room', () => {
    const clock = { nowMs: 0 }
    const timers = createTimers(clock, () => undefined)
    timers.limit = 3
    const set = (): number => timers.set(() => undefined, 10, [], false)
    const [first] = [set(), set(), set()]
    expect(set).toThrow(RangeError)
    timers.clear(first)
    timers.clear(first)
    set()
    expect(set).toThrow(RangeError)
    clock.nowMs = 10
    while (timers.fireNext());
    expect([set(), set(), set()]).toHaveLength(3)
  })

  test('that throw are reported and do not stop the others; what is no function is passed over', () => {
    const clock = { nowMs: 0 }
    const thrown: unknown[] = []
    const fired: unknown[] = []
    const timers = createTimers(clock, (error) => thrown.push(error))
    timers.set(
      () => {
        throw new Error('one')
      },
      1,
      [],
      false,
    )
    timers.set('no function', 1, [], false)
    timers.set((...args: unknown[]) => fired.push(args), 1, ['a', 2], false)
    clock.nowMs = 1
    while (timers.fireNext());
    expect(thrown).toEqual([new Error('one')])
    expect(fired).toEqual([['a', 2]])
  })

  test('take any delay and any id that a guest may think of', () => {
    fc.assert(
      fc.property(fc.anything(), fc.anything(), (delay, id) => {
        const timers = createTimers({ nowMs: 5 }, () => undefined)
        try {
          timers.set(() => undefined, delay, [], true)
          timers.clear(id)
        } catch (error) {
          // What Number() itself refuses: a symbol, a bigint in Math.trunc, an object that cannot be a number.
          expect(error).toBeInstanceOf(TypeError)
          return
        }
        const dueMs = timers.takeChange(undefined)
        expect(dueMs === undefined || (dueMs >= 6 && dueMs <= 5 + 2_147_483_647)).toBe(true)
      }),
    )
  })

  test('that set themselves anew do not run again within the same time', () => {
    const clock = { nowMs: 0 }
    const timers = createTimers(clock, () => undefined)
    let runs = 0
    const again = (): void => {
      runs++
      timers.set(again, 0, [], false)
    }
    timers.set(again, 0, [], false)
    for (clock.nowMs = 1; clock.nowMs <= 5; clock.nowMs++) while (timers.fireNext());
    expect(runs).toBe(5)
  })

  test('of the kernel that are called off fire nothing, and leave the others in their order', () => {
    fc.assert(
      fc.property(fc.array(fc.record({ ms: fc.nat(50), off: fc.boolean() }), { maxLength: 400 }), (wakes) => {
        const clock = { nowMs: 0 }
        const fired: number[] = []
        const timers = createTimers(clock, () => expect.fail('nothing throws here'))
        const offs = wakes.map(({ ms }, at) => timers.wakeAt(ms, () => fired.push(at)))
        wakes.forEach(({ off }, at) => off && offs[at]?.())
        clock.nowMs = 50
        while (timers.isDue()) timers.fireNext()
        const left = wakes.map(({ ms, off }, at) => ({ ms, off, at })).filter(({ off }) => !off)
        expect(fired).toEqual(
          left.toSorted((one, other) => one.ms - other.ms || one.at - other.at).map(({ at }) => at),
        )
      }),
    )
  })
})
