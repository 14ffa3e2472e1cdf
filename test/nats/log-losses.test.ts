/** The log on JetStream when answers, connections, servers and disks are lost. */
import { cpSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { each, engineOn, QUICK } from '../events/logs.ts'
import { createCable } from './cable.ts'
import { event, eventually, logHosts, newTenant, readAll } from './log-hosts.ts'
import { become } from './open.ts'
import { startNats } from './server.ts'

const hosts = logHosts()

test('what is published while NATS is lost waits, and is stored in order and once when it is back', async () => {
  const { log, nats } = await hosts.host({ outbox: { deadlineMs: 30_000 } })
  const tenant = newTenant()
  await log.append(event(tenant, 'before'), true)
  await hosts.server.kill()
  await become(nats, 'lost')
  let settled = 0
  const waiting = ['a', 'b', 'c'].map((id) =>
    log.append(event(tenant, id), true).finally(() => {
      settled++
    }),
  )
  expect(log.outbox.waiting).toBe(3)
  await expect(log.read(tenant, '>', 1, 10, 1e6)).rejects.toMatchObject({ code: 'VELA_EVENTS_UNAVAILABLE' })
  await expect(log.usage(tenant)).rejects.toMatchObject({ code: 'VELA_EVENTS_UNAVAILABLE' })
  expect(settled).toBe(0)
  await hosts.server.restart()
  expect(await Promise.all(waiting)).toEqual([2, 3, 4].map((sequence) => ({ sequence, duplicate: false })))
  expect(await readAll(log, tenant)).toEqual(['before', 'a', 'b', 'c'])
  expect(log.outbox).toMatchObject({ waiting: 0, waitingBytes: 0 })
})

test('an event whose acknowledgement was lost on the way is sent again and stored once', async () => {
  const cable = await createCable(hosts.server.port)
  const { log, nats } = await hosts.host({ url: cable.url, patient: true, outbox: { deadlineMs: 30_000 } })
  const witness = await hosts.host()
  const tenant = newTenant()
  await log.append(event(tenant, 'before'), true)
  cable.loseAnswers()
  const unsure = [log.append(event(tenant, 'a'), true), log.append(event(tenant, 'b'), true)]
  await eventually(async () => (await witness.log.usage(tenant)).events === 3)
  cable.reset()
  await become(nats, 'lost')
  expect(await Promise.all(unsure)).toEqual([2, 3].map((sequence) => ({ sequence, duplicate: false })))
  expect((await witness.log.usage(tenant)).events).toBe(3)
  // A real one is told.
  expect(await log.append(event(tenant, 'a'), true)).toEqual({ sequence: 2, duplicate: true })
  await cable.close()
})

test('a cursor’s save whose answer was lost does not fence its own holder, and another holder does', async () => {
  const cable = await createCable(hosts.server.port)
  const { log, nats } = await hosts.host({ url: cable.url, patient: true })
  const witness = await hosts.host()
  const tenant = newTenant()
  const consumer = 'acme/shop/ORDERS/0'
  for (const id of ['a', 'b', 'c']) await log.append(event(tenant, id), true)
  const cursor = await log.openCursor(tenant, consumer, 'all')
  await cursor.save({ position: 1, open: [] })
  cable.loseAnswers()
  const unsure = cursor.save({ position: 2, open: [{ sequence: 1, attempts: 3, dueMs: 9 }] })
  await eventually(async () => (await witness.log.cursors(tenant))[0]?.state.position === 2)
  cable.reset()
  await expect(unsure).rejects.toMatchObject({ code: 'VELA_EVENTS_UNAVAILABLE' })
  await nats.whenConnected(10_000)
  await cursor.save({ position: 3, open: [] })
  expect(await witness.log.cursors(tenant)).toEqual([{ consumer, state: { position: 3, open: [] } }])

  const next = await witness.log.openCursor(tenant, consumer, 'all')
  await expect(cursor.save({ position: 4, open: [] })).rejects.toMatchObject({ code: 'VELA_EVENTS_FENCED' })
  await next.save({ position: 0, open: [] })
  await witness.log.dropCursor(tenant, consumer)
  await expect(next.save({ position: 4, open: [] })).rejects.toMatchObject({ code: 'VELA_EVENTS_FENCED' })
  await cable.close()
})

test('a reader goes on through a restart of the server, and sees every event once and in order', async () => {
  const { log, nats } = await hosts.host()
  const tenant = newTenant()
  const seen: string[] = []
  let after = 0
  let isReading = false
  let again = false
  const pump = async (): Promise<void> => {
    again = true
    if (isReading) return
    isReading = true
    while (again) {
      again = false
      const page = await log.read(tenant, 'orders.*', after, 5, 1e6).catch(() => undefined)
      seen.push(...(page?.events ?? []).map(({ event: { id } }) => id))
      after = page?.last ?? after
      if (page?.atEnd === false) again = true
    }
    isReading = false
  }
  const end = log.onAppended(tenant, () => void pump())
  await pump()
  const ids = Array.from({ length: 40 }, (_, index) => `e${index}`)
  await Promise.all(ids.slice(0, 20).map((id) => log.append(event(tenant, id), true)))
  await eventually(() => seen.length === 20)
  await hosts.server.restart()
  await become(nats, 'connected')
  await Promise.all(ids.slice(20).map((id) => log.append(event(tenant, id), true)))
  await eventually(() => seen.length >= 40)
  expect(seen).toEqual(ids)
  end()
})

test('a log that has lost its end, or is another one, sends its consumers back to where it is', async () => {
  const { log, nats } = await hosts.host()
  const tenant = newTenant()
  const cursor = await log.openCursor(tenant, 'host:x', 'all')
  for (const id of ['a', 'b', 'c']) await log.append(event(tenant, id), true)
  await cursor.save({ position: 3, open: [{ sequence: 1, attempts: 1, dueMs: 0 }] })
  expect((await log.openCursor(tenant, 'host:x', 'all')).state.position).toBe(3)
  const manager = await nats.manager()
  await manager.streams.delete(`vela_events_${tenant}`)
  await log.append(event(tenant, 'new'), true)
  const fresh = await log.openCursor(tenant, 'host:x', 'all')
  expect(fresh.state).toEqual({ position: 0, open: [] })
  expect(await readAll(log, tenant)).toEqual(['new'])
})

test('a reader that finds the log shorter than what it has read makes its consumers open their cursors again', async () => {
  const { log, nats, told } = await hosts.host({ readers: { watchMs: 30 } })
  const tenant = newTenant()
  const cursor = await log.openCursor(tenant, 'host:x', 'all')
  for (const id of ['a', 'b', 'c']) await log.append(event(tenant, id), true)
  const end = log.onAppended(tenant, () => undefined)
  expect(await log.read(tenant, '>', 0, 10, 1e6)).toMatchObject({ last: 3 })
  await (await nats.manager()).streams.delete(`vela_events_${tenant}`)
  await log.append(event(tenant, 'new'), true)
  await eventually(() => told.lines.some(({ event: what }) => what.startsWith('events log has lost its end')))
  await expect(cursor.save({ position: 3, open: [] })).rejects.toMatchObject({ code: 'VELA_EVENTS_FENCED' })
  expect(await readAll(log, tenant)).toEqual(['new'])
  end()
})

test('a server that has lost its disk is taken as a new one', async () => {
  const own = await startNats()
  const { log, nats } = await hosts.host({ url: own.url })
  const tenant = newTenant()
  await log.openCursor(tenant, 'host:x', 'all')
  await log.append(event(tenant, 'gone'), true)
  await own.kill()
  await become(nats, 'lost')
  own.loseDisk()
  await own.restart()
  await nats.whenConnected(10_000)
  await log.append(event(tenant, 'new'), true)
  const cursor = await log.openCursor(tenant, 'host:x', 'all')
  expect(cursor.state).toEqual({ position: 0, open: [] })
  expect(await readAll(log, tenant)).toEqual(['new'])
  await cursor.save({ position: 1, open: [] })
  await own.stop()
})

test('a consumer that has nothing to do gets what comes after its log was replaced, in order and once', async () => {
  const { log, nats } = await hosts.host({ readers: { watchMs: 30 } })
  const tenant = newTenant()
  const engine = engineOn(log)
  const got: string[] = []
  const handler = each((delivery) => got.push(delivery.event.id))
  engine.subscribe(tenant, '>', handler, { ...QUICK, name: 'host:idle' })
  const never = engine.subscribe(tenant, 'never', handler, { ...QUICK, name: 'host:never' })
  for (const id of ['a', 'b', 'c']) await engine.publish(event(tenant, id))
  await eventually(async () => {
    const cursors = await log.cursors(tenant)
    return cursors.some(({ consumer, state }) => consumer === 'host:idle' && state.position === 3)
  })
  await never.ready
  await (await nats.manager()).streams.delete(`vela_events_${tenant}`)
  const after = ['d', 'e', 'f', 'g', 'h']
  for (const id of after) await engine.publish(event(tenant, id))
  await eventually(() => got.length >= 8)
  expect(got).toEqual(['a', 'b', 'c', ...after])
  await engine.close()
})

test('a consumer that hears late of a log in place of its own gets all of it, though it is as long', async () => {
  const cable = await createCable(hosts.server.port)
  const { log, nats } = await hosts.host({ url: cable.url, patient: true, readers: { watchMs: 30 } })
  const witness = await hosts.host()
  const tenant = newTenant()
  const engine = engineOn(log)
  const got: string[] = []
  const handler = each((delivery) => got.push(delivery.event.id))
  engine.subscribe(tenant, '>', handler, { ...QUICK, name: 'host:late' })
  for (const id of ['a', 'b', 'c']) await engine.publish(event(tenant, id))
  await eventually(async () => (await log.cursors(tenant))[0]?.state.position === 3)
  cable.loseAnswers()
  await (await witness.nats.manager()).streams.delete(`vela_events_${tenant}`)
  const after = ['d', 'e', 'f', 'g', 'h']
  for (const id of after) await witness.log.append(event(tenant, id), true)
  cable.reset()
  await become(nats, 'lost')
  await eventually(() => got.length >= 8)
  expect(got).toEqual(['a', 'b', 'c', ...after])
  await engine.close()
  await cable.close()
})

test('a consumer goes on in a log that has lost its end, whoever appended first', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'vela-nats-end-'))
  const own = await startNats({ dir: join(dir, 'now') })
  const { log, nats } = await hosts.host({ url: own.url, outbox: { deadlineMs: 30_000 } })
  const tenant = newTenant()
  // Holds everything, so that the log keeps what it has.
  await log.openCursor(tenant, 'host:holder', 'all')
  const engine = engineOn(log)
  const got: string[] = []
  const handler = each((delivery) => got.push(delivery.event.id))
  engine.subscribe(tenant, '>', handler, { ...QUICK, name: 'host:idle' })
  await engine.publish(event(tenant, 'a'))
  await eventually(() => got.length === 1)
  const stop = async (): Promise<void> => {
    await own.kill()
    await become(nats, 'lost')
  }
  await stop()
  cpSync(join(dir, 'now'), join(dir, 'before'), { recursive: true })
  await own.restart()
  await nats.whenConnected(10_000)
  for (const id of ['lost1', 'lost2', 'lost3']) await engine.publish(event(tenant, id))
  await eventually(async () => got.length === 4)
  await stop()
  own.loseDisk()
  cpSync(join(dir, 'before'), join(dir, 'now'), { recursive: true })
  const after = ['b', 'c', 'd', 'e', 'f']
  const published = after.map((id) => engine.publish(event(tenant, id)))
  await own.restart()
  await Promise.all(published)
  await eventually(() => after.every((id) => got.includes(id)))
  expect(got.filter((id) => after.includes(id))).toEqual(after)
  await engine.close()
  await own.stop()
  rmSync(dir, { recursive: true, force: true })
})

test('where a consumer stood in a log that was replaced, or what cannot be read, holds all that is there', async () => {
  const { log, nats } = await hosts.host()
  const tenant = newTenant()
  await (await log.openCursor(tenant, 'host:x', 'all')).save({ position: 0, open: [] })
  for (const id of ['a', 'b', 'c']) await log.append(event(tenant, id), true)
  await (await log.openCursor(tenant, 'host:x', 'new')).save({ position: 3, open: [] })
  await (await nats.manager()).streams.delete(`vela_events_${tenant}`)
  for (const id of ['d', 'e']) await log.append(event(tenant, id), true)
  expect(await log.cursors(tenant)).toEqual([{ consumer: 'host:x', state: { position: 0, open: [] } }])
  for (const damaged of ['{', '{"v":2}', '[]']) {
    await (await nats.kv('vela-cursors')).put(`${tenant}.host=3Ax`, damaged)
    expect(await log.cursors(tenant)).toEqual([{ consumer: 'host:x', state: { position: 0, open: [] } }])
  }
  const cursor = await log.openCursor(tenant, 'host:x', 'new')
  expect(cursor.state).toEqual({ position: 0, open: [] })
  await cursor.save({ position: 1, open: [] })
})
