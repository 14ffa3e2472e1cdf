/**
 * The joint between services and the bus: while a version serves, what its manifest subscribes to and its grants allow is subscribed. A deploy or
 * rollback changes only what differs, so a subscription that stays misses nothing; a revoked grant ends its subscriptions before the next
 * delivery. All replicas and all hosts with the service are one group, or have one cursor, so they share the work.
 */
import type { Broker } from '../capabilities/broker.ts'
import type { EventAsk, EventsOptions } from '../capabilities/events.ts'
import { VelaError } from '../core/errors.ts'
import type { BatchOptions, EventBus, Subscription } from '../events/types.ts'
import type { Catalog } from './catalog.ts'
import { createEventDelivery } from './event-delivery.ts'
import type { Service } from './service.ts'

export interface EventSubscriptions {
  /** From now on subscriptions are open. */
  start(): void
  /** Another version of the service serves, or its grants have changed. */
  sync(service: Service): void
  /**
   * It is deleted: its subscriptions end, and durable ones forget where they were; unless another host deleted it (`isOurs` false), which
   * has done that, and a later service of the name may have new ones.
   */
  forget(service: Pick<Service, 'tenant' | 'service'>, isOurs: boolean): Promise<void>
  /** Decisions about grants may have changed. */
  recheck(): void
  /** No event is delivered any more; what is being handled goes on. */
  stop(): void
}

export interface EventSubscriptionsDeps {
  readonly bus: Pick<EventBus, 'subscribeBatch'>
  readonly broker: Pick<Broker, 'granted'>
  readonly catalog: Pick<Catalog, 'get' | 'values'>
  /** Changes with every decision about a grant. */
  readonly epoch: () => number
  /** Deletes cursors and dead letters of all durable consumers whose names begin so. */
  readonly forgetConsumers: (tenant: string, prefix: string) => Promise<void>
}

/** One that is to be open: the same text is the same subscription. */
interface Wanted {
  readonly text: string
  readonly pattern: string
  readonly ask: EventAsk
  readonly binding: string
  readonly options: BatchOptions & { readonly name: string }
}

interface Open {
  readonly text: string
  readonly subscription: Subscription
}

/** Data of one call, unless a single event has more: what travels in one message. */
const BATCH_CHARACTERS = 60_000
const MOST_BATCHES = 2
/** What one tenant's services may have open: each event that is published may have to be held against many of them. */
const MOST_OF_TENANT = 1_000
const CHECK_MS = 1_000

export function createEventSubscriptions(deps: EventSubscriptionsDeps): EventSubscriptions {
  const { bus, broker, catalog } = deps
  /** By service, then by name. */
  const open = new Map<string, Map<string, Open>>()
  let timer: NodeJS.Timeout | undefined
  let checkedEpoch = -1
  let requests = 0
  const nextRequestId = (): string => `event-${(++requests).toString(36)}`

  const subscribe = ({ tenant, service }: Service, wanted: Wanted): Subscription => {
    const { ask, binding, options } = wanted
    const isGranted = (): boolean => {
      recheck()
      return open.get(`${tenant}/${service}`)?.get(options.name)?.text === wanted.text
    }
    const handler = createEventDelivery({
      service: () => catalog.get(tenant, service),
      isGranted,
      nextRequestId,
      isDurable: options.kind === 'durable',
      handler: ask.handler ?? '',
      queue: ask.queue ?? binding,
      window: windowOf(ask, options),
    })
    return bus.subscribeBatch(tenant, wanted.pattern, handler, options)
  }

  const counts = new Map<string, number>()
  const checkRoom = (tenant: string): void => {
    if ((counts.get(tenant) ?? 0) < MOST_OF_TENANT) return
    throw new VelaError(
      'VELA_EVENTS_OVERLOADED',
      `The tenant's services have ${MOST_OF_TENANT} subscriptions, as many as they may`,
    )
  }
  const count = (tenant: string, change: number): void => {
    const next = (counts.get(tenant) ?? 0) + change
    if (next === 0) counts.delete(tenant)
    else counts.set(tenant, next)
  }

  const sync = (service: Service): void => {
    if (timer === undefined) return
    const key = `${service.tenant}/${service.service}`
    const wanted = wantedOf(service, broker)
    const known = open.get(key) ?? new Map<string, Open>()
    for (const [name, { text, subscription }] of known) {
      if (wanted.get(name)?.text === text) continue
      known.delete(name)
      count(service.tenant, -1)
      // A later one of its name waits for it.
      void subscription.unsubscribe()
    }
    for (const [name, one] of wanted) {
      if (known.has(name)) continue
      try {
        checkRoom(service.tenant)
        known.set(name, { text: one.text, subscription: subscribe(service, one) })
        count(service.tenant, 1)
      } catch (thrown) {
        const error = thrown instanceof VelaError ? thrown : new VelaError('VELA_GATEWAY_INTERNAL', '')
        service.active.note('error', `The subscription to ${one.pattern} failed: ${error.message}`, {
          code: error.code,
        })
      }
    }
    if (known.size > 0) open.set(key, known)
    else open.delete(key)
  }

  const close = (key: string): void => {
    const known = open.get(key)
    open.delete(key)
    for (const { subscription } of known?.values() ?? []) {
      count(subscription.tenant, -1)
      // A later one of its name waits for it.
      void subscription.unsubscribe()
    }
  }

  const recheck = (): void => {
    const epoch = deps.epoch()
    if (epoch === checkedEpoch || timer === undefined) return
    checkedEpoch = epoch
    for (const service of catalog.values()) if (asksForEvents(service)) sync(service)
  }

  return {
    start() {
      if (timer !== undefined) return
      timer = setInterval(recheck, CHECK_MS).unref()
      checkedEpoch = deps.epoch()
      for (const service of catalog.values()) sync(service)
    },
    sync,
    async forget({ tenant, service }, isOurs) {
      const key = `${tenant}/${service}`
      close(key)
      if (isOurs) await deps.forgetConsumers(tenant, `${key}/`)
    },
    recheck,
    stop() {
      clearInterval(timer)
      timer = undefined
      for (const key of open.keys()) close(key)
    },
  }
}

