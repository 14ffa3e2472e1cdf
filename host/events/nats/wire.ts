/**
 * Events as messages of NATS: CloudEvents in structured JSON, so that other programs can read and write them. What comes in was written
 * by another host, by another version of one, or by somebody's script: it is parsed as a whole or refused as a whole.
 */
import { checkText, cloudEventText, parseCloudEvent } from '../../../guest-sdk/events/cloud-event.ts'
import { checkHeaders, checkId, checkKey, checkSource } from '../../../guest-sdk/events/check.ts'
import { checkSubject } from '../../../guest-sdk/events/subject.ts'
import { BusEvent } from '../bus-event.ts'
import { ownError } from '../errors.ts'

const encoder = new TextEncoder()
const decoder = new TextDecoder('utf-8', { fatal: true })

/** What could not be read back must not be stored. Throws VelaError, VELA_EVENT_INVALID or _BAD_SUBJECT. */
export function checkEvent({ id, subject, source, key, headers }: BusEvent): void {
  try {
    checkId(id)
    checkSubject(subject)
    checkSource(source)
    checkKey(key)
    checkHeaders(headers)
  } catch (error) {
    throw ownError(error)
  }
}

/** Throws DataCloneError or SyntaxError if its data cannot be encoded. */
export function encodeEvent(event: BusEvent): Uint8Array {
  return encoder.encode(cloudEventText(event))
}

/**
 * `subject`: what it was published under, which must be what it says itself. Throws EventError, or TypeError for bytes that are no
 * UTF-8: the caller counts it and goes on.
 */
export function decodeEvent(tenant: string, subject: string, bytes: Uint8Array, nowMs: number): BusEvent {
  const message = decoder.decode(bytes)
  const { text, data, ...fields } = parseCloudEvent(message, nowMs)
  if (fields.subject !== subject) {
    throw new TypeError(`its type ${JSON.stringify(fields.subject)} is not the subject it was sent to`)
  }
  if (text === undefined) return BusEvent.of({ tenant, ...fields }, data, message.length)
  checkText(text)
  return BusEvent.encoded({ tenant, ...fields }, text)
}
