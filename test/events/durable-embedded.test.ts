/** The embedded log by itself: its window and its age by a clock of the test, its room, and its file. */
import { readFile, rm, stat, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { expect, test } from 'vitest'
import { openEventLog, type EventLogOptions } from '../../host/events/durable/embedded/store.ts'
import { DEDUPE_WINDOW_MS, MAX_DEAD_EVENTS, type DurableLog } from '../../host/events/durable/log.ts'
import { Runtime } from '../../host/index.ts'
import { makeDataDir } from '../data-dir.ts'
import { until } from '../until.ts'
import { engineOn, each, eventOf, QUICK } from './logs.ts'

const MANY = 1_000_000

async function withLog(
  options: Partial<EventLogOptions>,
  use: (log: DurableLog) => Promise<void>,
): Promise<void> {
  const log = await openEventLog({ dataDir: null, ...options })
  try {
    await use(log)
  } finally {
    await log.close()
  }
}

test('an id is known for the window, wherever in it the clock stands, and forgotten with its room', async () => {
  let nowMs = 1_700_000_000_000
  await withLog({ now: () => nowMs, sweepEveryMs: 10 }, async (log) => {
    for (let round = 0; round < 5; round++) {
      const id = `id-${round}`
      const store = (): Promise<unknown> => log.append(eventOf('a', round, { id }), true)
      expect(await store()).toMatchObject({ duplicate: false })
      nowMs += DEDUPE_WINDOW_MS - 1
      expect(await store()).toMatchObject({ duplicate: true })
      nowMs += 1
      expect(await store()).toMatchObject({ duplicate: false })
      nowMs += 31_000
    }
    await log.trim('acme', MANY)
    expect((await log.usage('acme')).bytes).toBeGreaterThan(0)
    nowMs += 3 * DEDUPE_WINDOW_MS
    await until('the ids are swept', async () => (await log.usage('acme')).bytes === 0)
  })
})

test('an id that Vela made takes no room of the index, and ids count against the quota', async () => {
  await withLog({ quotaBytes: 20_000 }, async (log) => {
    for (let index = 0; index < 100; index++) await log.append(eventOf('a', index), false)
    await log.trim('acme', MANY)
    expect((await log.usage('acme')).bytes).toBe(0)
    const publish = async (): Promise<void> => {
      for (let index = 0; index < 1_000; index++) {
        await log.append(eventOf('a', index, { id: `mine-${index}` }), true)
        await log.trim('acme', MANY)
      }
    }
    await expect(publish()).rejects.toMatchObject({ code: 'VELA_EVENTS_FULL' })
  })
})

test('events beyond their age are removed, the others stay', async () => {
  let nowMs = 1_700_000_000_000
  await withLog({ now: () => nowMs, sweepEveryMs: 10, retentionMs: 60_000 }, async (log) => {
    for (const tenant of ['acme', 'globex'])
      for (let index = 0; index < 600; index++) void log.append(eventOf('a', index, { tenant }), false)
    await log.usage('acme')
    nowMs += 50_000
    await log.append(eventOf('a', 'late'), false)
    nowMs += 20_000
    await until('the old ones are gone', async () => (await log.usage('acme')).events === 1)
    await until('those of the other, too', async () => (await log.usage('globex')).events === 0)
    expect((await log.read('acme', 'a', 0, 10, MANY)).events.map(({ event }) => event.data)).toEqual(['late'])
  })
})

test('the room of a deleted tenant is swept', async () => {
  const dataDir = await makeDataDir()
  await withLog({ dataDir, sweepEveryMs: 10 }, async (log) => {
    for (let index = 0; index < 1_500; index++) void log.append(eventOf('a', index), false)
    await log.openCursor('acme', 'c', 'all')
    const [stored] = (await log.read('acme', 'a', 0, 1, MANY)).events
    await log.addDead('acme', {
      ...stored!,
      consumer: 'c',
      attempts: 1,
      reason: 'no',
      atMs: 1,
      replaying: false,
    })
    await log.deleteTenant('acme')
    await log.append(eventOf('a', 0, { tenant: 'globex' }), false)
  })
  const left = (): unknown => {
    const database = new DatabaseSync(join(dataDir, 'events.sqlite'))
    const count = (table: string): unknown =>
      database.prepare(`SELECT count(*) AS n FROM ${table}`).get()?.['n']
    const counts = ['events', 'dead', 'cursors', 'dropped'].map(count)
    database.close()
    return counts.join(' ')
  }
  // A round that its host did not end is ended by the next.
  await until('only the other tenant has anything', async () => {
    await withLog({ dataDir, sweepEveryMs: 1 }, async (log) => {
      for (let index = 0; index < 20; index++) await log.usage('globex')
    })
    return left() === '1 0 0 0'
  })
})

test('dead letters are bounded by consumer and by the tenant’s quota: the oldest goes', async () => {
  await withLog({ quotaBytes: 400_000 }, async (log) => {
    await log.append(eventOf('a', 'x'.repeat(50)), false)
    await log.append(eventOf('a', 'x'.repeat(100_000)), false)
    const [small, large] = (await log.read('acme', 'a', 0, 10, MANY)).events
    const letter = { attempts: 1, reason: 'no', replaying: false }
    const add = (consumer: string, sequence: number, stored = small!): Promise<void> =>
      log.addDead('acme', { ...letter, ...stored, consumer, sequence, atMs: sequence })
    await Promise.all(Array.from({ length: MAX_DEAD_EVENTS + 5 }, (_, index) => add('c', index + 1)))
    expect(await log.countDead('acme')).toEqual(new Map([['c', MAX_DEAD_EVENTS]]))
    const letters = await log.listDead('acme', 'c', 2_000)
    expect([letters[0]?.sequence, letters.at(-1)?.sequence]).toEqual([MAX_DEAD_EVENTS + 5, 6])
    for (let index = 0; index < 3; index++) await add('large', 10_000 + index, large)
    const counts = await log.countDead('acme')
    expect(counts.get('large')).toBe(3)
    expect(counts.get('c')).toBeLessThan(MAX_DEAD_EVENTS)
    expect((await log.listDead('acme', 'c', 1))[0]?.sequence).toBe(MAX_DEAD_EVENTS + 5)
  })
})

test('what waits to be stored is bounded, by tenant', async () => {
  await withLog({}, async (log) => {
    const outcomes = await Promise.allSettled([
      ...Array.from({ length: 20_000 }, () => log.append(eventOf('a'), false)),
      log.append(eventOf('a', 0, { tenant: 'globex' }), false),
    ])
    const refused = outcomes.flatMap((outcome) => (outcome.status === 'rejected' ? [outcome.reason] : []))
    expect(refused.length).toBeGreaterThan(10_000)
    expect(new Set(refused.map(({ code }) => code))).toEqual(new Set(['VELA_EVENTS_OVERLOADED']))
    expect(outcomes.at(-1)).toMatchObject({ status: 'fulfilled', value: { sequence: 1 } })
    expect((await log.usage('acme')).events).toBe(20_000 - refused.length)
  })
})

test('a tenant that asks without end holds up no other', async () => {
  await withLog({}, async (log) => {
    for (let index = 0; index < 300; index++) void log.append(eventOf('a', index), false)
    let answered = 0
    const flood = Array.from({ length: 3_000 }, () =>
      log.read('acme', 'none', 0, 10, MANY).then(() => (answered += 1)),
    )
    await log.append(eventOf('a', 0, { tenant: 'globex' }), false)
    // Behind the window that is at the store at once, and not behind all that waits.
    expect(answered).toBeLessThan(1_500)
    await Promise.all(flood)
  })
})

test('a store that is damaged, lost, or in use is refused, and left as it is', async () => {
  const dataDir = await makeDataDir()
  const path = join(dataDir, 'events.sqlite')
  await withLog({ dataDir }, async (log) => {
    for (let index = 0; index < 200; index++) await log.append(eventOf('a', 'x'.repeat(500)), false)
    await expect(openEventLog({ dataDir })).rejects.toMatchObject({ code: 'VELA_STORE_LOCKED' })
  })
  const sound = await readFile(path)
  expect((await stat(path)).mode & 0o777).toBe(0o600)
  const harms: (() => Promise<void>)[] = [
    () => writeFile(path, 'not the pages you are looking for '.repeat(500)),
    () => truncate(path, sound.length - 1_000),
    () => truncate(path, 0),
    () => rm(path),
  ]
  for (const harm of harms) {
    await harm()
    const before = await readFile(path).catch(() => Buffer.alloc(0))
    await expect(openEventLog({ dataDir })).rejects.toMatchObject({ code: 'VELA_STORE_DAMAGED' })
    expect(Buffer.compare(await readFile(path), before)).toBe(0)
    await writeFile(path, sound)
  }
  await withLog({ dataDir }, async (log) => {
    expect((await log.usage('acme')).events).toBe(200)
  })
})

test('a consumer starts where it was, in another host’s life', async () => {
  const dataDir = await makeDataDir()
  const got: unknown[] = []
  for (let life = 0; life < 3; life++)
    await withLog({ dataDir }, async (log) => {
      const engine = engineOn(log)
      const handler = each(({ event }) => got.push(event.data))
      engine.subscribe('acme', 'a', handler, { ...QUICK, name: 'c' })
      for (let index = 0; index < 50; index++)
        await engine.publish(eventOf('a', life * 50 + index, { key: 'k' }))
      await until('all are handled', () => got.length === (life + 1) * 50)
      await engine.drain(1_000)
      await engine.close()
    })
  expect(got).toEqual(Array.from({ length: 150 }, (_, index) => index))
})

test('a host forgets at its start what belongs to no tenant or service any more', async () => {
  const dataDir = await makeDataDir()
  const open = (): Promise<Runtime> =>
    Runtime.create({
      data: dataDir,
      gateway: { port: 0 },
      admin: { port: 0 },
      log: { level: 'silent' },
      cells: { spares: 0 },
    })
  const first = await open()
  await first.registry.createTenant('acme')
  await first.stop()
  await withLog({ dataDir }, async (log) => {
    await log.append(eventOf('a'), false)
    await log.append(eventOf('a', 0, { tenant: 'globex' }), false)
    for (const consumer of ['host:audit', 'acme/gone/ORDERS/0']) await log.openCursor('acme', consumer, 'all')
  })
  await (await open()).stop()
  await withLog({ dataDir }, async (log) => {
    expect(await log.tenants()).toEqual(['acme'])
    expect((await log.cursors('acme')).map(({ consumer }) => consumer)).toEqual(['host:audit'])
    expect((await log.usage('acme')).events).toBe(1)
  })
})
