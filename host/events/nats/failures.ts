/** What can go wrong between the log and JetStream, in the words of Vela's table. */
import { JetStreamApiError } from '@nats-io/jetstream'
import {
  ClosedConnectionError,
  DrainingConnectionError,
  NoRespondersError,
  RequestError,
  TimeoutError,
} from '@nats-io/transport-node'
import { VelaError } from '../../core/errors.ts'

const LOST: readonly (abstract new (...given: never[]) => Error)[] = [
  ClosedConnectionError,
  DrainingConnectionError,
  NoRespondersError,
  RequestError,
  TimeoutError,
]

export function unavailable(message: string, cause?: unknown): VelaError {
  return new VelaError('VELA_EVENTS_UNAVAILABLE', message, cause === undefined ? {} : { cause })
}

/** JetStream has no leader or is starting: 10008 and its like have status 503. */
const BUSY_STATUS = 503

export function isLost(error: unknown): boolean {
  if (error instanceof JetStreamApiError) return error.status === BUSY_STATUS
  if (error instanceof VelaError) return error.code === 'VELA_CLUSTER_UNAVAILABLE'
  if (error instanceof Error && error.name === 'JetStreamNotEnabled') return true
  return LOST.some((kind) => error instanceof kind)
}

/** The cluster has no such tenant (any more). */
export function isNoTenant(error: unknown): boolean {
  return error instanceof VelaError && error.code === 'VELA_TENANT_NOT_FOUND'
}
