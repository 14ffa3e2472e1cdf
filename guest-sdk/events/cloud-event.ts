/**
 * Events as CloudEvents 1.0 (structured, JSON), the form in which they leave and enter Vela. Threat: the text of a guest's data may not be
 * JSON at all if its cell was broken out of. It is put in front, so that whatever it smuggles in is overruled by what follows.
 */
import { decodeValue } from '../async/codec.ts'
import { fromBase64 } from '../async/base64.ts'
import { checkHeaders, checkId, checkKey, checkSize, checkSource, invalid } from './check.ts'
import type { EventFields } from './event.ts'
import { checkSubject } from './subject.ts'

export const CLOUD_EVENT_TYPE = 'application/cloudevents+json'
/** Data that JSON cannot say, as a string: a text of the value codec. */
const VELA_JSON_TYPE = 'application/vela+json'

export interface EncodedEvent extends EventFields {
  /** Data, encoded. */
  readonly text: string
  readonly depth: number
}

/** Exactly one of `text` (encoded) and `data` says what the data is. */
export type ReceivedEvent = EventFields & {
  readonly depth: number
  readonly text: string | undefined
  readonly data: unknown
}

const UNDEFINED = '$["undefined"]'
const JSON_TYPE = 'application/json'

export function cloudEventText(event: EncodedEvent): string {
  const { text, key } = event
  const isTagged = text.startsWith('$')
  const hasData = text !== UNDEFINED
  const attributes = {
    // Before the rest: no header overrules what Vela says.
    ...event.headers,
    specversion: '1.0',
    id: event.id,
    source: outerSource(event.source),
    type: event.subject,
    time: new Date(event.timeMs).toISOString(),
    ...(hasData ? { datacontenttype: isTagged ? VELA_JSON_TYPE : JSON_TYPE } : {}),
    ...(key === null ? {} : { subject: key, partitionkey: key }),
    ...(event.depth === 0 && isTagged ? {} : { veladepth: event.depth }),
  }
  const rest = JSON.stringify(attributes)
  if (!hasData) return rest
  return `{"data":${isTagged ? JSON.stringify(text) : text},${rest.slice(1)}`
}

/** Throws EventError that names the attribute: VELA_EVENT_INVALID, _BAD_SUBJECT, _TOO_LARGE. `nowMs`: for events without a time. */
export function parseCloudEvent(text: string, nowMs: number): ReceivedEvent {
  let json: unknown
  try {
    json = JSON.parse(text)
  } catch {
    throw invalid('This is no CloudEvent: it is not JSON')
  }
  return fromCloudEvent(json, nowMs)
}

/** The same for what is parsed already. */
export function fromCloudEvent(json: unknown, nowMs: number): ReceivedEvent {
  if (typeof json !== 'object' || json === null || Array.isArray(json))
    throw invalid('This is no CloudEvent: it is no object')
  const { data, data_base64: base64, ...all } = json as Record<string, unknown>
  // Any name may come, also those that objects have by birth.
  const extensions = Object.create(null) as Record<string, string>
  const known: Record<string, unknown> = {}
  for (const [name, value] of Object.entries(all)) {
    if (value === null) continue
    if (ATTRIBUTES.has(name)) known[name] = value
    else if (typeof value === 'string') extensions[name] = value
    else if (typeof value === 'boolean' || isWhole(value)) extensions[name] = String(value)
    else throw invalid(`The attribute ${shown(name)} of the CloudEvent is no string, boolean or whole number`)
  }
  if (known['specversion'] !== '1.0') throw invalid('The specversion of the CloudEvent is not "1.0"')
  const fields = {
    id: checkId(known['id']),
    subject: checkSubject(known['type']),
    source: innerSource(checkSource(known['source'])),
    timeMs: known['time'] === undefined ? nowMs : timeOf(known['time']),
    key: checkKey(known['partitionkey'] ?? known['subject'] ?? null),
    headers: checkHeaders(extensions),
    depth: depthOf(known['veladepth']),
  }
  return { ...fields, ...dataOf(known['datacontenttype'], data, base64) }
}

const ATTRIBUTES: ReadonlySet<string> = new Set([
  'specversion',
  'id',
  'source',
  'type',
  'time',
  'subject',
  'partitionkey',
  'datacontenttype',
  'veladepth',
])

function dataOf(
  type: unknown,
  data: unknown,
  base64: unknown,
): { readonly text: string | undefined; readonly data: unknown } {
  if (base64 !== undefined && base64 !== null) {
    if (data !== undefined) throw invalid('The CloudEvent has both data and data_base64')
    return { text: undefined, data: bytesOf(base64) }
  }
  if (type === VELA_JSON_TYPE) {
    if (typeof data !== 'string') throw invalid(`Data of ${VELA_JSON_TYPE} is a string`)
    return { text: checkSize(data), data: undefined }
  }
  if (type !== undefined && !(typeof type === 'string' && JSON_LIKE.test(type)))
    throw invalid(
      `The datacontenttype ${shown(type)} of the CloudEvent is not JSON; send other data as data_base64`,
    )
  return { text: data === undefined ? UNDEFINED : undefined, data }
}

const JSON_LIKE = /^[\w.+-]+\/(?:json|[\w.-]+\+json)(?:\s*;.*)?$/i

function bytesOf(base64: unknown): Uint8Array {
  const bytes = typeof base64 === 'string' ? fromBase64(base64) : undefined
  if (bytes === undefined) throw invalid('The data_base64 of the CloudEvent is not base64')
  return bytes
}

const TIME = /^(\d{4})-(\d\d)-(\d\d)T\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d)$/i

function timeOf(time: unknown): number {
  const parts = typeof time === 'string' ? TIME.exec(time) : null
  const ms = parts === null ? Number.NaN : Date.parse((time as string).toUpperCase())
  const [, year, month, day] = (parts ?? []).map(Number)
  const isDay = (day ?? 0) <= new Date(Date.UTC(year ?? 0, month ?? 0, 0)).getUTCDate()
  if (Number.isNaN(ms) || !isDay) throw invalid('The time of the CloudEvent is no RFC 3339 timestamp')
  return ms
}

function depthOf(depth: unknown): number {
  if (depth === undefined) return 0
  if (typeof depth === 'number' && Number.isInteger(depth) && depth >= 0 && depth <= 1_000) return depth
  throw invalid('The veladepth of the CloudEvent is no whole number from 0')
}

/** What is Vela's own is a path; anybody else has a URI of their own. */
const outerSource = (source: string): string => (hasScheme(source) ? source : `/${source}`)
const innerSource = (source: string): string =>
  source.length > 1 && source.startsWith('/') ? source.slice(1) : source
/** It is a URI of somebody outside. */
export const hasScheme = (source: string): boolean => /^[a-z][a-z0-9+.-]*:/i.test(source)

const isWhole = (value: unknown): value is number => Number.isInteger(value)
const shown = (value: unknown): string => JSON.stringify(String(value).slice(0, 60))

/** Whether the text of a received event is what it claims to be. Throws EventError, VELA_EVENT_INVALID. */
export function checkText(text: string): void {
  try {
    decodeValue(text)
  } catch (thrown) {
    throw invalid(
      `The data of the CloudEvent cannot be read: ${thrown instanceof Error ? thrown.message : ''}`,
    )
  }
}
