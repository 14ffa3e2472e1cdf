/**
 * What turns have that ends with them: it is ended when everything else of the turn is done (the answer has gone, waitUntil
 * holds nothing), and the turn is over only then, so that what is done to end it may still call on its behalf.
 */
import { subscribe, toPromise } from './primordials.ts'
import type { Turn } from './turn-state.ts'

export interface TurnEnds {
  /** Keeps the turn open for it. The last that was added runs first, each when the one before has settled. */
  add(turn: Turn, work: () => Promise<void>): void
  /** To be called whenever something that kept the turn open is done. */
  check(turn: Turn): void
  /** Whether anything else keeps the turn open. */
  isHeld(turn: Turn): boolean
}

export interface TurnEndsDeps {
  readonly within: (turn: Turn, work: () => void) => void
  /** Undoes what `add` added to `waits`. */
  readonly release: (turn: Turn) => void
  readonly onError: (thrown: unknown, requestId: string) => void
}

export function createTurnEnds({ within, release, onError }: TurnEndsDeps): TurnEnds {
  /** Promises of works, one after the other; nothing of the guest can be thrown into the kernel. */
  const runAll = (turn: Turn, works: readonly (() => Promise<void>)[], left: number): void => {
    const work = works[left - 1]
    if (work === undefined) return release(turn)
    const next = (): void => runAll(turn, works, left - 1)
    const failed = (thrown: unknown): void => {
      onError(thrown, turn.requestId)
      next()
    }
    let promise: Promise<void> | undefined
    try {
      within(turn, () => {
        promise = toPromise(work())
      })
    } catch (thrown) {
      return failed(thrown)
    }
    subscribe(promise as Promise<void>, next, failed)
  }

  return {
    add(turn, work) {
      if (turn.ends === undefined) {
        turn.ends = []
        turn.waits++
      }
      turn.ends[turn.ends.length] = work
    },
    check(turn) {
      const { ends } = turn
      if (ends === undefined || turn.waits !== 1) return
      const isDone = turn.responded ? turn.sender === undefined : turn.whenIdle !== undefined
      if (!isDone) return
      turn.ends = undefined
      runAll(turn, ends, ends.length)
    },
    isHeld: (turn) => turn.waits > (turn.ends === undefined ? 0 : 1),
  }
}