const asksForEvents = ({ active }: Service): boolean =>
  active.deployment.manifest.capabilities['events'] !== undefined

function wantedOf(
  { tenant, service, active }: Service,
  broker: Pick<Broker, 'granted'>,
): Map<string, Wanted> {
  const wanted = new Map<string, Wanted>()
  const { deployment, limits } = active
  if (deployment.manifest.capabilities['events'] === undefined) return wanted
  for (const binding of broker.granted(deployment, 'events')) {
    const { kind, subscribe } = binding.options as EventsOptions
    const places = kind === 'durable' ? placesOf(subscribe) : subscribe.map((_, index) => `${index}`)
    for (const [index, ask] of subscribe.entries()) {
      const name = `${tenant}/${service}/${binding.name}/${places[index] as string}`
      const options = optionsOf(kind, name, ask, limits.wallMs)
      const text = JSON.stringify([ask, options])
      wanted.set(name, { text, pattern: ask.subject, ask, binding: binding.name, options })
    }
  }
  return wanted
}

/**
 * What a durable one is found again by in the next version: its subject, and not where it stands in the list. Else one more in front of
 * it would give it the place of another, and what lies between the two would be lost or come again.
 */
function placesOf(subscribe: readonly EventAsk[]): string[] {
  const counts = new Map<string, number>()
  return subscribe.map(({ subject }) => {
    const before = counts.get(subject) ?? 0
    counts.set(subject, before + 1)
    return before === 0 ? subject : `${subject}/${before}`
  })
}

function optionsOf(
  kind: EventsOptions['kind'],
  name: string,
  ask: EventAsk,
  wallMs: number,
): Wanted['options'] {
  const isDurable = kind === 'durable'
  const { handler, retries, backoffMs, from } = ask
  const atOnce = concurrencyOf(kind, ask)
  const common = {
    kind,
    name,
    concurrency: handler === undefined ? atOnce : Math.min(atOnce, MOST_BATCHES),
    // The service's own limit comes first, and says better what went wrong.
    timeoutMs: ask.timeoutMs ?? Math.max(30_000, wallMs + 1_000),
    maxBatch: ask.batch?.max ?? (isDurable ? 100 : 500),
    maxBatchCharacters: BATCH_CHARACTERS,
    ...(retries === undefined ? {} : { retries }),
    ...(backoffMs === undefined ? {} : { backoffMs }),
  }
  if (isDurable)
    return { ...common, sameKeyTogether: handler === undefined, ...(from === undefined ? {} : { from }) }
  // What failed stands in the service's own log already.
  const last = retries ?? 0
  return {
    ...common,
    group: name,
    capacity: 10_000,
    onError: (_error, _event, attempt) => (attempt <= last ? 'retry' : 'ignore'),
  }
}

/** Events at a time, or batches for `queue`. */
const concurrencyOf = (kind: EventsOptions['kind'], { handler, concurrency }: EventAsk): number =>
  concurrency ?? (handler === undefined ? (kind === 'durable' ? 1 : 2) : kind === 'durable' ? 8 : 32)

/** So that all batches together have no more events in work than `concurrency` says. */
function windowOf(ask: EventAsk, { kind = 'ephemeral', concurrency = 1 }: BatchOptions): number {
  return ask.handler === undefined ? 1 : Math.max(1, Math.floor(concurrencyOf(kind, ask) / concurrency))
}
