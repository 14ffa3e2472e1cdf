/**
 * The logs that durable events must hold on, in one place: a test written with `describeLogs` runs on each. Every test gets a log with
 * nothing in it.
 */
import { randomUUID } from 'node:crypto'
import { afterAll, afterEach, beforeAll, describe } from 'vitest'
import { BusEvent, type BusEventFields } from '../../host/events/bus-event.ts'
import { openEventLog } from '../../host/events/durable/embedded/store.ts'
import { createDurableEngine, type DurableEngine, type EngineDeps } from '../../host/events/durable/engine.ts'
import type { DurableLog, StoredEvent } from '../../host/events/durable/log.ts'
import type { DurableOptions } from '../../host/events/durable/options.ts'
import type { Delivery, EventHandlerBatch, Outcome } from '../../host/events/types.ts'
import { natsLogs } from './nats-source.ts'

export interface LogOptions {
  readonly quotaBytes?: number
}

/** Where logs come from. */
export interface LogSource {
  readonly name: string
  /** `space`: logs of one are the same log, as two hosts have it. Closed by whoever asked. */
  create(space: string, options: LogOptions): Promise<DurableLog>
  /** Before the first and after the last test. */
  open?(): Promise<void>
  close?(): Promise<void>
}

const embedded: LogSource = {
  name: 'embedded',
  create: (_space, options) => openEventLog({ dataDir: null, ...options }),
}

export const LOGS: LogSource[] = [embedded, natsLogs()]

export type OpenLog = (options?: LogOptions) => Promise<DurableLog>

/** `open(options)` makes a log for one test; it is closed after it. */
export function describeLogs(name: string, suite: (open: OpenLog, source: LogSource) => void): void {
  for (const source of LOGS)
    describe(`${name}, ${source.name}`, () => {
      const logs: DurableLog[] = []
      beforeAll(() => source.open?.())
      afterAll(() => source.close?.())
      afterEach(async () => {
        for (const log of logs.splice(0)) await log.close()
      })
      suite(async (options = {}) => {
        const log = await source.create(`t${randomUUID().slice(0, 8)}`, options)
        logs.push(log)
        return log
      }, source)
    })
}

let ids = 0

export function eventOf(
  subject: string,
  data: unknown = null,
  fields: Partial<BusEventFields> = {},
): BusEvent {
  return BusEvent.of(
    {
      tenant: 'acme',
      id: `event-${ids++}`,
      subject,
      source: 'host',
      timeMs: 1_700_000_000_000,
      key: null,
      headers: {},
      fresh: fields.id === undefined,
      ...fields,
    },
    data,
  )
}

export interface CountedMeter {
  readonly tally: Record<'stored' | 'duplicate' | 'refused' | 'handled' | 'retried' | 'dead', number>
  readonly meter: EngineDeps['meter']
}

export function countedMeter(): CountedMeter {
  const tally = { stored: 0, duplicate: 0, refused: 0, handled: 0, retried: 0, dead: 0 }
  return {
    tally,
    meter: {
      stored: (isDuplicate) => void (tally[isDuplicate ? 'duplicate' : 'stored'] += 1),
      refused: () => void (tally.refused += 1),
      handled: () => void (tally.handled += 1),
      retried: () => void (tally.retried += 1),
      dead: () => void (tally.dead += 1),
    },
  }
}

export interface TestEngine extends DurableEngine, CountedMeter {
  readonly failures: string[]
}

/** An engine that ends with its log. */
export function engineOn(log: DurableLog, deps: Partial<EngineDeps> = {}): TestEngine {
  const counted = countedMeter()
  const failures: string[] = []
  const engine = createDurableEngine({
    log,
    meter: counted.meter,
    trimEveryMs: 20,
    onFailure: (what, thrown) => void failures.push(`${what}: ${String(thrown)}`),
    ...deps,
  })
  return { ...engine, ...counted, failures }
}

/** Waits for nothing, keeps nobody, and gives up soon: as far as a test does not say otherwise. */
export const QUICK: Omit<DurableOptions, 'name'> = {
  from: 'all',
  maxBatch: 1,
  concurrency: 1,
  retries: 2,
  backoffMs: 1,
}

/** A handler of single events. What it throws is tried again. */
export function each(handle: (delivery: Delivery, signal: AbortSignal) => unknown): EventHandlerBatch {
  return {
    handle: (batch, signal) =>
      Promise.all(
        batch.map(async (delivery): Promise<Outcome> => {
          try {
            await handle(delivery, signal)
            return 'ack'
          } catch (thrown) {
            const { name, message } = thrown as Error
            return { retry: true, error: { name, message } }
          }
        }),
      ),
  }
}

/** Appends an event of each subject, with its place as data. */
export async function fill(log: DurableLog, subjects: readonly string[]): Promise<void> {
  await Promise.all(subjects.map((subject, index) => log.append(eventOf(subject, index), false)))
}

export const dataOf = ({ event }: Delivery): number => event.data as number

export const sequencesOf = (events: readonly StoredEvent[]): number[] =>
  events.map(({ sequence }) => sequence)
