/**
 * The buses that a suite of ephemeral events must hold on, in one place: a test written with `describeBuses` runs on each. A fleet is
 * one bus for each of several hosts; embedded, all hosts are the same one.
 */
import { afterAll, afterEach, beforeAll, describe } from 'vitest'
import { createEventBus, type EventBusDeps, type EventBusOptions } from '../../host/events/bus.ts'
import type { EventBus } from '../../host/events/types.ts'
import { natsBuses } from './nats-source.ts'
import { countingMeter, type CountingMeter } from './meter.ts'

export interface Fleet {
  /** What one host publishes reaches the subscribers of all. */
  readonly buses: readonly [EventBus, EventBus]
  readonly meter: CountingMeter
  /** Errors of handlers that were told to the log. */
  readonly failures: { readonly subject: string; readonly error: unknown; readonly untold: number }[]
}

/** Where buses come from. */
export interface BusSource {
  readonly name: string
  /** Every event is handled in the host that publishes it, and no value is copied. */
  readonly isLocal: boolean
  /** Makes one bus; `host` (0 or 1) tells whose. The same host and fleet are asked for once. */
  create(
    host: number,
    deps: Pick<EventBusDeps, 'meter' | 'onFailure'>,
    options?: EventBusOptions,
  ): EventBus | Promise<EventBus>
  /** Before the first and after the last test. */
  open?(): Promise<void>
  close?(): Promise<void>
}

const embedded: BusSource = {
  name: 'embedded',
  isLocal: true,
  create: (_host, deps, options) => createEventBus(deps, options),
}

export const SOURCES: BusSource[] = [embedded, natsBuses()]

/** `fleet(options)` makes buses for one test; they are closed after it. */
export function describeBuses(
  name: string,
  suite: (fleet: (options?: EventBusOptions) => Promise<Fleet>, source: BusSource) => void,
): void {
  for (const source of SOURCES)
    describe(`${name}, ${source.name}`, () => {
      const open: EventBus[] = []
      beforeAll(() => source.open?.())
      afterAll(() => source.close?.())
      afterEach(async () => {
        for (const bus of open.splice(0)) await bus.close()
      })
      suite(async (options) => {
        const meter = countingMeter()
        const failures: Fleet['failures'] = []
        const deps = { meter, onFailure: (failure: Fleet['failures'][number]) => void failures.push(failure) }
        const first = await source.create(0, deps, options)
        const second = source.isLocal ? first : await source.create(1, deps, options)
        open.push(first, ...(second === first ? [] : [second]))
        return { buses: [first, second], meter, failures }
      }, source)
    })
}
