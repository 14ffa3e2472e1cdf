/** Dead letters, and the end of a tenant, as every log of durable events keeps them. */
import { expect, test } from 'vitest'
import type { DeadEvent, StoredEvent } from '../../host/events/durable/log.ts'
import { describeLogs, eventOf, fill, sequencesOf } from './logs.ts'

const MANY = 1_000_000

const letterOf = (stored: StoredEvent, consumer: string, more: Partial<DeadEvent> = {}): DeadEvent => ({
  ...stored,
  consumer,
  attempts: 3,
  reason: 'Error: no',
  atMs: 1_700_000_000_000 + stored.sequence,
  replaying: false,
  ...more,
})

describeLogs('a log of durable events', (open) => {
  test('keeps dead letters with their events, by consumer and sequence', async () => {
    const log = await open()
    await fill(log, ['a', 'b', 'c'])
    const { events } = await log.read('acme', '>', 0, 10, MANY)
    const [a, b, c] = events as [StoredEvent, StoredEvent, StoredEvent]
    await log.addDead('acme', letterOf(a, 'one'))
    await log.addDead('acme', letterOf(b, 'one'))
    await log.addDead('acme', letterOf(c, 'two'))
    await log.addDead(
      'acme',
      letterOf(a, 'one', { attempts: 7, reason: 'Error: again', atMs: 1_800_000_000_000 }),
    )
    await log.trim('acme', 4)
    const found = await log.listDead('acme', null, 10)
    expect(
      found.map((letter) => [letter.consumer, letter.sequence, letter.attempts, letter.event.data]),
    ).toEqual([
      ['one', 1, 7, 0],
      ['two', 3, 3, 2],
      ['one', 2, 3, 1],
    ])
    expect(found[0]).toMatchObject({ reason: 'Error: again', replaying: false, atMs: 1_800_000_000_000 })
    expect(sequencesOf(await log.listDead('acme', 'two', 10))).toEqual([3])
    expect(sequencesOf(await log.listDead('acme', null, 2))).toEqual([1, 3])
    expect(Object.fromEntries(await log.countDead('acme'))).toEqual({ one: 2, two: 1 })
    expect(await log.listDead('globex', null, 10)).toEqual([])
  })

  test('marks dead letters for another try until they are dropped', async () => {
    const log = await open()
    await fill(log, ['a', 'a', 'a'])
    const { events } = await log.read('acme', '>', 0, 10, MANY)
    for (const stored of events) await log.addDead('acme', letterOf(stored, 'one'))
    expect(await log.markReplay('acme', 'one', [2, 3, 99])).toBe(2)
    expect(sequencesOf(await log.listReplay('acme', 'one', 10))).toEqual([2, 3])
    expect(sequencesOf(await log.listReplay('acme', 'one', 1))).toEqual([2])
    expect((await log.listDead('acme', 'one', 10)).map(({ replaying }) => replaying)).toEqual([
      true,
      true,
      false,
    ])
    expect(await log.dropDead('acme', 'one', [2])).toBe(1)
    expect(await log.dropDead('acme', 'one', [2])).toBe(0)
    expect(sequencesOf(await log.listReplay('acme', 'one', 10))).toEqual([3])
    // Given up once more.
    await log.addDead('acme', letterOf(events[2]!, 'one'))
    expect(await log.listReplay('acme', 'one', 10)).toEqual([])
    expect(await log.markReplay('acme', 'one', null)).toBe(2)
    expect(await log.markReplay('acme', 'nobody', null)).toBe(0)
    expect(await log.dropDead('acme', 'one', null)).toBe(2)
    expect(await log.listDead('acme', null, 10)).toEqual([])
  })

  test('dropping a cursor drops its dead letters, and no other’s', async () => {
    const log = await open()
    await fill(log, ['a'])
    const [stored] = (await log.read('acme', '>', 0, 10, MANY)).events
    for (const consumer of ['one', 'two']) {
      await log.openCursor('acme', consumer, 'all')
      await log.addDead('acme', letterOf(stored!, consumer))
    }
    await log.dropCursor('acme', 'one')
    expect([...(await log.countDead('acme')).keys()]).toEqual(['two'])
    expect((await log.cursors('acme')).map(({ consumer }) => consumer)).toEqual(['two'])
  })

  test('a deleted tenant leaves nothing to one that is made later under its name', async () => {
    const log = await open()
    for (const tenant of ['acme', 'globex']) {
      await log.append(eventOf('a', 1, { id: 'one', tenant }), true)
      const [stored] = (await log.read(tenant, '>', 0, 10, MANY)).events
      await log.openCursor(tenant, 'c', 'new')
      await log.addDead(tenant, letterOf(stored!, 'c'))
    }
    const stale = await log.openCursor('acme', 'c', 'new')
    expect(new Set(await log.tenants())).toEqual(new Set(['acme', 'globex']))
    await log.deleteTenant('acme')
    await log.deleteTenant('acme')
    expect(await log.tenants()).toEqual(['globex'])
    expect(await log.usage('acme')).toMatchObject({ events: 0, bytes: 0, last: 0 })
    expect(await log.cursors('acme')).toEqual([])
    expect(await log.listDead('acme', null, 10)).toEqual([])
    await expect(stale.save({ position: 5, open: [] })).rejects.toMatchObject({ code: 'VELA_EVENTS_FENCED' })
    expect(await log.append(eventOf('a', 2, { id: 'one' }), true)).toEqual({ sequence: 1, duplicate: false })
    expect((await log.openCursor('acme', 'c', 'all')).state.position).toBe(0)
    expect((await log.read('acme', '>', 0, 10, MANY)).events.map(({ event }) => event.data)).toEqual([2])
    expect(await log.usage('globex')).toMatchObject({ events: 1 })
    expect([...(await log.countDead('globex'))]).toEqual([['c', 1]])
  })

  test('what still waits to be stored when its tenant is deleted is refused, and brings nothing back', async () => {
    const log = await open()
    const appends = Array.from({ length: 3_000 }, (_, data) => log.append(eventOf('a', data), false))
    const settled = Promise.allSettled(appends)
    await Promise.resolve()
    await log.deleteTenant('acme')
    const outcomes = await settled
    expect(outcomes.at(-1)).toMatchObject({ status: 'rejected', reason: { code: 'VELA_TENANT_NOT_FOUND' } })
    expect(await log.tenants()).toEqual([])
  })
})
