/**
 * The event bus: ephemeral events itself, durable ones by their engine. Publishing to this host's own handlers encodes and copies nothing
 * and waits for nobody; each handler has a bounded queue, so a slow one costs itself events and the others nothing.
 */
import { randomBytes } from 'node:crypto'
import {
  NO_HEADERS,
  checkHeaders,
  checkId,
  checkKey,
  checkSize,
  checkSource,
} from '../../guest-sdk/events/check.ts'
import type { EventKind } from '../../guest-sdk/events/event.ts'
import { compose, type Around } from '../../guest-sdk/events/middleware.ts'
import { checkPattern, checkSubject } from '../../guest-sdk/events/subject.ts'
import { VelaError } from '../core/errors.ts'
import { within } from '../core/within.ts'
import { checkName } from '../registry/names.ts'
import { aroundBatch, type AroundHandle } from './around.ts'
import { BusEvent } from './bus-event.ts'
import type { Call } from './calls.ts'
import { durableHandler } from './durable-handler.ts'
import { createEphemeralEvents } from './ephemeral.ts'
import { asVelaError, ownError } from './errors.ts'
import { createTeller, type OnFailure } from './failure.ts'
import { checkOptions } from './options.ts'
import type {
  BatchOptions,
  BusMiddleware,
  DurableEvents,
  EventBus,
  EventHandler,
  EventMeter,
  EventTransport,
  PublishContext,
  Published,
  PublishOptions,
  PublishResult,
} from './types.ts'

export interface EventBusDeps {
  readonly meter: EventMeter
  readonly onFailure: OnFailure
  readonly durable?: DurableEvents | undefined
  readonly transport?: EventTransport | undefined
}

export interface EventBusOptions {
  /** Ephemeral ones of one tenant on this host; 100,000 if not given. */
  readonly maxSubscriptions?: number
  /** Of the encoded data that one tenant's ephemeral subscriptions hold; 16 Mi if not given. Characters. */
  readonly maxTenantCharacters?: number
}

const NO_OPTIONS: PublishOptions = {}

