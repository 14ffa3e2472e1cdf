/** What was acknowledged of an actor's state is there after the host was killed, each change whole; alarms ring after it all the same. */
import { spawn, type ChildProcess } from 'node:child_process'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { expect, onTestFinished, test } from 'vitest'
import { openActorStore } from '../../host/concurrency/actors/store/store.ts'
import { makeDataDir } from '../data-dir.ts'
import { ask, cart, change, codeOf, guestAt, makeHome, makeStage, eventually } from './host-support.ts'

const BACKOFF_MS = 5

function startWriter(dataDir: string, actors: number, from: number): ChildProcess {
  const path = fileURLToPath(new URL('./fixtures/writer.ts', import.meta.url))
  const child = spawn(process.execPath, [path, dataDir, String(actors), String(from)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  onTestFinished(() => void child.kill('SIGKILL'))
  return child
}

test('a host that is killed with writes in flight has every acknowledged one, and no half of any', async () => {
  const dataDir = await makeDataDir()
  const acknowledged = new Map<string, number>()
  for (const from of [0, 1_000_000]) {
    const writer = startWriter(dataDir, 16, from)
    let lines = 0
    for await (const line of createInterface({ input: writer.stdout! })) {
      const [name = '', number] = line.split(' ')
      if (number !== undefined) acknowledged.set(name, Number(number))
      // What comes after the kill was acknowledged before it, too.
      if (++lines === 1000) writer.kill('SIGKILL')
    }
    const store = await openActorStore({ dataDir })
    expect(acknowledged.size).toBe(16)
    for (const [name, number] of acknowledged) {
      const { row, alarmMs, complete } = await store.load(cart(name))
      const [[, last] = []] = (await store.read('acme', row ?? 0, ['last'])).entries
      expect(Number(last)).toBeGreaterThanOrEqual(number)
      // The change was one: its entries and its alarm are of the same number, and the one after it left nothing.
      expect(alarmMs).toBe(Number(last))
      const beside = await store.read('acme', row ?? 0, [`n${last}`, `n${Number(last) + 1}`])
      expect(beside.entries).toEqual([[`n${last}`, '1']])
      expect(complete).toBeTypeOf('boolean')
    }
    await store.close()
  }
})

test('state survives a restart, and a second host on the same data is refused', async () => {
  const dataDir = await makeDataDir()
  const store = await openActorStore({ dataDir })
  const row = await store.change(
    cart('ann'),
    null,
    { version: 3, puts: [['a', '1']], deletes: [], deleteAll: false, alarmMs: 99 },
    1e6,
  )
  expect(await codeOf(openActorStore({ dataDir }))).toBe('VELA_STORE_LOCKED')
  await store.close()
  const again = await openActorStore({ dataDir })
  onTestFinished(() => again.close())
  expect(await again.load(cart('ann'))).toEqual({
    row,
    version: 3,
    entries: [['a', '1']],
    complete: true,
    alarmMs: 99,
  })
})

test('an alarm rings when it is due, once, and is gone when its handler went well', async () => {
  const stage = await makeStage()
  const home = makeHome()
  stage.homes.push(home)
  const guest = guestAt(stage, home)
  const sent = (await guest('ask', 'ann', 'get', '[]', {})) as unknown as { here: { epoch: number } }
  stage.actors.start()
  const dueMs = Date.now() + 30
  await guest('write', 'ann', sent.here.epoch, change({ a: '1' }, { alarmMs: dueMs }))
  const rung = await home.next()
  expect(Date.now()).toBeGreaterThanOrEqual(dueMs)
  expect(rung).toMatchObject({
    kind: 'alarm',
    name: 'ann',
    args: [{ retryCount: 0, scheduledTime: dueMs }],
  })
  rung.answer(undefined)
  await eventually(async () => (await stage.store.load(cart('ann'))).alarmMs).toBeNull()
  expect(home.inbox).toEqual([])
})

test('an alarm that was set again while it rang is kept', async () => {
  const stage = await makeStage()
  const home = makeHome()
  stage.homes.push(home)
  const guest = guestAt(stage, home)
  const sent = (await guest('ask', 'ann', 'get', '[]', {})) as unknown as { here: { epoch: number } }
  stage.actors.start()
  const { epoch } = sent.here
  const dueMs = Date.now()
  await guest('write', 'ann', epoch, change({}, { alarmMs: dueMs }))
  const first = await home.next()
  // To the very same time: it is another alarm.
  await guest('write', 'ann', epoch, change({}, { alarmMs: dueMs }))
  first.answer(undefined)
  const second = await home.next()
  expect(second.kind).toBe('alarm')
  second.answer(undefined)
  await eventually(async () => (await stage.store.usage('acme')).actors).toBe(0)
})

test('an alarm that throws is tried seven times in all and is a dead letter then', async () => {
  const stage = await makeStage({ alarmBackoffMs: BACKOFF_MS })
  const home = makeHome()
  stage.homes.push(home)
  const guest = guestAt(stage, home)
  const sent = (await guest('ask', 'ann', 'get', '[]', {})) as unknown as { here: { epoch: number } }
  stage.actors.start()
  await guest('write', 'ann', sent.here.epoch, change({ a: '1' }, { alarmMs: 1 }))
  const counts: unknown[] = []
  const times: number[] = []
  for (let tries = 0; tries < 7; tries++) {
    const { args, call } = await home.next()
    times.push(performance.now())
    counts.push((args as [{ retryCount: number }])[0].retryCount)
    call.threw({ name: 'RangeError', message: 'no' })
  }
  expect(counts).toEqual([0, 1, 2, 3, 4, 5, 6])
  const waits = times.slice(1).map((time, index) => time - (times[index] ?? 0))
  for (const [index, wait] of waits.entries()) expect(wait).toBeGreaterThan(BACKOFF_MS * 2 ** index - 2)
  await eventually(async () => (await stage.actors.status('acme', 'shop')).deadLetters).toBe(1)
  expect(await stage.actors.deadLetters('acme', 'shop', 10)).toMatchObject([
    { class: 'Cart', name: 'ann', method: 'alarm', reason: 'RangeError: no' },
  ])
  expect((await stage.store.load(cart('ann'))).alarmMs).toBeNull()
})

test('an alarm that was under way when the host ended rings again after the restart', async () => {
  const dataDir = await makeDataDir()
  const store = await openActorStore({ dataDir })
  const row = await store.change(
    cart('ann'),
    null,
    { version: 1, puts: [['a', '1']], deletes: [], deleteAll: false, alarmMs: 1 },
    1e6,
  )
  const { alarms } = await store.claimAlarms(Date.now(), 10, [])
  expect(alarms).toMatchObject([{ row, dueMs: 1, retries: 0 }])
  // Claimed: nobody else is given it.
  expect((await store.claimAlarms(Date.now(), 10, [])).alarms).toEqual([])
  await store.close()
  const stage = await makeStage({ dataDir })
  stage.actors.start()
  await eventually(() => stage.homes.length).toBe(1)
  const rung = await stage.homes[0]!.next()
  expect(rung).toMatchObject({ kind: 'alarm', name: 'ann' })
  expect(rung.activation?.entries).toEqual([['a', '1']])
  rung.answer(undefined)
  await eventually(async () => (await stage.store.load(cart('ann'))).alarmMs).toBeNull()
})

test('a service with very many alarms at once does not keep another’s from ringing', async () => {
  const stage = await makeStage()
  const home = makeHome()
  stage.homes.push(home)
  const due = (name: string, atMs: number): Promise<unknown> =>
    stage.store.change(
      cart(name),
      null,
      { version: 1, puts: [], deletes: [], deleteAll: false, alarmMs: atMs },
      1e9,
    )
  await Promise.all(Array.from({ length: 300 }, (_, index) => due(`many${index}`, 1)))
  await stage.store.change(
    { ...cart('quiet'), service: 'other' },
    null,
    { version: 1, puts: [], deletes: [], deleteAll: false, alarmMs: 2 },
    1e9,
  )
  const busy = await stage.store.claimAlarms(Date.now(), 64, [])
  const [{ service } = { service: 0 }] = busy.alarms
  const next = await stage.store.claimAlarms(Date.now(), 64, [service])
  expect(next.alarms).toMatchObject([{ address: { service: 'other', name: 'quiet' } }])
  for (const alarm of busy.alarms) await stage.store.retryAlarm(alarm, 1, 0)
  stage.actors.start()
  // No more than its share is under way, and that moves on.
  await eventually(() => home.inbox.length).toBe(32)
  for (let rung = 0; rung < 300; rung++) {
    expect(home.inbox.length).toBeLessThanOrEqual(32)
    ;(await home.next()).answer(undefined)
  }
  await eventually(async () => (await stage.store.usage('acme', 'shop')).actors).toBe(0)
})

test('state outlives its replica, and the service’s versions with it', async () => {
  const stage = await makeStage()
  const home = makeHome()
  stage.homes.push(home)
  const guest = guestAt(stage, home)
  const sent = (await guest('ask', 'ann', 'get', '[]', {})) as unknown as { here: { epoch: number } }
  await guest('write', 'ann', sent.here.epoch, change({ a: '1' }, { version: 1 }))
  home.kill()
  const next = makeHome()
  stage.homes.push(next)
  const asked = ask(stage, 'ann')
  const taken = await next.next()
  expect(taken.activation).toMatchObject({ version: 1, entries: [['a', '1']] })
  taken.answer(1)
  await asked
})
