/**
 * The capability `events`: a tenant's facts by subject. What a binding may publish, and which of the service's handlers get which
 * subjects: `"events": {"ORDERS": {"kind": "durable", "publish": ["orders.*"], "subscribe": [{"subject": "orders.placed",
 * "handler": "onPlaced"}]}}`. The tenant comes from the deployment alone, so no subject leads to another one. Subscriptions are opened
 * by host/services/event-subscriptions.ts while the binding is granted. A policy: `{"publish": ["orders.>"], "subscribe": ["orders.>"],
 * "durable": false, "rate": 1000}`.
 */
import { z } from 'zod'
import { EventError } from '../../guest-sdk/events/event.ts'
import { checkPattern, covers } from '../../guest-sdk/events/subject.ts'
import type { EventBus } from '../events/types.ts'
import type { JsonValue, Manifest } from '../registry/types.ts'
import { AskProblem } from './capability.ts'
import type { Binding, CapabilityKind, Place, Refusal } from './capability.ts'
import { createEventCalls } from './events-calls.ts'
import { createEventRates } from './events-rate.ts'

export interface EventsOptions {
  readonly kind: 'ephemeral' | 'durable'
  /** Patterns. */
  readonly publish: readonly string[]
  readonly subscribe: readonly EventAsk[]
  /** Only a policy sets it: events a second, of the tenant; null: the default. */
  readonly rate: number | null
}

/** One subscription, as it was asked for; what is left out has the defaults of event-subscriptions.ts. */
export interface EventAsk {
  /** A pattern. */
  readonly subject: string
  /** The exported function that is called for each event; left out: `queue` gets them in batches. */
  readonly handler?: string | undefined
  /** What `batch.queue` says; the binding's name if left out. */
  readonly queue?: string | undefined
  readonly batch?: { readonly max?: number | undefined } | undefined
  readonly concurrency?: number | undefined
  readonly timeoutMs?: number | undefined
  readonly retries?: number | undefined
  readonly backoffMs?: number | undefined
  readonly from?: 'new' | 'all' | undefined
}

export interface EventsKindDeps {
  readonly bus: Pick<EventBus, 'publishAll' | 'reach'>
  /** Publishing failed for reasons that are not the guest's. */
  readonly onFailure: (place: Place, error: unknown) => void
}

const MOST_BINDINGS = 32
const MOST_PATTERNS = 64
const MOST_SUBSCRIPTIONS = 32
const MOST_OF_SERVICE = 64
/** With a tenant and a service it is the name of a consumer, which is bounded. */
const MOST_NAME = 66
const MOST_RATE = 10_000_000

const whole = (what: string, from: number, to: number): z.ZodInt => {
  const must = `${what} must be a whole number from ${from} to ${to}`
  return z.int(must).min(from, must).max(to, must)
}
const pattern = z
  .string('must be a subject, such as "orders.placed" or "orders.*"')
  .superRefine((text, context) => {
    try {
      checkPattern(text)
    } catch (thrown) {
      if (!(thrown instanceof EventError)) throw thrown
      context.addIssue({ code: 'custom', message: thrown.message })
    }
  })
const patterns = z
  .array(pattern, 'must be a list of subjects, such as ["orders.*"]')
  .max(MOST_PATTERNS, `must have at most ${MOST_PATTERNS} subjects`)
const HANDLER = 'must be the name of an exported function'
const QUEUE = 'must be a name of 1 to 128 letters, digits, _ and -'
const askSchema = z.strictObject(
  {
    subject: pattern,
    handler: z
      .string(HANDLER)
      .regex(/^[A-Za-z$][A-Za-z0-9_$]{0,127}$/, HANDLER)
      .optional(),
    queue: z
      .string(QUEUE)
      .regex(/^[A-Za-z0-9_-]{1,128}$/, QUEUE)
      .optional(),
    batch: z
      .strictObject({ max: whole('batch.max', 1, 1000).optional() }, 'must be an object such as {"max": 100}')
      .optional(),
    concurrency: whole('concurrency', 1, 256).optional(),
    timeoutMs: whole('timeoutMs', 1, 3_600_000).optional(),
    retries: whole('retries', 0, 100).optional(),
    backoffMs: whole('backoffMs', 1, 60_000).optional(),
    from: z.enum(['new', 'all'], 'must be "new" or "all"').optional(),
  },
  'must be an object such as {"subject": "orders.placed", "handler": "onPlaced"}',
)
const bindingSchema = z.strictObject({
  kind: z.enum(['ephemeral', 'durable'], 'must be "ephemeral" or "durable"').optional(),
  publish: patterns.optional(),
  subscribe: z
    .array(askSchema, 'must be a list such as [{"subject": "orders.placed"}]')
    .max(MOST_SUBSCRIPTIONS, `must have at most ${MOST_SUBSCRIPTIONS} subscriptions`)
    .optional(),
})
const policySchema = z.strictObject({
  publish: patterns.optional(),
  subscribe: patterns.optional(),
  durable: z.boolean().optional(),
  rate: z.number().min(1).max(MOST_RATE).optional(),
})

