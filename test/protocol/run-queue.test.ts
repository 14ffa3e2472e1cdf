/** The queue before a deployment: first come, first served, bounded, blind to who has gone. Checked against a plain list. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { Call } from '../../host/cells/call.ts'
import { createRunQueue } from '../../host/cells/run-queue.ts'

type Waiting = Omit<Call, 'canceled'> & { canceled: boolean }

const BOUND = 5
/** As much of a call as a queue looks at. */
const callAt = (startedMs: number): Waiting => ({ canceled: false, startedMs }) as Waiting

const step = fc.oneof(
  { weight: 4, arbitrary: fc.record({ do: fc.constant('push' as const) }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('shift' as const) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('cancel' as const), which: fc.nat() }) },
  fc.record({ do: fc.constant('return' as const), count: fc.integer({ min: 0, max: 3 }) }),
  fc.record({ do: fc.constant('age' as const), by: fc.nat(20) }),
  fc.record({ do: fc.constant('empty' as const) }),
)

test('gives calls out in the order in which they came, and refuses what is over its bound', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const queue = createRunQueue(BOUND)
      let model: Waiting[] = []
      let taken: Waiting[] = []
      let nowMs = 0
      const alive = (): Waiting[] => model.filter(({ canceled }) => !canceled)
      for (const one of steps) {
        if (one.do === 'push') {
          const call = callAt(nowMs++)
          const room = alive().length < BOUND
          const accepted = queue.push(call)
          // A canceled call may hold its place until somebody needs it; one that waits never loses its own.
          expect(accepted).toBe(room)
          if (accepted) model.push(call)
        } else if (one.do === 'shift') {
          const expected = alive()[0]
          expect(queue.peek()).toBe(expected)
          expect(queue.shift()).toBe(expected)
          model = model.filter((call) => call !== expected)
          if (expected !== undefined) taken.push(expected)
        } else if (one.do === 'cancel') {
          const call = model[one.which % Math.max(1, model.length)]
          if (call !== undefined) call.canceled = true
        } else if (one.do === 'return') {
          const back = taken.splice(-one.count, one.count)
          queue.unshift(back)
          model.unshift(...back)
        } else if (one.do === 'age') {
          const before = nowMs - one.by
          // Only from the front: the queue is in order of arrival, but for calls that came back.
          const old: Call[] = []
          for (const call of alive()) {
            if (call.startedMs >= before) break
            old.push(call)
          }
          expect(queue.takeOlderThan(before)).toEqual(old)
          model = model.filter((call) => !old.includes(call))
        } else {
          expect(queue.takeAll()).toEqual(alive())
          model = []
          taken = []
        }
        expect(queue.length).toBeGreaterThanOrEqual(alive().length)
        expect(queue.peek()).toBe(alive()[0])
      }
    }),
    { numRuns: 300 },
  )
})

test('stays small however many calls pass through', () => {
  const queue = createRunQueue(10)
  let most = 0
  for (let round = 0; round < 100_000; round++) {
    queue.push(callAt(round))
    if (round % 3 === 0) queue.push(callAt(round))
    if (queue.shift() === undefined) expect.fail('a call was lost')
    most = Math.max(most, queue.length)
    if (queue.length === 10) queue.takeAll()
  }
  expect(most).toBeLessThanOrEqual(10)
})
