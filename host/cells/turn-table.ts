/**
 * The turns of one replica: what it has taken and not yet settled. An id is given again only after all others have had
 * their turn, so a late message of a turn that is over finds nothing.
 */
import { FIRST_CALL_ID } from '../../guest-sdk/kernel/messages.ts'
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
  /** It carries a WebSocket or an event stream: `wallMs` does not count. */
  lasts: boolean
  /** Its call was for this replica alone: it is counted apart and never tried elsewhere. */
  readonly pinned: boolean
  /** From when `wallMs` counts (monotonic milliseconds). */
  wallFromMs: number
}

export interface TurnTable {
  readonly size: number
  /** The deepest of those that are over since one was last opened; what they have left behind runs in the entry that ended them. */
  readonly endedDepth: number
  open(call: Call, batch: number, pinned?: boolean): Turn
  get(id: number): Turn | undefined
  close(turn: Turn): void
  values(): IterableIterator<Turn>
  clear(): Turn[]
}

/** `onClose`: the turn is over, and with it what it began. `highestId`: above are the ids of calls. */
export function createTurnTable(
  onClose: (turn: Turn) => void,
  highestId: number = FIRST_CALL_ID - 1,
): TurnTable {
  const turns = new Map<number, Turn>()
  let lastId = 0
  let endedDepth = 0
  const nextId = (): number => {
    do lastId = lastId === highestId ? 1 : lastId + 1
    while (turns.has(lastId))
    return lastId
  }
  return {
    get size() {
      return turns.size
    },
    get endedDepth() {
      return endedDepth
    },
    open(call, batch, pinned = false) {
      const turn: Turn = {
        id: nextId(),
        call,
        batch,
        touched: false,
        settled: false,
        pending: false,
        lasts: false,
        pinned,
        wallFromMs: call.startedMs,
      }
      turns.set(turn.id, turn)
      endedDepth = 0
      return turn
    },
    get: (id) => turns.get(id),
    close(turn) {
      if (turns.get(turn.id) !== turn) return
      turns.delete(turn.id)
      endedDepth = Math.max(endedDepth, turn.call.depth)
      onClose(turn)
    },
    values: () => turns.values(),
    clear() {
      const all = [...turns.values()]
      turns.clear()
      return all
    },
  }
}

/** The turn of that id, marked as having had effects; undefined when it is over. */
export function touch(turns: TurnTable, id: number): Turn | undefined {
  const turn = turns.get(id)
  if (turn !== undefined) turn.touched = true
  return turn
}
