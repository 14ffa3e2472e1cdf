/** Turns as lives: what the container (guest-sdk/di) makes for a request is made for the life of its turn and ended with it. */
import type { Life } from '../di/kit.ts'
import { freeze } from './primordials.ts'
import { TurnContext, type ContextDeps } from './turn-context.ts'
import type { TurnEnds } from './turn-end.ts'
import type { Turn } from './turn-state.ts'

export interface TurnLivesDeps extends ContextDeps<Turn> {
  readonly ends: TurnEnds
  readonly isOpen: (turn: Turn) => boolean
  readonly within: (turn: Turn, work: () => void) => void
  readonly bindingOf: (turn: number, name: string, deadlineMs: number | undefined) => unknown
}

/** One for each turn that has things of its own. Guest code may come to hold it: it is frozen, and what it does is what `ctx` can do. */
export const createTurnLives =
  (deps: TurnLivesDeps): ((turn: Turn) => Life) =>
  (turn) =>
    (turn.life ??= freeze({
      kind: 'request' as const,
      context: new TurnContext(turn, deps),
      get isOver() {
        return !deps.isOpen(turn)
      },
      binding: (name: string, deadlineMs: number | undefined) => deps.bindingOf(turn.id, name, deadlineMs),
      atEnd(work: () => Promise<void>) {
        if (deps.isOpen(turn)) deps.ends.add(turn, work)
      },
      within: (work: () => void) => deps.within(turn, work),
    }))
