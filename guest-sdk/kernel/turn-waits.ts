/** What keeps a turn open after its handler has answered: promises of waitUntil, what others hold it for, and what ends with it. */
import { FROM_GUEST } from './messages.ts'
import type { Outbox } from './outbox.ts'
import { subscribe, toPromise } from './primordials.ts'
import { createTurnEnds, type TurnEnds } from './turn-end.ts'
import type { Turn } from './turn-state.ts'

export interface TurnWaits {
  waitUntil(turn: Turn, promise: unknown): void
  /** Keeps it open until the function that it returns is called. */
  hold(turn: Turn): () => void
  /** Settles it when nothing keeps it open any more. */
  whenIdle(turn: Turn, settle: () => void): void
  readonly ends: TurnEnds
}

export interface TurnWaitsDeps {
  readonly outbox: Outbox
  readonly within: (turn: Turn, work: () => void) => void
  readonly close: (turn: Turn) => void
  readonly onError: (thrown: unknown, requestId: string) => void
  /** Before a message leaves that may be the last of its turn. */
  readonly beforeSettle: () => void
}

const MAX_WAITS = 1000

export function createTurnWaits({ outbox, within, close, onError, beforeSettle }: TurnWaitsDeps): TurnWaits {
  /** What kept the turn open is done. */
  const release = (turn: Turn): void => {
    turn.waits--
    ends.check(turn)
    if (turn.waits > 0) return
    if (!turn.responded) return turn.whenIdle?.()
    beforeSettle()
    outbox.add(`[${FROM_GUEST.settled},${turn.id}]`, '')
    close(turn)
  }
  const ends = createTurnEnds({ within, release, onError })

  return {
    ends,
    waitUntil(turn, promise) {
      if (turn.waits >= MAX_WAITS)
        throw new RangeError(`waitUntil holds at most ${MAX_WAITS} promises a turn`)
      turn.waits++
      subscribe(
        toPromise(promise),
        () => release(turn),
        (thrown) => {
          onError(thrown, turn.requestId)
          release(turn)
        },
      )
    },
    hold(turn) {
      turn.waits++
      let held = true
      return () => {
        if (held) release(turn)
        held = false
      }
    },
    whenIdle(turn, settle) {
      turn.whenIdle = settle
      ends.check(turn)
      if (turn.waits === 0) settle()
    },
  }
}
