/**
 * Asks a replica to let its actors go: what stands in their mailboxes is handled and what they wrote is stored when it resolves. Or tells it
 * that some are another host's: those end at once.
 */
import { BODY, HANDLER, TO_GUEST } from '../../../guest-sdk/kernel/messages.ts'
import { asciiJson } from '../../cells/ascii-json.ts'
import type { Call, TurnLink } from '../../cells/call.ts'
import type { Home } from '../../cells/home.ts'
import type { ActorAddress } from './types.ts'

/** `which`: those that are another host's; left out, all are to leave. Resolves in any case: when the guest has done so, or cannot, or `withinMs` have passed. What it still writes later is fenced. */
export function passivate(
  home: Home,
  withinMs: number,
  which: readonly ActorAddress[] | undefined,
): Promise<void> {
  // An empty list means all.
  const body = asciiJson((which ?? []).map(({ class: className, name }) => [className, name]))
  const { promise, resolve } = Promise.withResolvers<void>()
  let link: TurnLink | undefined
  let over = false
  const end = (): void => {
    over = true
    clearTimeout(timer)
    resolve()
  }
  const timer = setTimeout(() => {
    end()
    link?.cancel('VELA_TURN_EXCEEDED_WALL')
  }, withinMs)
  const call: Call = {
    requestId: '',
    body,
    get canceled() {
      return over
    },
    startedMs: performance.now(),
    attempts: 0,
    depth: 0,
    encode: (id) => `[${TO_GUEST.invoke},${id},${HANDLER.passivate},"",0,0,${BODY.text},${body.length},""]`,
    attach(turn) {
      link = turn
    },
    head: end,
    data: () => undefined,
    end,
    wants: () => undefined,
    value: end,
    threw: end,
    failed: end,
  }
  home.dispatch(call)
  return promise
}
