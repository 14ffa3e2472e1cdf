/** Errors of what hosts and guests share, as the host's own. */
import { DataCloneError } from '../../guest-sdk/async/codec.ts'
import { EventError } from '../../guest-sdk/events/event.ts'
import { VelaError } from '../core/errors.ts'

/** Those of events under their code; whatever else, a middleware's say, is what it is. */
export function ownError(thrown: unknown): unknown {
  if (thrown instanceof EventError || thrown instanceof DataCloneError)
    return new VelaError(thrown.code, thrown.message, { cause: thrown })
  return thrown
}

/** The same for those who may know nothing of the host: what is not Vela's own is not shown. */
export function asVelaError(thrown: unknown): VelaError {
  const own = ownError(thrown)
  if (own instanceof VelaError) return own
  return new VelaError('VELA_EVENT_INVALID', 'The host refused the event', { cause: thrown })
}
