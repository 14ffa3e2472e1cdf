/** The middlewares that most need, for publishing and for handling, in hosts and in guests. */
import { checkRetry, tryAgain, type RetryOptions } from '../async/retry.ts'
import { EventError, type EventChanges, type EventLike } from './event.ts'
import type { EventMiddleware } from './middleware.ts'
import type { SchemaIssue, StandardSchema } from './standard-schema.ts'
import { checkPattern, matches } from './subject.ts'

/** Fits publishing and handling, and the events of hosts and of guests. */
export type AnyMiddleware = <Event extends EventLike, Context, Result>(
  event: Event,
  next: (event?: Event) => Promise<Result>,
  context: Context,
) => Promise<Result>

const ISSUES_SHOWN = 3
const LONGEST_ISSUE = 200

/**
 * Only for events whose subject matches; the others go past it. Throws EventError, VELA_EVENT_BAD_SUBJECT, for a bad pattern.
 *
 * @example
 * runtime.events.use({ publish: on('orders.*', validate(Order)) })
 */
export function on<Event extends EventLike, Context, Result>(
  pattern: string,
  middleware: EventMiddleware<Event, Context, Result>,
): EventMiddleware<Event, Context, Result> {
  checkPattern(pattern)
  return (event, next, context) =>
    matches(pattern, event.subject) ? middleware(event, next, context) : next()
}

/** The data must be as the schema says, and goes on as the schema's output. Fails with EventError, VELA_EVENT_INVALID, that names the path. */
export function validate(schema: StandardSchema): AnyMiddleware {
  return async (event, next) => {
    const result = await schema['~standard'].validate(event.data)
    if (result.issues !== undefined)
      throw new EventError(
        'VELA_EVENT_INVALID',
        `The data of ${event.subject} is not valid: ${result.issues.slice(0, ISSUES_SHOWN).map(shown).join('; ')}`,
      )
    return await next(result.value === event.data ? event : event.with({ data: result.value }))
  }
}

/** Puts something in the place of data, key or headers; `undefined` leaves all as it is. Headers are added to those there are. */
export function enrich<Event extends EventLike, Context, Result>(
  change: (event: Event) => EventChanges | undefined | Promise<EventChanges | undefined>,
): EventMiddleware<Event, Context, Result> {
  return async (event, next) => {
    const changes = await change(event)
    if (changes === undefined) return await next()
    const headers = changes.headers === undefined ? {} : { headers: { ...event.headers, ...changes.headers } }
    return await next(event.with({ ...changes, ...headers }))
  }
}

/** What is not kept is not published, or counts as handled. */
export function filter<Event extends EventLike, Context, Result>(
  keeps: (event: Event) => boolean | Promise<boolean>,
): EventMiddleware<Event, Context, Result | undefined> {
  return async (event, next) => ((await keeps(event)) ? await next() : undefined)
}

/** One publish or handling, as tracing systems want it. */
export interface EventSpan {
  /** 32 hexadecimal digits. */
  readonly traceId: string
  /** 16 hexadecimal digits. */
  readonly spanId: string
  /** null: the trace begins here. */
  readonly parentId: string | null
  readonly sampled: boolean
  readonly subject: string
  readonly eventId: string
  readonly startMs: number
  readonly endMs: number
  /** What it threw. */
  readonly error: unknown
}

export interface TraceOptions {
  /** Called when a publish or a handling has ended. */
  readonly onSpan?: (span: EventSpan) => void
  /** From 0 up to 1; `Math.random` if left out. */
  readonly random?: () => number
  /** Epoch milliseconds; `Date.now` if left out. */
  readonly now?: () => number
}

/**
 * W3C Trace Context in the header `traceparent`: a publish begins a trace or goes on with the one that its headers name, a handling is a
 * child of the publish. A header that is no traceparent is replaced.
 */
export function trace({
  onSpan,
  random = () => Math.random(),
  now = () => Date.now(),
}: TraceOptions = {}): AnyMiddleware {
  return async (event, next) => {
    const [, traceId, parentId = null, flags = '01'] =
      TRACEPARENT.exec(event.headers['traceparent'] ?? '') ?? []
    const span = { traceId: traceId ?? hex(32, random), spanId: hex(16, random) }
    const headers = { ...event.headers, traceparent: `00-${span.traceId}-${span.spanId}-${flags}` }
    const startMs = now()
    let error: unknown
    try {
      return await next(event.with({ headers }))
    } catch (thrown) {
      error = thrown
      throw thrown
    } finally {
      const { subject, id: eventId } = event
      const sampled = (Number.parseInt(flags, 16) & 1) === 1
      onSpan?.({ ...span, parentId, sampled, subject, eventId, startMs, endMs: now(), error })
    }
  }
}

export interface RetryDeps {
  readonly sleep: (ms: number, signal: unknown) => Promise<void>
  readonly random: () => number
}

/** The middleware `retry` of a platform: what is inside is done again when it fails, later each time, while the event waits. */
export function createRetry(deps: RetryDeps): (options: RetryOptions) => AnyMiddleware {
  return (options) => {
    checkRetry(options)
    return (_event, next, context) => {
      const { signal } = (context ?? {}) as { readonly signal?: unknown }
      return tryAgain(() => next(), options, {
        sleep: (ms) => deps.sleep(ms, signal),
        random: deps.random,
      })
    }
  }
}

// All zeros are no ids.
const TRACEPARENT = /^00-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})$/

function hex(digits: number, random: () => number): string {
  let text = ''
  while (text.length < digits) text += Math.floor(random() * 16).toString(16)
  return /^0*$/.test(text) ? `${text.slice(1)}1` : text
}

function shown({ message, path }: SchemaIssue): string {
  const place = (path ?? [])
    .map((step) => (typeof step === 'object' ? step.key : step))
    .map((key) => (typeof key === 'number' ? `[${key}]` : `.${String(key)}`))
    .join('')
  return `data${place}: ${message}`.slice(0, LONGEST_ISSUE)
}
