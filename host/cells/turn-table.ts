/**
 * The turns of one replica: what it has taken and not yet settled. Ids never repeat within a replica, so a late
 * message of a turn that is over finds nothing.
 */
import type { Call } from './call.ts'

export interface Turn {
  readonly id: number
  readonly call: Call
  /** Sequence number of the batch that carried its invoke. */
  readonly batch: number
  /** Has the guest said anything since then? A killed first entry may be tried again; later ones had effects. */
  touched: boolean
  /** The result is complete; only waitUntil keeps the turn open. */
  settled: boolean
  /** The guest has work left in waitUntil. */
  pending: boolean
}

export interface TurnTable {
  readonly size: number
  open(call: Call, batch: number): Turn
  get(id: number): Turn | undefined
  close(turn: Turn): void
  values(): IterableIterator<Turn>
  clear(): Turn[]
}

export function createTurnTable(): TurnTable {
  const turns = new Map<number, Turn>()
  let lastId = 0
  return {
    get size() {
      return turns.size
    },
    open(call, batch) {
      const turn: Turn = { id: ++lastId, call, batch, touched: false, settled: false, pending: false }
      turns.set(turn.id, turn)
      return turn
    },
    get: (id) => turns.get(id),
    close(turn) {
      turns.delete(turn.id)
    },
    values: () => turns.values(),
    clear() {
      const all = [...turns.values()]
      turns.clear()
      return all
    },
  }
}
