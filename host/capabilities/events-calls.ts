/**
 * Carries out a guest's `publish` (docs/protocol.md, "Events"). Everything in a call is hostile. Data are lines that are counted and measured and
 * never looked into; what stands beside them is checked against the grant and the bounds of an event.
 */
import { isAscii } from 'node:buffer'
import { randomBytes } from 'node:crypto'
import { checkHeaders, checkId, checkKey, checkSize, NO_HEADERS } from '../../guest-sdk/events/check.ts'
import { EventError, MAX_EVENT_BYTES } from '../../guest-sdk/events/event.ts'
import { checkSubject, covers } from '../../guest-sdk/events/subject.ts'
import { ERRORS, VelaError } from '../core/errors.ts'
import { BusEvent } from '../events/bus-event.ts'
import type { EventBus, Published, PublishResult } from '../events/types.ts'
import type { JsonValue } from '../registry/types.ts'
import { readWhole } from './call-body.ts'
import { GuestFacingError } from './capability.ts'
import type { Capability, CapabilityCall, CapabilityResult, Place } from './capability.ts'
import type { EventsOptions } from './events.ts'
import { deeper } from './target.ts'

export interface EventCallsDeps {
  readonly bus: Pick<EventBus, 'publishAll' | 'reach'>
  readonly options: EventsOptions
  readonly place: Place
  /** Throws VELA_EVENTS_OVERLOADED if the tenant has published so much already. */
  readonly take: (cost: number) => void
  readonly onFailure: (error: unknown) => void
}

const MOST_EVENTS = 1_000
const KNOWN_SUBJECTS = 1_000
const KIBIBYTE = 1024

export function createEventCalls(deps: EventCallsDeps): Capability {
  const { bus, options, place, take } = deps
  const { tenant, service } = place
  const source = `${tenant}/${service}`
  /** In front of a number: an id of its own for each event, here and on every other host. */
  const stem = `${randomBytes(9).toString('base64url')}-`
  let lastNumber = 0
  let known = new Set<string>()

  const subjectOf = (value: JsonValue): string => {
    if (typeof value === 'string' && known.has(value)) return value
    const subject = checkSubject(value)
    if (!options.publish.some((pattern) => covers(pattern, subject))) {
      const granted = options.publish.length === 0 ? 'nothing' : options.publish.join(', ')
      throw new GuestFacingError(
        'Error',
        `The binding may not publish ${subject}; it may publish ${granted}`,
        'VELA_CAPABILITY_DENIED',
      )
    }
    if (known.size === KNOWN_SUBJECTS) known = new Set()
    known.add(subject)
    return subject
  }

  /** What each event of a call goes to, or what is wrong with that: the others of its entry have nothing to do with it. */
  const targetsOf = ([named, heads]: readonly JsonValue[]): Targets => {
    if (!Array.isArray(named) || !Array.isArray(heads)) throw badCall('it has no subjects or no events')
    if (heads.length === 0 || heads.length > MOST_EVENTS || named.length > heads.length)
      throw badCall(`it has ${heads.length} events; 1 to ${MOST_EVENTS} are possible`)
    const subjects = named.map((name) => attempt(() => subjectOf(name)))
    const targets = heads.map((head) => {
      const subject = subjects[typeof head === 'number' ? head : placeOf(head)]
      if (subject === undefined) throw badCall('an event names a subject that is not there')
      return subject
    })
    return { heads, targets }
  }

  /** An event counts once for each that gets it here: one that a thousand hear is a thousand times the work. */
  const costOf = (targets: Targets['targets'], bytes: Buffer): number => {
    let reached = 0
    for (const subject of targets) reached += typeof subject === 'string' ? Math.max(1, reachOf(subject)) : 1
    return Math.max(reached, bytes.length / KIBIBYTE)
  }
  const reachOf = (subject: string): number => (options.kind === 'ephemeral' ? bus.reach(tenant, subject) : 1)

  const read = ({ heads, targets }: Targets, bytes: Buffer, depth: number): (BusEvent | Failure)[] => {
    const lines = linesOf(bytes)
    if (lines.length !== heads.length) throw badCall('it has not a line of data for each event')
    const first = lastNumber + 1
    const timeMs = Date.now()
    return heads.map((head: JsonValue, index) => {
      const subject = targets[index] as Targets['targets'][number]
      if (typeof subject !== 'string') return subject
      const line = lines[index] as string
      if (line === '') throw badCall('an event has no data')
      return attempt(() => {
        const { id, key, headers } = typeof head === 'number' ? PLAIN : readHead(head)
        const fresh = id === null
        const fields = {
          tenant,
          id: id ?? stem + (first + index).toString(36),
          subject,
          source,
          timeMs,
          key,
          headers,
          depth,
          fresh,
        }
        return BusEvent.encoded(fields, checkSize(line))
      })
    })
  }

  const publish = (
    call: CapabilityCall,
    bytes: Buffer,
    depth: number,
  ): CapabilityResult | Promise<CapabilityResult> => {
    if (bytes.length > MAX_EVENT_BYTES) throw tooLarge()
    const targets = targetsOf(call.args)
    // Before anything is made of it: what is refused must cost the host next to nothing.
    take(costOf(targets.targets, bytes))
    const events = read(targets, bytes, depth)
    const first = lastNumber + 1
    lastNumber += events.length
    const answer = (published: readonly Published[]): CapabilityResult => ({
      value: [stem, first, ...resultsOf(events, published)],
    })
    const published = bus.publishAll(events.filter(isEvent), options.kind)
    return published instanceof Promise ? published.then(answer) : answer(published)
  }

  const resultsOf = (
    events: readonly (BusEvent | Failure)[],
    published: readonly Published[],
  ): [sequences: JsonValue, others: JsonValue] => {
    const sequences: number[] = []
    const others: JsonValue[] = []
    let next = 0
    for (const [index, event] of events.entries()) {
      const result = isEvent(event) ? (published[next++] as Published) : event.thrown
      if (!isPublished(result)) others.push([index, ...told(result)])
      else if (result.duplicate === true) others.push([index, 'duplicate'])
      else if (result.skipped === true) others.push([index, 'skipped'])
      if (options.kind === 'durable') sequences.push(isPublished(result) ? (result.sequence ?? 0) : 0)
    }
    return [options.kind === 'durable' ? sequences : null, others]
  }

  /** Code and message of what one event failed with, as broker.ts does it for calls. */
  const told = (thrown: unknown): [code: string, message: string] => {
    if (thrown instanceof EventError) return [thrown.code, thrown.message]
    if (thrown instanceof GuestFacingError && thrown.code !== undefined) return [thrown.code, thrown.message]
    if (!(thrown instanceof VelaError) || !ERRORS[thrown.code].exposed) deps.onFailure(thrown)
    if (!(thrown instanceof VelaError)) return ['VELA_CAPABILITY_FAILED', 'The event could not be published']
    const { exposed, title } = ERRORS[thrown.code]
    return [thrown.code, exposed ? thrown.message : title]
  }

  return {
    call(call) {
      if (call.method !== 'publish')
        throw new GuestFacingError('TypeError', 'Events have no such method.', 'VELA_METHOD_NOT_FOUND')
      const depth = deeper(call.depth, 'Services and handlers of events')
      const { body } = call
      if (body === undefined || Buffer.isBuffer(body)) return publish(call, body ?? Buffer.alloc(0), depth)
      return readWhole(body, MAX_EVENT_BYTES, tooLarge).then((bytes) => publish(call, bytes, depth))
    },
    close: () => undefined,
  }
}

