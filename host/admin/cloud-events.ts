/**
 * CloudEvents over HTTP, as their HTTP binding has it: structured (the event is the body) or binary (attributes are `ce-` headers, the
 * body is the data). Everything is a stranger's: parsed once, and refused with the name of what is wrong.
 */
import type { IncomingHttpHeaders } from 'node:http'
import { CLOUD_EVENT_TYPE, fromCloudEvent, type ReceivedEvent } from '../../guest-sdk/events/cloud-event.ts'
import { EventError } from '../../guest-sdk/events/event.ts'
import { VelaError } from '../core/errors.ts'
import { parseJsonBody } from './body.ts'

const JSON_TYPE = /^(?:application|text)\/(?:json|[\w.-]+\+json)$/

/** Throws VELA_EVENT_INVALID, _BAD_SUBJECT, _TOO_LARGE, VELA_ADMIN_BAD_REQUEST. `nowMs`: for events without a time. */
export function readCloudEvent(headers: IncomingHttpHeaders, body: Uint8Array, nowMs: number): ReceivedEvent {
  const type = (headers['content-type'] ?? '').split(';', 1)[0]?.trim().toLowerCase() ?? ''
  try {
    if (type === CLOUD_EVENT_TYPE) return fromCloudEvent(parseJsonBody(textOf(body)), nowMs)
    if (headers['ce-specversion'] !== undefined)
      return fromCloudEvent(binaryEvent(headers, type, body), nowMs)
  } catch (thrown) {
    if (thrown instanceof EventError) throw new VelaError(thrown.code, thrown.message, { cause: thrown })
    throw thrown
  }
  throw new VelaError(
    'VELA_ADMIN_BAD_REQUEST',
    type === 'application/cloudevents-batch+json'
      ? 'batches of CloudEvents are not taken; send them one by one'
      : `send a CloudEvent: content-type ${CLOUD_EVENT_TYPE}, or its attributes as the headers ce-specversion, ce-id, ce-source, ce-type`,
  )
}

function binaryEvent(headers: IncomingHttpHeaders, type: string, body: Uint8Array): Record<string, unknown> {
  const event: Record<string, unknown> = Object.create(null)
  for (const [name, value] of Object.entries(headers)) {
    if (!name.startsWith('ce-') || typeof value !== 'string') continue
    const attribute = name.slice(3)
    if (attribute.startsWith('data'))
      throw new VelaError(
        'VELA_EVENT_INVALID',
        `The header ${name} is none of a CloudEvent: data is the body`,
      )
    event[attribute] = unescape(name, value)
  }
  // A header is text; in the JSON of a CloudEvent this one is a number.
  const depth = event['veladepth']
  if (typeof depth === 'string' && /^\d{1,4}$/.test(depth)) event['veladepth'] = Number(depth)
  if (body.length === 0) return event
  if (type !== '') event['datacontenttype'] = type
  if (type === 'application/vela+json') event['data'] = textOf(body)
  else if (type === '' || JSON_TYPE.test(type)) event['data'] = parseJsonBody(textOf(body))
  else {
    delete event['datacontenttype']
    event['data_base64'] = Buffer.from(body).toString('base64')
  }
  return event
}

/** Header values are percent-encoded UTF-8 by the binding. */
function unescape(name: string, value: string): string {
  try {
    return decodeURIComponent(value.replace(/^"(.*)"$/, '$1'))
  } catch {
    throw new VelaError('VELA_EVENT_INVALID', `The header ${name} is not percent-encoded UTF-8`)
  }
}

function textOf(body: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(body)
  } catch {
    throw new VelaError('VELA_ADMIN_BAD_REQUEST', 'the body is not UTF-8')
  }
}
