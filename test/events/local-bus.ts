/** Buses of one host, for tests of what needs no other; each is closed after its test. */
import { afterEach, expect, vi } from 'vitest'
import { createEventBus, type EventBusOptions } from '../../host/events/bus.ts'
import type { BusEvent } from '../../host/events/bus-event.ts'
import type { HandlerFailure } from '../../host/events/failure.ts'
import type { EventBus, SubscribeOptions, Subscription } from '../../host/events/types.ts'
import { countingMeter, type CountingMeter } from './meter.ts'

export interface LocalBus {
  readonly bus: EventBus
  readonly meter: CountingMeter
  readonly failures: HandlerFailure[]
}

export interface Blocked {
  readonly subscription: Subscription
  readonly seen: unknown[]
  readonly release: () => void
}

export interface Listening extends Omit<LocalBus, 'failures'> {
  /** What handlers threw. */
  readonly failures: unknown[]
  readonly events: BusEvent[]
  /** Resolves when there are so many. */
  readonly got: (least: number) => Promise<void>
}

const open: EventBus[] = []
afterEach(async () => {
  for (const bus of open.splice(0)) await bus.close()
})

export function setUp(options?: EventBusOptions): LocalBus {
  const meter = countingMeter()
  const failures: HandlerFailure[] = []
  const bus = createEventBus({ meter, onFailure: (failure) => void failures.push(failure) }, options)
  open.push(bus)
  return { bus, meter, failures }
}

/** A subscription whose first call waits until `release`; what it handled stands in `seen`. */
export async function blocked(bus: EventBus, options: SubscribeOptions): Promise<Blocked> {
  const seen: unknown[] = []
  const gate = Promise.withResolvers<void>()
  const subscription = bus.subscribe(
    'acme',
    'a',
    async ({ data }) => {
      await gate.promise
      seen.push(data)
    },
    { concurrency: 1, ...options },
  )
  await bus.publish('acme', 'a', 'first')
  await vi.waitFor(() => expect(subscription.stats().running).toBe(1))
  return { subscription, seen, release: () => gate.resolve() }
}

export const idle = (subscription: Subscription): Promise<void> =>
  vi.waitFor(() => expect(subscription.stats()).toMatchObject({ waiting: 0, running: 0 }), {
    timeout: 10_000,
  })

/** With a subscription that remembers every event of the tenant `acme`. */
export function setUpListening(): Listening {
  const meter = countingMeter()
  const failures: unknown[] = []
  const bus = createEventBus({ meter, onFailure: ({ error }) => void failures.push(error) })
  open.push(bus)
  const events: BusEvent[] = []
  bus.subscribe('acme', '>', (event) => void events.push(event))
  return {
    bus,
    meter,
    failures,
    events,
    got: (least: number) => vi.waitFor(() => expect(events.length).toBeGreaterThanOrEqual(least)),
  }
}

export const failure = (work: Promise<unknown>): Promise<unknown> =>
  work.then(
    () => undefined,
    (thrown: unknown) => thrown,
  )
