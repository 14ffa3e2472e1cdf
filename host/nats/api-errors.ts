/** What JetStream refuses, told apart by the codes of its API. */
import { JetStreamApiCodes, JetStreamApiError } from '@nats-io/jetstream'

export const STREAM_NOT_FOUND: number = JetStreamApiCodes.StreamNotFound
/** There is one of that name, with other settings. */
export const STREAM_NAME_IN_USE = 10_058

export const hasApiCode = (error: unknown, code: number): boolean =>
  error instanceof JetStreamApiError && error.code === code

/** A compare-and-set that lost: somebody has written since. Later servers have a second code for it. */
export const isWrongSequence = (error: unknown): boolean =>
  hasApiCode(error, JetStreamApiCodes.StreamWrongLastSequence) ||
  hasApiCode(error, JetStreamApiCodes.StreamWrongLastSequenceUnknown)
