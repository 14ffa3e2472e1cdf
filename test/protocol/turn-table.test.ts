/** Ids of turns: bounded, since those above are calls', and never given to two that are open. */
import { expect, test } from 'vitest'
import type { Call } from '../../host/cells/call.ts'
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
