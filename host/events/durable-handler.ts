/** A host's handler of single events, as the engine of durable events takes it: failures become outcomes by the error policy. */
import type { BusEvent } from './bus-event.ts'
import type { AroundHandle } from './around.ts'
import { errorOf } from './failure.ts'
import type { EventHandler, EventHandlerBatch, ErrorPolicy, HandlerContext, Outcome } from './types.ts'

export function durableHandler(
  handler: EventHandler,
  policy: ErrorPolicy,
  around: () => AroundHandle | undefined,
  tell: (event: BusEvent, attempt: number, error: unknown) => void,
): EventHandlerBatch {
  const outcomeOf = (event: BusEvent, attempt: number, thrown: unknown): Outcome => {
    const decision = typeof policy === 'function' ? (policy(thrown, event, attempt) ?? 'retry') : policy
    if (decision === 'ignore') return 'ack'
    if (decision === 'log') {
      tell(event, attempt, thrown)
      return 'ack'
    }
    const error = errorOf(thrown)
    return decision === 'dead' ? { dead: true, error } : { retry: true, error }
  }
  const handleOne = async (event: BusEvent, attempt: number, signal: AbortSignal): Promise<Outcome> => {
    const context: HandlerContext = { tenant: event.tenant, kind: 'durable', attempt, signal }
    try {
      const run = around()
      if (run === undefined) await handler(event, context)
      else await run(event, context, (inner) => handler(inner, context))
      return 'ack'
    } catch (thrown) {
      try {
        return outcomeOf(event, attempt, thrown)
      } catch (another) {
        // The policy itself failed, so nothing is decided: it is tried again.
        return { retry: true, error: errorOf(another) }
      }
    }
  }
  return {
    handle: (batch, signal) =>
      Promise.all(batch.map(({ event, attempt }) => handleOne(event, attempt, signal))),
  }
}
