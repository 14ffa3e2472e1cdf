/** On whose behalf a guest acts when it uses a capability, as far as that is known. */
import type { CallScope } from './guest-calls.ts'
import { touch, type TurnTable } from './turn-table.ts'

/**
 * Of a turn that is not known: the longest that any in flight may take, and the deepest. If none is in flight the code was left behind by
 * those that have just ended, and is as deep as these: a circle that always leaves its next step behind has an end, too.
 */
export function scopeOf(turns: TurnTable, id: number, wallMs: number): CallScope {
  const turn = touch(turns, id)
  if (turn !== undefined) {
    const { requestId, depth } = turn.call
    const fromMs = turn.lasts ? performance.now() : turn.wallFromMs
    return { requestId, deadlineMs: fromMs + wallMs, depth }
  }
  let depth = turns.size === 0 ? turns.endedDepth : 0
  for (const other of turns.values()) {
    other.touched = true
    depth = Math.max(depth, other.call.depth)
  }
  return { requestId: '', deadlineMs: performance.now() + wallMs, depth }
}
