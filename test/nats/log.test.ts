/** What the log on JetStream does beyond the suite that both logs pass: other programs, quotas, names. */
import { expect, test } from 'vitest'
import { event, logHosts, newTenant, readAll } from './log-hosts.ts'
import { become } from './open.ts'

const hosts = logHosts()

test('other programs read and write events as CloudEvents, and what is none is passed over', async () => {
  const { log, nats, told } = await hosts.host()
  const tenant = newTenant()
  await log.append(event(tenant, 'ours', { sku: 'x', at: 1 }), true)
  const stored = await (await nats.manager()).direct.getMessage(`vela_events_${tenant}`, { seq: 1 })
  expect(stored?.subject).toBe(`vela.d.${tenant}.orders.placed`)
  expect(stored?.json()).toMatchObject({
    specversion: '1.0',
    id: 'ours',
    type: 'orders.placed',
    source: '/acme/shop',
    time: '2023-11-14T22:13:20.000Z',
    data: { sku: 'x', at: 1 },
  })

  const js = nats.jetstream()
  const theirs = { specversion: '1.0', id: 'theirs', type: 'orders.placed', source: 'urn:x', data: [1, 2] }
  await js.publish(`vela.d.${tenant}.orders.placed`, 'this is no event')
  await js.publish(`vela.d.${tenant}.orders.placed`, new Uint8Array([0xff, 0xfe]))
  await js.publish(`vela.d.${tenant}.orders.other`, JSON.stringify(theirs))
  await js.publish(
    `vela.d.${tenant}.orders.placed`,
    JSON.stringify({ ...theirs, datacontenttype: 'application/vela+json', data: '$["damaged' }),
  )
  await js.publish(`vela.d.${tenant}.orders.placed`, JSON.stringify(theirs))
  const page = await log.read(tenant, 'orders.*', 0, 10, 1e6)
  expect(page.events.map(({ sequence, event: { id, data } }) => [sequence, id, data])).toEqual([
    [1, 'ours', { sku: 'x', at: 1 }],
    [6, 'theirs', [1, 2]],
  ])
  expect(page).toMatchObject({ last: 6, atEnd: true })
  expect(await log.readAt(tenant, [1, 2, 3, 6, 99], 1e6)).toMatchObject([{ sequence: 1 }, { sequence: 6 }])
  expect(told.lines.filter(({ event: what }) => what === 'stored message is no event')).not.toHaveLength(0)
})

test('a tenant over its quota is refused, keeps what it has, and leaves others alone', async () => {
  const { log } = await hosts.host({ quotaBytes: 40_000 })
  const tenant = newTenant()
  const acknowledged: string[] = []
  let refusal: unknown
  for (let index = 0; index < 100 && refusal === undefined; index++) {
    await log.append(event(tenant, `e${index}`, 'x'.repeat(1000)), true).then(
      () => acknowledged.push(`e${index}`),
      (error: unknown) => {
        refusal = error
      },
    )
  }
  expect(refusal).toMatchObject({ code: 'VELA_EVENTS_FULL' })
  expect(acknowledged.length).toBeGreaterThan(20)
  expect(await readAll(log, tenant)).toEqual(acknowledged)
  const other = newTenant()
  await log.append(event(other, 'fine', 'x'.repeat(1000)), true)
  // Room is made by what has been handled.
  await log.trim(tenant, 10)
  await log.append(event(tenant, 'again', 'x'.repeat(1000)), true)
  expect((await log.usage(tenant)).first).toBe(10)
})

test('a smaller quota refuses what is new and drops nothing that was acknowledged', async () => {
  const { log } = await hosts.host({ quotaBytes: 1_000_000 })
  const tenant = newTenant()
  const acknowledged = Array.from({ length: 40 }, (_, index) => `e${index}`)
  for (const id of acknowledged) await log.append(event(tenant, id, 'x'.repeat(1000)), true)
  const { log: strict, nats } = await hosts.host({ quotaBytes: 20_000, retentionMs: 3_600_000 })
  await strict.openCursor(tenant, 'host:x', 'all')
  expect(await readAll(strict, tenant)).toEqual(acknowledged)
  const config = async (): Promise<unknown> =>
    (await (await nats.manager()).streams.info(`vela_events_${tenant}`)).config
  expect(await config()).toMatchObject({ max_bytes: 1_000_000, max_age: 3_600_000 * 1e6 })
  // It holds when there is room to spare.
  await strict.trim(tenant, 39)
  await strict.openCursor(tenant, 'host:x', 'all')
  expect(await config()).toMatchObject({ max_bytes: 20_000 })
})

