/** Ids of turns: bounded, since those above are calls', and never given to two that are open. */
import { expect, test } from 'vitest'
import type { Call } from '../../host/cells/call.ts'
import { scopeOf } from '../../host/cells/turn-scope.ts'
import { createTurnTable } from '../../host/cells/turn-table.ts'

test('ids begin again at 1 behind the highest, pass over turns that are open, and name one turn each', () => {
  const call = { startedMs: 0 } as Call
  const closed: number[] = []
  const turns = createTurnTable(({ id }) => closed.push(id), 4)
  const [one, two, three] = [turns.open(call, 1), turns.open(call, 1), turns.open(call, 1)]
  expect([one.id, two.id, three.id]).toEqual([1, 2, 3])
  turns.close(two)
  expect(turns.open(call, 2).id).toBe(4)
  const again = turns.open(call, 2)
  expect(again.id).toBe(2)
  turns.close(two)
  expect([turns.get(1), turns.get(2)]).toEqual([one, again])
  expect(closed).toEqual([2])
})

test('what acts for no known turn is as deep as the deepest in flight, or else as those that have just ended', () => {
  const turns = createTurnTable(() => undefined)
  const open = (depth: number): ReturnType<typeof turns.open> =>
    turns.open({ startedMs: 0, depth, requestId: '' } as Call, 1)
  const depth = (): number => scopeOf(turns, 0, 1_000).depth
  expect(depth()).toBe(0)
  const [shallow, deep, middle] = [open(0), open(7), open(3)]
  expect(depth()).toBe(7)
  turns.close(deep)
  expect(depth()).toBe(3)
  turns.close(middle)
  turns.close(shallow)
  expect(depth()).toBe(7)
  turns.close(open(1))
  expect(depth()).toBe(1)
})
