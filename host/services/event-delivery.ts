/**
 * Events to a service: each batch of a subscription becomes one call of the version that serves then, and what its handlers say of each
 * event becomes the bus's outcomes. A service that sleeps is woken by the call; one that has no room is asked again a little later,
 * while more events gather behind.
 */
import { setTimeout as pause } from 'node:timers/promises'
import { VelaError, type ErrorCode } from '../core/errors.ts'
import type { Delivery, EventHandlerBatch, HandlerError, Outcome } from '../events/types.ts'
import { EventCall, type EventCallOptions, type Refused } from './event-call.ts'
import type { Service } from './service.ts'

export interface EventDeliveryDeps extends Omit<EventCallOptions, 'requestId'> {
  /** The engine of durable events asks again by itself, for as long as it takes. */
  readonly isDurable: boolean
  /** undefined: it is gone. */
  readonly service: () => Service | undefined
  /** False: the grant has ended. */
  readonly isGranted: () => boolean
  readonly nextRequestId: () => string
}

/** Codes that say: no guest has seen it. */
const NOT_TAKEN: ReadonlySet<ErrorCode> = new Set(['VELA_CELL_OVERLOADED', 'VELA_GUEST_QUARANTINED'])
const MOST_TRIES = 6
const FIRST_PAUSE_MS = 50
/** Lines of a service's log for one batch. */
const LOGGED = 4

export function createEventDelivery(deps: EventDeliveryDeps): EventHandlerBatch {
  const deliver = async (
    service: Service,
    batch: readonly Delivery[],
    requestId: string,
    signal: AbortSignal,
  ): Promise<readonly (Refused | undefined)[]> => {
    const call = new EventCall(batch, { ...deps, requestId })
    const giveUp = (): void => call.cancel()
    signal.addEventListener('abort', giveUp, { once: true })
    try {
      service.dispatch(call)
      return await service.counted(call.outcomes)
    } finally {
      signal.removeEventListener('abort', giveUp)
    }
  }

  const serving = (): Service => {
    const service = deps.isGranted() ? deps.service() : undefined
    if (service !== undefined) return service
    throw new VelaError('VELA_CAPABILITY_REVOKED', 'The service does not get these events any more')
  }

  return {
    async handle(batch, signal) {
      const requestId = deps.nextRequestId()
      for (let tries = 1; ; tries++) {
        const service = serving()
        try {
          const outcomes = await deliver(service, batch, requestId, signal)
          logFailures(service, outcomes, requestId)
          return outcomes.map(outcomeOf)
        } catch (thrown) {
          const error = thrown instanceof VelaError ? thrown : new VelaError('VELA_GATEWAY_INTERNAL', '')
          const isTaken = !NOT_TAKEN.has(error.code)
          if (isTaken || (tries === MOST_TRIES && !deps.isDurable))
            logLoss(service, batch.length, error, requestId)
          if (isTaken || deps.isDurable || signal.aborted || tries === MOST_TRIES) throw error
        }
        await pause(FIRST_PAUSE_MS * 2 ** (tries - 1), undefined, { signal, ref: false })
      }
    },
  }
}

function outcomeOf(refused: Refused | undefined): Outcome {
  if (refused === undefined) return 'ack'
  const { delayMs, error } = refused
  // What a schema refuses is as wrong at the next try.
  if (error?.code === 'VELA_EVENT_INVALID') return { dead: true, error: told(error) }
  return { retry: true, ...(delayMs === undefined ? {} : { delayMs }), error: told(error) }
}

const told = (error: Refused['error']): HandlerError =>
  error === undefined
    ? { name: 'Retry', message: 'The handler asked for another try' }
    : {
        name: error.name.slice(0, MOST_CHARACTERS),
        message: error.message.slice(0, MOST_CHARACTERS),
        ...(error.code === undefined ? {} : { code: error.code.slice(0, MOST_CHARACTERS) }),
      }

const MOST_CHARACTERS = 1_024

/** What was thrown goes to the log as for every other handler. */
function logFailures(service: Service, outcomes: readonly (Refused | undefined)[], requestId: string): void {
  const seen = new Set<unknown>()
  let more = 0
  for (const outcome of outcomes) {
    const error = outcome?.error
    // One error may be that of the whole batch.
    if (error === undefined || seen.has(error)) continue
    if (seen.size < LOGGED) service.threw(error, requestId)
    else more++
    seen.add(error)
  }
  if (more > 0) service.active.note('error', `${more} more events of the batch failed`, { requestId })
}

function logLoss(service: Service, count: number, error: VelaError, requestId: string): void {
  const what = count === 1 ? 'an event' : `${count} events`
  service.active.note('error', `The delivery of ${what} failed: ${error.message}`, {
    code: error.code,
    requestId,
  })
}