export function createEventsKind({ bus, onFailure }: EventsKindDeps): CapabilityKind<EventsOptions> {
  const rates = createEventRates()
  return {
    kind: 'events',
    defaultPolicy: true,
    checkPolicy: (policy) =>
      policySchema.safeParse(policy).success
        ? undefined
        : 'must be true, false or {"publish": [subjects], "subscribe": [subjects], "durable": true or false, "rate": a number}',
    parse,
    narrow,
    describe,
    open: (options, place) =>
      createEventCalls({
        bus,
        options,
        place,
        take: (cost) => rates.take(place.tenant, options.rate, cost),
        onFailure: (error) => onFailure(place, error),
      }),
  }
}

/** What a manifest's subscriptions call: whether `queue`, and which exported functions. */
export function eventHandlersOf({ capabilities }: Pick<Manifest, 'capabilities'>): {
  readonly queue: boolean
  readonly functions: ReadonlySet<string>
} {
  const asked = capabilities['events']
  const asks = asked === undefined ? [] : parse(asked).flatMap(({ options }) => options.subscribe)
  return {
    queue: asks.some(({ handler }) => handler === undefined),
    functions: new Set(asks.flatMap(({ handler }) => (handler === undefined ? [] : [handler]))),
  }
}

function parse(asked: JsonValue): readonly Binding<EventsOptions>[] {
  if (asked === true) return [bindingOf('events', ANYTHING)]
  if (typeof asked !== 'object' || asked === null || Array.isArray(asked))
    throw new AskProblem(
      [],
      'must be {} or an object of bindings, such as {"ORDERS": {"publish": ["orders.*"]}}',
    )
  const bindings = Object.entries(asked)
  if (bindings.length === 0) return [bindingOf('events', ANYTHING)]
  if (bindings.length > MOST_BINDINGS) throw new AskProblem([], `must have at most ${MOST_BINDINGS} bindings`)
  const parsed = bindings.map(([name, value]) => bindingOf(name, parseBinding(name, value)))
  const count = parsed.reduce((sum, { options }) => sum + options.subscribe.length, 0)
  if (count > MOST_OF_SERVICE)
    throw new AskProblem([], `has ${count} subscriptions; a service may have ${MOST_OF_SERVICE}`)
  return parsed
}

/** The guest's half says early what the host refuses, and runs what is delivered. */
const bindingOf = (name: string, options: EventsOptions): Binding<EventsOptions> => ({
  name,
  options,
  guest: { kind: options.kind, publish: [...options.publish] },
})

const ANYTHING: EventsOptions = { kind: 'ephemeral', publish: ['>'], subscribe: [], rate: null }

function parseBinding(name: string, asked: JsonValue): EventsOptions {
  const read = bindingSchema.safeParse(asked)
  if (!read.success) {
    const issue = read.error.issues[0]
    const path = (issue?.path ?? []).map((step) => (typeof step === 'symbol' ? String(step) : step))
    const message = 'must be an object with "kind", "publish" and "subscribe"'
    throw new AskProblem([name, ...path], path.length > 0 ? (issue?.message ?? message) : message)
  }
  const { kind = 'ephemeral', publish = [], subscribe = [] } = read.data
  if (subscribe.length > 0 && name.length > MOST_NAME)
    throw new AskProblem([name], `must have a name of at most ${MOST_NAME} characters if it subscribes`)
  for (const [index, ask] of subscribe.entries()) {
    const wrong =
      ask.from !== undefined && kind === 'ephemeral'
        ? ['from', 'is for durable events; of others nothing is kept']
        : ask.queue !== undefined && ask.handler !== undefined
          ? ['queue', 'is what "queue" of the service is told; there is a handler']
          : undefined
    if (wrong !== undefined) throw new AskProblem([name, 'subscribe', index, wrong[0] ?? ''], wrong[1] ?? '')
  }
  return { kind, publish, subscribe, rate: null }
}

function narrow(options: EventsOptions, policy: JsonValue): EventsOptions | Refusal {
  if (policy === true) return options
  const read = policySchema.safeParse(policy)
  if (!read.success) return { refused: "the operator's policy of events is not understood" }
  const { publish, subscribe, durable = true, rate = null } = read.data
  const beyond = (allowed: readonly string[] | undefined, asked: readonly string[]): string | undefined =>
    allowed === undefined ? undefined : asked.find((inner) => !allowed.some((outer) => covers(outer, inner)))
  if (!durable && options.kind === 'durable')
    return { refused: "the operator's policy does not grant durable events" }
  const published = beyond(publish, options.publish)
  if (published !== undefined)
    return { refused: `the operator's policy does not allow publishing ${published}` }
  const heard = beyond(
    subscribe,
    options.subscribe.map(({ subject }) => subject),
  )
  if (heard !== undefined) return { refused: `the operator's policy does not allow subscribing to ${heard}` }
  return { ...options, rate }
}

function describe({ kind, publish, subscribe }: EventsOptions): string {
  const said = publish.length === 0 ? [] : [`publish ${publish.join(', ')}`]
  const subjects = [...new Set(subscribe.map(({ subject }) => subject))]
  const heard = subjects.length === 0 ? [] : [`hear ${subjects.join(', ')}`]
  return `${[...said, ...heard].join('; ') || 'nothing'} (${kind})`
}
