/**
 * Durable events: what is published is stored before it is acknowledged, and handled at least once by every consumer, in order by key.
 * The same engine over both logs. What keeps a promise is in the parts: `runner.ts` (order, retries, dead letters), `saver.ts` (what a
 * crash makes happen again), `trimmer.ts` (room).
 */
import { VelaError } from '../../core/errors.ts'
import { within } from '../../core/within.ts'
import type { BusEvent } from '../bus-event.ts'
import type { DurableEvents, EventHandlerBatch } from '../types.ts'
import {
  ALONE,
  createConsumer,
  nobody,
  type Assignment,
  type Consumer,
  type ConsumerState,
} from './consumer.ts'
import { MAX_DEAD_EVENTS, type DeadEvent, type DurableLog, type LogUsage } from './log.ts'
import type { DurableMeter } from './meter.ts'
import { aheadOf, settingsOf, type DurableOptions } from './options.ts'
import { createTrimmer } from './trimmer.ts'

export interface DurableEngine extends DurableEvents {
  subscribe(tenant: string, pattern: string, handler: EventHandlerBatch, options: DurableOptions): Consumer
  /** The consumer is no more: its subscription ends, its cursor and its dead letters go. */
  forget(tenant: string, consumer: string): Promise<void>
  /** As `forget`, of one that nobody here is subscribed as. VELA_EVENTS_CONSUMER_NOT_FOUND, VELA_EVENTS_CONSUMER_IN_USE. */
  remove(tenant: string, consumer: string): Promise<void>
  /** All consumers whose names begin so. */
  forgetAll(tenant: string, prefix: string): Promise<void>
  /** All that have a cursor or a subscription here. */
  consumers(tenant: string): Promise<readonly ConsumerStatus[]>
  usage(tenant: string): Promise<LogUsage>
  /** Of one consumer, or of all; the latest first. */
  deadEvents(tenant: string, consumer?: string): Promise<readonly DeadEvent[]>
  /** Dead letters are tried again by their consumer alone. Says how many there were; VELA_EVENTS_CONSUMER_NOT_FOUND. */
  replay(tenant: string, consumer: string, sequences: readonly number[] | 'all'): Promise<number>
  /** Dead letters are forgotten. Says how many there were. */
  discard(tenant: string, consumer: string, sequences: readonly number[] | 'all'): Promise<number>
  counts(): { readonly consumers: number; readonly waiting: number; readonly running: number }
}

export interface ConsumerStatus {
  readonly consumer: string
  /** null: not subscribed on this host now. */
  readonly pattern: string | null
  readonly state: ConsumerState | 'absent'
  /** Events of the tenant's log behind its position, also those that are not for it, and those it has open. */
  readonly lag: number
  readonly inFlight: number
  readonly dead: number
}

export interface EngineDeps {
  readonly log: DurableLog
  readonly meter: DurableMeter
  readonly assignment?: Assignment
  /** Rejects if there is no such tenant. */
  readonly admit?: (tenant: string) => Promise<void>
  readonly now?: () => number
  /** How long a subscription that ends may take for what is under way; 30 s if left out. */
  readonly drainMs?: number
  /** How often is trimmed; 1 s if left out. */
  readonly trimEveryMs?: number
  readonly onFailure: (what: string, thrown: unknown) => void
}

/** Letters that another host was asked to replay are found by then. */
const LOOK_FOR_REPLAYS_MS = 10_000
const MAX_CONSUMERS = 1_000

