/**
 * Two hosts publish and handle durable events while nats-server is killed, frozen and cut off in the midst of it, and the consumer moves
 * from host to host. Then the history is held against what was promised.
 */
import { expect, test } from 'vitest'
import { VelaError } from '../../host/core/errors.ts'
import { BusEvent } from '../../host/events/bus-event.ts'
import type { Assignment } from '../../host/events/durable/consumer.ts'
import { createDurableEngine, type DurableEngine } from '../../host/events/durable/engine.ts'
import { createNatsLog, type NatsLog } from '../../host/events/nats/log.ts'
import type { Nats } from '../../host/nats/nats.ts'
import { createChance, SEED } from '../actors/chance.ts'
import { type Cable, createCable } from './cable.ts'
import { createTestLog, open } from './open.ts'
import { type NatsServer, startNats } from './server.ts'

const TENANT = 'acme'
const KEYS = 7
const WRITERS = 4
const FAULTS = 9

interface Host {
  readonly nats: Nats
  readonly log: NatsLog
  readonly engine: DurableEngine
  readonly cable: Cable
}

interface Handled {
  readonly id: string
  readonly key: string
  readonly host: number
}

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

/** Which host runs the consumer; moved by the test. */
function createTurns(): { next(): number; of(host: number): Assignment } {
  let owner = 0
  const listeners = new Set<() => void>()
  return {
    next: () => {
      owner = 1 - owner
      for (const listener of listeners) listener()
      return owner
    },
    of: (host) => ({
      isMine: () => owner === host,
      onChange: (listener) => {
        listeners.add(listener)
        return () => listeners.delete(listener)
      },
    }),
  }
}

async function startHost(server: NatsServer, assignment: Assignment): Promise<Host> {
  const cable = await createCable(server.port)
  const told = createTestLog()
  const nats = await open({ servers: [cable.url] }, told)
  const log = createNatsLog(nats, told, { quotaBytes: 64 * 1024 * 1024, outbox: { deadlineMs: 700 } })
  const count = (): void => undefined
  const meter = { stored: count, refused: count, handled: count, retried: count, dead: count }
  const engine = createDurableEngine({ log, meter, assignment, drainMs: 1000, onFailure: count })
  return { nats, log, engine, cable }
}

/** Until it is acknowledged, always under the same id: as a program that wants its event to be there. */
async function publish(host: Host, id: string, key: string): Promise<number> {
  const fields = { tenant: TENANT, id, subject: 'orders.placed', source: 'host', timeMs: 1, key, headers: {} }
  for (;;) {
    try {
      return (await host.engine.publish(BusEvent.of(fields, id))).sequence
    } catch (error) {
      if (!(error instanceof VelaError) || error.code !== 'VELA_EVENTS_UNAVAILABLE') throw error
      await sleep(5)
    }
  }
}

async function readAll({ nats, log }: Host): Promise<{ sequence: number; id: string; key: string | null }[]> {
  const found: { sequence: number; id: string; key: string | null }[] = []
  for (let after = 0; ;) {
    await nats.whenConnected(20_000)
    const page = await log.read(TENANT, '>', after, 500, 1e6).catch(() => undefined)
    if (page === undefined) continue
    found.push(...page.events.map(({ sequence, event: { id, key } }) => ({ sequence, id, key })))
    if (page.atEnd) return found
    after = page.last
  }
}

test(`what was acknowledged is stored once and handled in order, whatever happens to NATS (VELA_FAULT_SEED=${SEED})`, async () => {
  const chance = createChance(SEED)
  const server = await startNats()
  const turns = createTurns()
  const hosts = await Promise.all([0, 1].map((host) => startHost(server, turns.of(host))))
  // Stands at the start, so that nothing is trimmed before it has been looked at.
  await hosts[0]?.log.openCursor(TENANT, 'host:holder', 'all')
  const handled: Handled[] = []
  for (const [host, { engine }] of hosts.entries())
    engine.subscribe(
      TENANT,
      'orders.*',
      {
        handle: async (batch) => {
          await sleep(0)
          handled.push(...batch.map(({ event }) => ({ id: event.id, key: event.key ?? '', host })))
          return batch.map(() => 'ack' as const)
        },
      },
      { name: 'host:history', from: 'all', concurrency: 4, maxBatch: 16, backoffMs: 20 },
    )

  const acknowledged = new Map<string, number>()
  let isOver = false
  const writers = hosts.flatMap((host, index) =>
    Array.from({ length: WRITERS }, async (_, writer) => {
      for (let number = 0; !isOver; number++) {
        const id = `${index}-${writer}-${number}`
        acknowledged.set(id, await publish(host, id, `key${(number + writer) % KEYS}`))
        await sleep(1)
      }
    }),
  )

  const faults: (() => Promise<void>)[] = [
    async () => {
      await server.kill()
      await sleep(chance.below(300))
      await server.restart()
    },
    async () => {
      server.pause()
      await sleep(50 + chance.below(900))
      server.resume()
    },
    async () => hosts[chance.below(2)]?.cable.reset(),
    async () => {
      const cable = hosts[chance.below(2)]?.cable
      cable?.loseAnswers()
      await sleep(chance.below(100))
      cable?.reset()
    },
    async () => {
      const host = turns.next()
      const before = handled.length
      const deadline = performance.now() + 30_000
      while (!handled.slice(before).some((each) => each.host === host)) {
        if (performance.now() > deadline) throw new Error(`host ${host} never took the consumer over`)
        await sleep(5)
      }
    },
  ]
  for (let round = 0; round < FAULTS; round++) {
    const goal = acknowledged.size + 20 + chance.below(100)
    while (acknowledged.size < goal) await sleep(5)
    // The first rounds have one of each, so that every seed does.
    await (faults[round] ?? chance.pick(faults))?.()
  }
  isOver = true
  await Promise.all(writers)

  const stored = await readAll(hosts[0] as Host)
  const sequences = new Map(stored.map(({ id, sequence }) => [id, sequence]))
  expect(stored.length, 'each is stored once').toBe(sequences.size)
  expect(
    [...acknowledged].filter(([id, sequence]) => sequences.get(id) !== sequence),
    'acknowledged, and not stored where it was said',
  ).toEqual([])

  const deadline = performance.now() + 30_000
  const missing = (): string[] => {
    const seen = new Set(handled.map(({ id }) => id))
    return [...acknowledged.keys()].filter((id) => !seen.has(id))
  }
  while (missing().length > 0 && performance.now() < deadline) await sleep(20)
  expect(missing(), 'acknowledged, and never handled').toEqual([])

  const lastOf = new Map<string, number>()
  const seen = new Set<string>()
  for (const { id, key } of handled) {
    if (seen.has(id)) continue
    seen.add(id)
    const sequence = sequences.get(id) ?? 0
    expect(sequence, `order of ${key}`).toBeGreaterThan(lastOf.get(key) ?? 0)
    lastOf.set(key, sequence)
  }
  expect(new Set(handled.map(({ host }) => host)).size, 'hosts that had the consumer').toBe(2)

  for (const { engine, log, nats, cable } of hosts) {
    await engine.close()
    await log.close()
    await nats.close()
    await cable.close()
  }
  await server.stop()
}, 120_000)
