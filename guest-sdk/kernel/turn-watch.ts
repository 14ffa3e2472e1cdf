/** Tells who waits on behalf of a turn that it is over: what they wait for may belong to several turns, so no call of one ends it. */
import { WaitingList } from '../concurrency/fifo.ts'
import { NumberMap } from './primordials.ts'

type Listener = (reason: unknown) => void

export interface TurnWatch {
  /** Calls back once, when the turn is over; returns what ends that. */
  on(turn: number, listener: Listener): () => void
  end(turn: number, reason: () => unknown): void
}

export function createTurnWatch(): TurnWatch {
  const watched = new NumberMap<WaitingList<Listener>>()
  return {
    on(turn, listener) {
      let list = watched.get(turn)
      if (list === undefined) watched.set(turn, (list = new WaitingList()))
      const own = list
      const place = own.add(listener)
      return () => {
        own.remove(place)
        if (own.size === 0 && watched.get(turn) === own) watched.delete(turn)
      }
    },
    end(turn, reason) {
      const list = watched.get(turn)
      if (list === undefined) return
      watched.delete(turn)
      for (let listener = list.shift(); listener !== undefined; listener = list.shift()) listener(reason())
    },
  }
}
