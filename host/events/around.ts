/**
 * Middleware of the host around handlers that take several events at once. Each event goes through by itself; what gets to the inside
 * is handed on in one call when the last has got there or has been ended, in the order it came.
 */
import type { Around } from '../../guest-sdk/events/middleware.ts'
import type { EventKind } from '../../guest-sdk/events/event.ts'
import type { BusEvent } from './bus-event.ts'
import { errorOf } from './failure.ts'
import type { Delivery, EventHandlerBatch, HandlerContext, Outcome } from './types.ts'

export type AroundHandle = Around<BusEvent, HandlerContext, void>

interface Arrived {
  readonly index: number
  readonly delivery: Delivery
  readonly resolve: () => void
  readonly reject: (thrown: unknown) => void
}

/** An outcome on its way through middleware, which sees an error. */
class OutcomeError extends Error {
  override readonly name: string
  readonly outcome: Outcome
  constructor(outcome: Exclude<Outcome, 'ack'>) {
    super(outcome.error.message)
    this.name = outcome.error.name
    this.outcome = outcome
  }
}

/** Nothing is known of what was handed on. */
class LostError extends Error {
  override readonly name = 'LostError'
}

/** `around` is asked for each batch, for middleware comes and goes. */
export function aroundBatch(
  handler: EventHandlerBatch,
  kind: EventKind,
  around: () => AroundHandle | undefined,
): EventHandlerBatch {
  return {
    handle(batch, signal) {
      const run = around()
      return run === undefined ? handler.handle(batch, signal) : through(handler, kind, run, batch, signal)
    },
  }
}

async function through(
  handler: EventHandlerBatch,
  kind: EventKind,
  run: AroundHandle,
  batch: readonly Delivery[],
  signal: AbortSignal,
): Promise<readonly Outcome[]> {
  const arrived: Arrived[] = []
  const lost: unknown[] = []
  let left = batch.length

  const handOn = async (members: readonly Arrived[]): Promise<void> => {
    try {
      const outcomes = await handler.handle(
        members.map(({ delivery }) => delivery),
        signal,
      )
      members.forEach(({ resolve, reject }, index) => {
        const outcome = outcomes[index]
        if (outcome === 'ack') resolve()
        else reject(outcome === undefined ? new LostError('There is no outcome') : new OutcomeError(outcome))
      })
    } catch (thrown) {
      lost.push(thrown)
      for (const { reject } of members) reject(new LostError('The handler was lost', { cause: thrown }))
    }
  }
  const leave = (): void => {
    if (--left > 0 || arrived.length === 0) return
    arrived.sort((one, other) => one.index - other.index)
    void handOn(arrived)
  }

  const outcomes = await Promise.all(
    batch.map(async ({ event, attempt }, index): Promise<Outcome> => {
      let hasArrived = false
      const inside = (changed: BusEvent): Promise<void> =>
        new Promise((resolve, reject) => {
          const member = { index, delivery: { event: changed, attempt }, resolve, reject }
          // Called once more, as by a retry: the others have gone on.
          if (hasArrived) void handOn([member])
          else {
            hasArrived = true
            arrived.push(member)
            leave()
          }
        })
      try {
        await run(event, { tenant: event.tenant, kind, attempt, signal }, inside)
        return 'ack'
      } catch (thrown) {
        if (thrown instanceof OutcomeError) return thrown.outcome
        return { retry: true, error: errorOf(thrown) }
      } finally {
        if (!hasArrived) {
          hasArrived = true
          leave()
        }
      }
    }),
  )
  if (lost.length > 0) throw lost[0]
  return outcomes
}