export function createDurableEngine(deps: EngineDeps): DurableEngine {
  const { log, meter, assignment = ALONE, now = Date.now, drainMs = 30_000 } = deps
  const tenants = new Map<string, Map<string, Consumer>>()
  /** Subscriptions that end, by tenant and name. */
  const ending = new Map<string, { readonly consumer: Consumer; readonly done: Promise<void> }>()
  const admitted = new Set<string>()
  let isClosed = false

  const all = (): Consumer[] => [...tenants.values()].flatMap((consumers) => Array.from(consumers.values()))
  const closed = (): VelaError => new VelaError('VELA_GATEWAY_DRAINING', 'The host is shutting down')

  const trimmer = createTrimmer({
    log,
    everyMs: deps.trimEveryMs ?? 1_000,
    async flush(tenant) {
      const own = [...(tenants.get(tenant)?.values() ?? [])]
      // One that cannot save holds its own events; it says so itself.
      await Promise.all(own.map((consumer) => consumer.flush().catch(() => undefined)))
    },
    onFailure: (thrown) => deps.onFailure('trim the log', thrown),
  })

  const timer = setInterval(() => {
    for (const consumer of all()) consumer.wakeReplays()
  }, LOOK_FOR_REPLAYS_MS)
  timer.unref()

  const admit = async (tenant: string): Promise<void> => {
    if (admitted.has(tenant) || deps.admit === undefined) return
    await deps.admit(tenant)
    admitted.add(tenant)
  }

  const store = async (event: BusEvent): Promise<{ sequence: number; duplicate: boolean }> => {
    try {
      const stored = await log.append(event, !event.fresh)
      meter.stored(stored.duplicate)
      trimmer.appended(event.tenant, event.text.length)
      return stored
    } catch (thrown) {
      meter.refused()
      if (thrown instanceof VelaError && thrown.code === 'VELA_EVENTS_FULL') trimmer.full(event.tenant)
      throw thrown
    }
  }

  const known = async (tenant: string, name: string): Promise<Consumer | undefined> => {
    const consumer = tenants.get(tenant)?.get(name)
    if (consumer === undefined && !(await log.cursors(tenant)).some((each) => each.consumer === name))
      throw nobody()
    return consumer
  }

  const endOf = (tenant: string, name: string): Promise<void> =>
    ending.get(`${tenant}/${name}`)?.done ?? Promise.resolve()

  const engine: DurableEngine = {
    publish(event) {
      if (isClosed) return Promise.reject(closed())
      // In the tick of the call if the tenant is known: that keeps the order of calls.
      if (admitted.has(event.tenant) || deps.admit === undefined) return store(event)
      return admit(event.tenant).then(() => store(event))
    },

    subscribe(tenant, pattern, handler, options) {
      if (isClosed) throw closed()
      const consumers = tenants.get(tenant) ?? new Map<string, Consumer>()
      const { name } = options
      if (consumers.has(name))
        throw new VelaError('VELA_EVENT_INVALID', `There is a durable subscription called ${name} already`)
      if (consumers.size >= MAX_CONSUMERS)
        throw new VelaError(
          'VELA_EVENTS_OVERLOADED',
          `The tenant has ${MAX_CONSUMERS} durable subscriptions, which is as many as may be`,
        )
      const consumer = createConsumer({
        log,
        assignment,
        tenant,
        name,
        pattern,
        handler,
        settings: settingsOf(options),
        ahead: () => aheadOf(consumers.size),
        meter,
        now,
        before: endOf(tenant, name),
        drainMs,
        onSaved: () => trimmer.moved(tenant),
        onFailure: (what, thrown) => deps.onFailure(`${what} of ${name} (tenant ${tenant})`, thrown),
        onEnd(ended, done) {
          consumers.delete(name)
          if (consumers.size === 0 && tenants.get(tenant) === consumers) tenants.delete(tenant)
          const key = `${tenant}/${name}`
          const before = endOf(tenant, name)
          const entry = {
            consumer: ended,
            done: Promise.all([done, before]).then(() => {
              if (ending.get(key) === entry) ending.delete(key)
            }),
          }
          ending.set(key, entry)
        },
      })
      consumers.set(name, consumer)
      tenants.set(tenant, consumers)
      return consumer
    },

    async forget(tenant, name) {
      tenants.get(tenant)?.get(name)?.stop()
      await endOf(tenant, name)
      await log.dropCursor(tenant, name)
      trimmer.moved(tenant)
    },

    async remove(tenant, name) {
      // Its service would hear nothing more until its next deploy, and nobody would be told.
      if ((await known(tenant, name)) !== undefined)
        throw new VelaError(
          'VELA_EVENTS_CONSUMER_IN_USE',
          `${name} is subscribed. Deploy its service without this subscription first, or end the subscription of the host.`,
        )
      await engine.forget(tenant, name)
    },

    async forgetAll(tenant, prefix) {
      const names = new Set((await log.cursors(tenant)).map(({ consumer }) => consumer))
      // Whoever was to forget it before may have ended between its cursor and its letters.
      for (const name of (await log.countDead(tenant)).keys()) names.add(name)
      for (const name of tenants.get(tenant)?.keys() ?? []) names.add(name)
      for (const name of names) if (name.startsWith(prefix)) await engine.forget(tenant, name)
    },

    async consumers(tenant) {
      const [cursors, dead, { last }] = await Promise.all([
        log.cursors(tenant),
        log.countDead(tenant),
        log.usage(tenant),
      ])
      const here = tenants.get(tenant) ?? new Map<string, Consumer>()
      const states = new Map(cursors.map(({ consumer, state }) => [consumer, state]))
      return [...new Set([...states.keys(), ...here.keys(), ...dead.keys()])].sort().map((name) => {
        const consumer = here.get(name)
        const cursor = states.get(name)
        return {
          consumer: name,
          pattern: consumer?.pattern ?? null,
          state: consumer?.state ?? 'absent',
          lag: cursor === undefined ? 0 : Math.max(0, last - cursor.position) + cursor.open.length,
          inFlight: consumer?.stats().running ?? 0,
          dead: dead.get(name) ?? 0,
        }
      })
    },

    usage: (tenant) => log.usage(tenant),
    deadEvents: (tenant, consumer) => log.listDead(tenant, consumer ?? null, MAX_DEAD_EVENTS),

    async replay(tenant, name, sequences) {
      const consumer = await known(tenant, name)
      const count = await log.markReplay(tenant, name, sequences === 'all' ? null : sequences)
      consumer?.wakeReplays()
      return count
    },

    async discard(tenant, name, sequences) {
      await known(tenant, name)
      return await log.dropDead(tenant, name, sequences === 'all' ? null : sequences)
    },

    async deleteTenant(tenant) {
      await engine.leaveTenant(tenant)
      await log.deleteTenant(tenant)
    },

    async leaveTenant(tenant) {
      const names = [...(tenants.get(tenant)?.keys() ?? [])]
      for (const consumer of tenants.get(tenant)?.values() ?? []) consumer.stop()
      await Promise.all(names.map((name) => endOf(tenant, name)))
      admitted.delete(tenant)
      trimmer.forget(tenant)
    },

    counts() {
      const consumers = all()
      let [waiting, running] = [0, 0]
      for (const consumer of consumers) {
        const stats = consumer.stats()
        waiting += stats.waiting
        running += stats.running
      }
      return { consumers: consumers.length, waiting, running }
    },

    async drain(withinMs) {
      const ended = Promise.all([...ending.values()].map(({ done }) => done))
      const ends = all().map((consumer) => consumer.drain(withinMs))
      await Promise.allSettled([...ends, within(withinMs, ended)])
    },

    async close() {
      isClosed = true
      clearInterval(timer)
      const consumers = all()
      await Promise.allSettled(consumers.map((consumer) => consumer.flush()))
      for (const consumer of [...consumers, ...[...ending.values()].map((each) => each.consumer)])
        consumer.stop()
      await Promise.all([...ending.values()].map(({ done }) => done))
      await trimmer.close()
    },
  }
  return engine
}
