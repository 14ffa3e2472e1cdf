/** What JetStream answers to a publish: an acknowledgement, or why there is none. Another server's bytes: parsed field by field. */
import type { Msg } from '@nats-io/transport-node'
import { VelaError } from '../../core/errors.ts'
import { unavailable } from './failures.ts'

const NO_RESPONDERS = 503

/** Nobody listens: there is no such stream, or it has no leader. */
export const isNoResponders = (message: Msg): boolean =>
  message.data.length === 0 && message.headers?.code === NO_RESPONDERS

export type Answer =
  | { readonly sequence: number; readonly duplicate: boolean }
  | { readonly error: VelaError; readonly isTemporary: boolean }

const INSUFFICIENT_RESOURCES = 10_023

/** Undefined: it is neither. */
export function parseAnswer(message: Msg): Answer | undefined {
  let json: unknown
  try {
    json = message.json()
  } catch {
    return undefined
  }
  if (typeof json !== 'object' || json === null) return undefined
  const { seq, duplicate, error } = json as Record<string, unknown>
  if (typeof error === 'object' && error !== null) return refusal(error as Record<string, unknown>)
  if (!Number.isSafeInteger(seq) || (seq as number) < 1) return undefined
  return { sequence: seq as number, duplicate: duplicate === true }
}

function refusal(given: Record<string, unknown>): Answer {
  const description =
    typeof given['description'] === 'string' ? given['description'].slice(0, 200) : 'no reason'
  if (/^maximum (?:bytes|messages)/.test(description)) {
    const message = 'The tenant stores as many events as it may'
    return { error: new VelaError('VELA_EVENTS_FULL', message), isTemporary: false }
  }
  const error = unavailable(`JetStream refuses the event: ${description}`)
  const isTemporary = given['code'] === NO_RESPONDERS && given['err_code'] !== INSUFFICIENT_RESOURCES
  return { error, isTemporary }
}