interface Failure {
  readonly thrown: unknown
}

interface Targets {
  readonly heads: readonly JsonValue[]
  /** The subject of each. */
  readonly targets: readonly (string | Failure)[]
}

const isEvent = (event: BusEvent | Failure): event is BusEvent => event instanceof BusEvent

const isPublished = (result: unknown): result is PublishResult => !(result instanceof Error)

function attempt<Value>(work: () => Value): Value | Failure {
  try {
    return work()
  } catch (thrown) {
    return { thrown }
  }
}

interface Head {
  readonly key: string | null
  readonly id: string | null
  readonly headers: BusEvent['headers']
}

const PLAIN: Head = { key: null, id: null, headers: NO_HEADERS }

function placeOf(head: JsonValue): number {
  const place: unknown = Array.isArray(head) && head.length === 4 ? head[0] : undefined
  if (typeof place === 'number') return place
  throw badCall('an event is malformed')
}

/** What stands beside subject and data; placeOf has seen that it is a list. */
function readHead(head: JsonValue): Head {
  const [, key, id, headers] = head as [JsonValue, JsonValue, JsonValue, JsonValue]
  return {
    key: checkKey(key),
    id: id === null ? null : checkId(id),
    headers: headers === null ? NO_HEADERS : checkHeaders(headers),
  }
}

/** Each a text of its own: a part of the whole would keep all of it alive for as long as one event waits somewhere. */
function linesOf(bytes: Buffer): string[] {
  const ascii = isAscii(bytes)
  const lines: string[] = []
  let from = 0
  while (lines.length <= MOST_EVENTS) {
    const end = bytes.indexOf(NEWLINE, from)
    const to = end === -1 ? bytes.length : end
    lines.push(ascii ? bytes.toString('latin1', from, to) : bytes.toString('utf8', from, to))
    if (end === -1) break
    from = end + 1
  }
  return lines
}

const NEWLINE = 10

/** The kernel never puts several events into a call that has more than one event may have. */
const tooLarge = (): GuestFacingError =>
  new GuestFacingError(
    'RangeError',
    `The data of the event has more than ${MAX_EVENT_BYTES} bytes. Store it, and publish where it is`,
    'VELA_EVENT_TOO_LARGE',
  )

const badCall = (why: string): GuestFacingError =>
  new GuestFacingError('TypeError', `The call of publish is malformed: ${why}`, 'VELA_CAPABILITY_BAD_CALL')