test('the outbox is bounded by tenant, and what waits too long is refused and never acknowledged', async () => {
  const { log, nats } = await hosts.host({ outbox: { deadlineMs: 300, tenantMessages: 2 } })
  const [tenant, other] = [newTenant(), newTenant()]
  await log.append(event(tenant, 'before'), true)
  await hosts.server.kill()
  await become(nats, 'lost')
  const late = [log.append(event(tenant, 'late1'), true), log.append(event(tenant, 'late2'), true)]
  const over = log.append(event(tenant, 'over'), true)
  const neighbour = log.append(event(other, 'neighbour'), true)
  const started = performance.now()
  await expect(over).rejects.toMatchObject({
    code: 'VELA_EVENTS_UNAVAILABLE',
    message: expect.stringContaining('Too much waits'),
  })
  for (const each of [...late, neighbour])
    await expect(each).rejects.toMatchObject({ code: 'VELA_EVENTS_UNAVAILABLE', message: /in time/ })
  expect(performance.now() - started).toBeLessThan(5000)
  expect(log.outbox).toMatchObject({ waiting: 0, waitingBytes: 0 })
  await hosts.server.restart()
  await nats.whenConnected(10_000)
  expect(await readAll(log, tenant)).toEqual(['before'])
})

test('a pattern that matches nothing moves on with the log, so that it holds no old events', async () => {
  const { log } = await hosts.host({ readers: { watchMs: 30, skipMs: 30 } })
  const tenant = newTenant()
  const woken: (() => void)[] = []
  const end = log.onAppended(tenant, () => woken.pop()?.())
  const nextWake = (): Promise<void> => new Promise((resolve) => woken.push(resolve))
  expect(await log.read(tenant, 'never.*', 0, 10, 1e6)).toEqual({ events: [], last: 0, atEnd: true })
  for (const id of ['a', 'b', 'c']) await log.append(event(tenant, id), true)
  let after = 0
  while (after < 3) {
    await nextWake()
    const page = await log.read(tenant, 'never.*', after, 10, 1e6)
    expect(page).toMatchObject({ events: [], atEnd: true })
    after = page.last
  }
  // And it misses nothing by that.
  const wake = nextWake()
  await log.append(event(tenant, 'd', 1, 'never.say'), true)
  await wake
  const page = await log.read(tenant, 'never.*', after, 10, 1e6)
  expect(page.events.map(({ event: { id } }) => id)).toEqual(['d'])
  end()
})

test('names of tenants and consumers never reach another tenant’s subjects', async () => {
  const { log } = await hosts.host()
  const tenant = newTenant()
  for (const bad of ['*', '>', 'a.b', 'a b', '', '$JS', 'x'.repeat(65)]) {
    await expect(log.append(event(bad, 'x'), true)).rejects.toMatchObject({ code: 'VELA_EVENT_INVALID' })
    await expect(log.openCursor(bad, 'host:x', 'all')).rejects.toMatchObject({ code: 'VELA_EVENT_INVALID' })
  }
  const odd = ['host:>', '*', 'a.b', 'ä ö', '__proto__', 'acme/shop/O/0']
  for (const consumer of odd)
    await (await log.openCursor(tenant, consumer, 'all')).save({ position: 0, open: [] })
  expect((await log.cursors(tenant)).map(({ consumer }) => consumer).toSorted()).toEqual(odd.toSorted())
  await log.dropCursor(tenant, '*')
  expect(await log.cursors(tenant)).toHaveLength(odd.length - 1)
})

test('dead letters of a tenant have the room of its quota, and the oldest go', async () => {
  const { log } = await hosts.host({ quotaBytes: 40_000 })
  const tenant = newTenant()
  for (let sequence = 1; sequence <= 60; sequence++) {
    const letter = { consumer: `host:${sequence % 3}`, sequence, attempts: 1, reason: 'Error: no', atMs: 5 }
    await log.addDead(tenant, { ...letter, replaying: false, event: event(tenant, 'x', 'x'.repeat(1000)) })
  }
  const kept = (await log.listDead(tenant, null, 100)).map(({ sequence }) => sequence)
  expect(kept.length).toBeGreaterThan(15)
  expect(kept.length).toBeLessThan(40)
  expect(kept).toEqual(Array.from({ length: kept.length }, (_, index) => 60 - index))
})