export function createEventBus(
  { meter, onFailure, durable, transport }: EventBusDeps,
  { maxSubscriptions = 100_000, maxTenantCharacters = 16 * 1024 * 1024 }: EventBusOptions = {},
): EventBus {
  const ephemeral = createEphemeralEvents(
    { meter, onFailure, transport },
    { maxSubscriptions, maxTenantCharacters },
  )
  const idPrefix = randomBytes(9).toString('base64url')
  let ids = 0
  let middlewares: readonly BusMiddleware[] = []
  let aroundPublish: Around<BusEvent, PublishContext, PublishResult | undefined> | undefined
  let aroundHandle: AroundHandle | undefined
  let isClosed = false

  const refuseIfClosed = (): void => {
    if (isClosed) throw new VelaError('VELA_HOST_NOT_STARTED', 'The event bus is closed')
  }
  const engine = (): DurableEvents => {
    if (durable !== undefined) return durable
    throw new VelaError('VELA_EVENTS_UNAVAILABLE', 'This host has no store for durable events')
  }
  const sendDurable = async (event: BusEvent): Promise<PublishResult> => {
    const log = engine()
    try {
      checkSize(event.text)
      return { id: event.id, ...(await log.publish(event)) }
    } catch (thrown) {
      throw ownError(thrown)
    }
  }

  const send = (event: BusEvent, kind: EventKind): PublishResult | Promise<PublishResult> =>
    kind === 'durable' ? sendDurable(event) : ephemeral.send(event)

  const publishEvent = (event: BusEvent, kind: EventKind): PublishResult | Promise<PublishResult> => {
    refuseIfClosed()
    if (aroundPublish === undefined) return send(event, kind)
    return publishThrough(aroundPublish, event, kind)
  }

  const publishThrough = async (
    around: NonNullable<typeof aroundPublish>,
    event: BusEvent,
    kind: EventKind,
  ): Promise<PublishResult> => {
    try {
      // A middleware may publish it twice, which the store must be able to notice.
      const result = await around(event.with({}), { kind }, async (changed) => await send(changed, kind))
      return result ?? { id: event.id, skipped: true }
    } catch (thrown) {
      throw ownError(thrown)
    }
  }

  /** No more promises than needed: an ephemeral publish is hot. */
  const promised = (work: () => PublishResult | Promise<PublishResult>): Promise<PublishResult> => {
    try {
      const result = work()
      if (result instanceof Promise) return result
      const { turn } = ephemeral
      return turn === undefined ? Promise.resolve(result) : turn.then(() => result)
    } catch (thrown) {
      return Promise.reject(ownError(thrown))
    }
  }

  const createEvent = (
    tenant: string,
    subject: string,
    data: unknown,
    { id, key, headers, source }: PublishOptions,
  ): BusEvent => {
    if (!ephemeral.knows(tenant)) checkName('tenant', tenant)
    return BusEvent.of(
      {
        tenant,
        id: id === undefined ? `${idPrefix}-${(ids++).toString(36)}` : checkId(id),
        subject: checkSubject(subject),
        source: source === undefined ? 'host' : checkSource(source),
        timeMs: Date.now(),
        key: key === undefined ? null : checkKey(key),
        headers: headers === undefined ? NO_HEADERS : checkHeaders(headers),
        fresh: id === undefined,
      },
      data,
    )
  }

  const check = (tenant: string, pattern: string, options: BatchOptions): void => {
    refuseIfClosed()
    checkName('tenant', tenant)
    try {
      checkPattern(pattern)
    } catch (thrown) {
      throw ownError(thrown)
    }
    checkOptions(options)
  }

  const compile = (): void => {
    aroundPublish = compose(middlewares.flatMap(({ publish }) => publish ?? []))
    aroundHandle = compose(middlewares.flatMap(({ handle }) => handle ?? []))
  }

  return {
    publish: (tenant, subject, data, options = NO_OPTIONS) =>
      promised(() => publishEvent(createEvent(tenant, subject, data, options), options.kind ?? 'ephemeral')),
    publishEvent: (event, kind) => promised(() => publishEvent(event, kind)),
    publishAll(events, kind) {
      let isWaiting = false
      const results = events.map((event): Published | Promise<Published> => {
        try {
          const result = publishEvent(event, kind)
          if (!(result instanceof Promise)) return result
          isWaiting = true
          return result.catch(asVelaError)
        } catch (thrown) {
          return asVelaError(thrown)
        }
      })
      return isWaiting ? Promise.all(results as Promise<Published>[]) : (results as Published[])
    },
    reach: (tenant, subject) => ephemeral.reach(tenant, subject),
    subscribe(tenant, pattern, handler, options = {}) {
      check(tenant, pattern, options)
      if (options.kind !== 'durable')
        return ephemeral.subscribe(tenant, pattern, { one: one(handler) }, options)
      const name = `host:${options.name}`
      const tell = createTeller({ tenant, pattern, name }, onFailure)
      const batch = durableHandler(handler, options.onError ?? 'retry', () => aroundHandle, tell)
      return engine().subscribe(tenant, pattern, batch, { ...options, name, maxBatch: 1 })
    },
    subscribeBatch(tenant, pattern, handler, options = {}) {
      check(tenant, pattern, options)
      const { kind = 'ephemeral', name = '' } = options
      const batch = aroundBatch(handler, kind, () => aroundHandle)
      if (kind === 'ephemeral') return ephemeral.subscribe(tenant, pattern, { batch }, options)
      return engine().subscribe(tenant, pattern, batch, { ...options, name })
    },
    use(middleware) {
      const added = { ...middleware }
      middlewares = [...middlewares, added]
      compile()
      return () => {
        middlewares = middlewares.filter((other) => other !== added)
        compile()
      }
    },
    async deleteTenant(tenant) {
      ephemeral.deleteTenant(tenant)
      await durable?.deleteTenant(tenant)
    },
    async leaveTenant(tenant) {
      ephemeral.deleteTenant(tenant)
      await durable?.leaveTenant(tenant)
    },
    status: () => ephemeral.status(),
    async drain(deadlineMs) {
      await Promise.all([within(deadlineMs, ephemeral.whenEmpty()), durable?.drain(deadlineMs)])
    },
    async close() {
      if (isClosed) return
      isClosed = true
      ephemeral.close(new VelaError('VELA_TASK_CANCELED', 'The host shuts down'))
      await durable?.close()
    },
  }

  function one(handler: EventHandler): (call: Call) => unknown {
    return (call) =>
      aroundHandle === undefined
        ? handler(call.event, call)
        : aroundHandle(call.event, call, (inner) => handler(inner, call))
  }
}
