/** What every log of durable events promises, whichever it is. */
import { expect, test } from 'vitest'
import type { StoredEvent } from '../../host/events/durable/log.ts'
import { until } from '../until.ts'
import { describeLogs, eventOf, fill, sequencesOf } from './logs.ts'

const MANY = 1_000_000

describeLogs('a log of durable events', (open) => {
  test('gives sequences in the order of the calls, to each tenant its own', async () => {
    const log = await open()
    const acme = Array.from({ length: 300 }, (_, index) => log.append(eventOf('a.b', index), false))
    const globex = Array.from({ length: 3 }, () => log.append(eventOf('a.b', 0, { tenant: 'globex' }), false))
    expect((await Promise.all(acme)).map(({ sequence }) => sequence)).toEqual(
      Array.from({ length: 300 }, (_, index) => index + 1),
    )
    expect((await Promise.all(globex)).map(({ sequence }) => sequence)).toEqual([1, 2, 3])
    const events: StoredEvent[] = []
    while (events.length < 300) {
      const page = await log.read('acme', '>', events.at(-1)?.sequence ?? 0, 1_000, MANY)
      expect(page.events.length).toBeGreaterThan(0)
      events.push(...page.events)
    }
    expect(events.map(({ event }) => event.data)).toEqual(Array.from({ length: 300 }, (_, index) => index))
  })

  test('gives events back as they were published', async () => {
    const log = await open()
    const event = eventOf(
      'orders.placed',
      { at: new Date(5), more: new Map([['a', 1n]]), text: 'nul \0, lone \ud800, 😀' },
      {
        id: 'order-1',
        source: 'acme/shop',
        key: 'ann 😀',
        headers: { traceparent: '00-1', region: 'eü' },
        depth: 3,
        timeMs: 1_712_345_678_901,
      },
    )
    await log.append(event, true)
    const [found] = (await log.read('acme', 'orders.placed', 0, 10, MANY)).events
    const { id, subject, source, key, headers, depth, timeMs, tenant, data, text } = found!.event
    expect({ id, subject, source, key, headers, depth, timeMs, tenant, text }).toEqual({
      id: 'order-1',
      subject: 'orders.placed',
      source: 'acme/shop',
      key: 'ann 😀',
      headers: { traceparent: '00-1', region: 'eü' },
      depth: 3,
      timeMs: 1_712_345_678_901,
      tenant: 'acme',
      text: event.text,
    })
    expect(data).toEqual(event.data)
  })

  test('stores an id once, tells where, and knows nothing of another tenant’s ids', async () => {
    const log = await open()
    const once = (data: number, tenant = 'acme'): Promise<unknown> =>
      log.append(eventOf('a.b', data, { id: 'same', tenant }), true)
    expect(await Promise.all([once(1), once(2)])).toEqual([
      { sequence: 1, duplicate: false },
      { sequence: 1, duplicate: true },
    ])
    expect(await once(3)).toEqual({ sequence: 1, duplicate: true })
    expect(await once(4, 'globex')).toEqual({ sequence: 1, duplicate: false })
    const { events } = await log.read('acme', '>', 0, 10, MANY)
    expect(events.map(({ event }) => event.data)).toEqual([1])
  })

  test.for([
    ['a.b', [1, 4]],
    ['a.*', [1, 2, 4]],
    ['*.c', [2, 3]],
    ['a.>', [1, 2, 4, 5]],
    ['>', [1, 2, 3, 4, 5]],
    ['nothing', []],
  ] as const)('reads what matches %s', async ([pattern, expected]) => {
    const log = await open()
    await fill(log, ['a.b', 'a.c', 'b.c', 'a.b', 'a.b.c'])
    const page = await log.read('acme', pattern, 0, 10, MANY)
    expect([sequencesOf(page.events), page.last]).toEqual([expected, 5])
  })

  test('reads on where it stopped, with and without readers along', async () => {
    const log = await open()
    const forget = log.onAppended('acme', () => undefined)
    for (const from of [0, 500]) {
      await fill(
        log,
        Array.from({ length: 500 }, (_, index) => (index % 3 === 0 ? 'yes' : 'no')),
      )
      const found: number[] = []
      const expected = Array.from({ length: 500 }, (_, index) => index)
        .filter((index) => index % 3 === 0)
        .map((index) => from + index + 1)
      let after = from
      // A reader that is open hears of what was just stored a moment later, and is woken then.
      await until('all are read', async () => {
        const page = await log.read('acme', 'yes', after, 7, MANY)
        found.push(...sequencesOf(page.events))
        expect(page.last).toBeGreaterThanOrEqual(after)
        after = page.last
        return page.atEnd && found.length >= expected.length
      })
      expect(found).toEqual(expected)
      // What does not match is passed over, at once or soon.
      await until('it stands at the end', async () => {
        after = (await log.read('acme', 'yes', after, 7, MANY)).last
        return after === from + 500
      })
    }
    forget()
  })

  test('a page ends where its characters do, and has at least one event', async () => {
    const log = await open()
    for (let index = 0; index < 5; index++) await log.append(eventOf('a', 'x'.repeat(1_000)), false)
    expect(sequencesOf((await log.read('acme', 'a', 0, 10, 2_500)).events)).toEqual([1, 2])
    expect(sequencesOf((await log.read('acme', 'a', 2, 10, 1)).events)).toEqual([3])
    expect(sequencesOf(await log.readAt('acme', [2, 3, 5, 9], MANY))).toEqual([2, 3, 5])
    expect(sequencesOf(await log.readAt('acme', [2, 3, 5], 1_500))).toEqual([2])
  })

  test('wakes those who wait for events of the tenant, and nobody else', async () => {
    const log = await open()
    const woken: string[] = []
    const forget = log.onAppended('acme', () => void woken.push('acme'))
    log.onAppended('globex', () => void woken.push('globex'))
    await log.append(eventOf('a'), false)
    await until('acme is woken', () => woken.length > 0)
    expect(new Set(woken)).toEqual(new Set(['acme']))
    forget()
    woken.length = 0
    await log.append(eventOf('a'), false)
    await log.append(eventOf('a', 0, { tenant: 'globex' }), false)
    await until('globex is woken', () => woken.length > 0)
    expect(new Set(woken)).toEqual(new Set(['globex']))
  })

  test('a cursor begins at the end or at the start, and stays where it was saved', async () => {
    const log = await open()
    await fill(log, ['a', 'a', 'a'])
    expect((await log.openCursor('acme', 'new', 'new')).state).toEqual({ position: 3, open: [] })
    const all = await log.openCursor('acme', 'all', 'all')
    expect(all.state).toEqual({ position: 0, open: [] })
    const state = { position: 2, open: [{ sequence: 1, attempts: 4, dueMs: 17 }] }
    await all.save(state)
    expect((await log.openCursor('acme', 'all', 'new')).state).toEqual(state)
    expect(await log.cursors('acme')).toEqual([
      { consumer: 'all', state },
      { consumer: 'new', state: { position: 3, open: [] } },
    ])
    expect(await log.cursors('globex')).toEqual([])
  })

  test('who has lost a cursor can save nothing', async () => {
    const log = await open()
    await fill(log, ['a', 'a', 'a'])
    const stale = await log.openCursor('acme', 'c', 'all')
    const holder = await log.openCursor('acme', 'c', 'all')
    const fenced = { code: 'VELA_EVENTS_FENCED' }
    await expect(stale.save({ position: 9, open: [] })).rejects.toMatchObject(fenced)
    await holder.save({ position: 1, open: [] })
    await holder.save({ position: 2, open: [] })
    await expect(stale.save({ position: 9, open: [] })).rejects.toMatchObject(fenced)
    expect((await log.cursors('acme'))[0]?.state.position).toBe(2)
    await log.dropCursor('acme', 'c')
    await expect(holder.save({ position: 3, open: [] })).rejects.toMatchObject(fenced)
    expect(await log.cursors('acme')).toEqual([])
  })

  test('trims what is below, gives no sequence twice, and says what there is', async () => {
    const log = await open()
    expect(await log.usage('acme')).toMatchObject({ events: 0, first: 1, last: 0 })
    await fill(
      log,
      Array.from({ length: 20 }, () => 'a'),
    )
    const before = await log.usage('acme')
    expect(before).toMatchObject({ events: 20, first: 1, last: 20 })
    await log.trim('acme', 11)
    const half = await log.usage('acme')
    expect(half).toMatchObject({ events: 10, first: 11, last: 20 })
    expect(half.bytes).toBeLessThan(before.bytes)
    expect(sequencesOf((await log.read('acme', 'a', 0, 100, MANY)).events)[0]).toBe(11)
    await log.trim('acme', 1_000)
    expect(await log.usage('acme')).toMatchObject({ events: 0, first: 21, last: 20 })
    expect(await log.read('acme', 'a', 0, 100, MANY)).toMatchObject({ events: [], last: 20, atEnd: true })
    expect((await log.append(eventOf('a'), false)).sequence).toBe(21)
  })

  test('refuses what is over the tenant’s quota, stores nothing of it, and goes on when there is room', async () => {
    const log = await open({ quotaBytes: 64 * 1024 })
    const big = (tenant = 'acme'): Promise<unknown> =>
      log.append(eventOf('a', 'x'.repeat(10_000), { tenant }), false)
    const outcomes = await Promise.allSettled(Array.from({ length: 20 }, () => big()))
    const stored = outcomes.filter(({ status }) => status === 'fulfilled').length
    expect(stored).toBeGreaterThan(3)
    expect(stored).toBeLessThan(7)
    for (const outcome of outcomes)
      if (outcome.status === 'rejected') expect(outcome.reason).toMatchObject({ code: 'VELA_EVENTS_FULL' })
    expect(await log.usage('acme')).toMatchObject({ events: stored, last: stored })
    await big('globex')
    await log.trim('acme', 3)
    await big()
  })
})
