/** What a host stored of actors while it was alone comes with it into the cluster. Real NATS. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { openActorStore, type ActorStore } from '../../host/concurrency/actors/store/store.ts'
import type { StateChange } from '../../host/concurrency/actors/types.ts'
import { placeOf } from '../../host/cluster/actors/address.ts'
import { createActorLog } from '../../host/cluster/actors/log.ts'
import { encodeRecord } from '../../host/cluster/actors/records.ts'
import { ask, cart, eventually } from '../actors/host-support.ts'
import { startNats, type NatsServer } from '../nats/server.ts'
import { meet, newPrefix, startNode, takenAt } from './actor-support.ts'

let server: NatsServer
beforeAll(async () => {
  server = await startNats()
}, 60_000)
afterAll(() => server.stop())

const store = async (own: ActorStore, name: string, change: Partial<StateChange>): Promise<void> => {
  const all = { version: 3, puts: [], deletes: [], deleteAll: false, alarmMs: undefined, ...change }
  await own.change(cart(name), null, all, Number.MAX_SAFE_INTEGER)
}

const large: readonly (readonly [string, string])[] = Array.from(
  { length: 30 },
  (_, n) => [`large${n}`, `"${'x'.repeat(100_000)}"`] as const,
)

test('state and dead letters of a host that was alone are there on every node, where the cluster had none', async () => {
  const prefix = newPrefix()
  const two = await startNode({ url: server.url, prefix })
  // The cluster has one of them, and another that a host left half-way.
  const log = createActorLog(two.nats)
  const snapshot = encodeRecord('snapshot', 0, { v: 1, p: [['n', '"cluster"']], a: null }, 4096)
  await log.append(placeOf(cart('both')), snapshot, { after: 0, bytes: 100 })
  const half = encodeRecord('snapshot', 0, { v: 1, p: [['n', 'x'.repeat(9000)]], a: null }, 4096)
  await log.append(placeOf(cart('half')), half.slice(0, 2), { after: 0, bytes: 0 })

  const own = await openActorStore({ dataDir: null })
  await store(own, 'ann', { puts: [['n', '1'], ...large] })
  await store(own, 'both', { puts: [['n', '"alone"']] })
  await store(own, 'half', { puts: [['n', '2']] })
  for (let n = 0; n < 600; n++) await store(own, `many${n}`, { puts: [['n', String(n)]] })
  const letter = { class: 'Cart', name: 'ann', method: 'm', reason: 'alone', at: 5, args: null }
  await own.addDead('acme', 'shop', letter)

  const one = await startNode({ url: server.url, prefix, own })
  await meet(one, two)
  await eventually(() => own.services()).toEqual([])
  const entriesOf = async (name: string): Promise<unknown> =>
    Object.fromEntries((await log.read(placeOf(cart(name)))).entries)
  expect(await entriesOf('ann')).toEqual({ n: '1', ...Object.fromEntries(large) })
  expect(await entriesOf('both')).toEqual({ n: '"cluster"' })
  expect(await entriesOf('half')).toEqual({ n: '2' })
  expect(await entriesOf('many599')).toEqual({ n: '599' })
  expect((await two.actors.status('acme', 'shop')).stored).toBe(603)
  expect((await two.actors.deadLetters('acme', 'shop', 10)).map(({ reason }) => reason)).toEqual(['alone'])

  const asked = ask(two, 'half')
  const taken = await takenAt(two)
  expect([taken.activation?.version, taken.activation?.entries]).toEqual([3, [['n', '2']]])
  taken.answer(null)
  await asked
}, 60_000)

test('an alarm of a host that was alone rings, though nobody asks for its actor', async () => {
  const prefix = newPrefix()
  const own = await openActorStore({ dataDir: null })
  const dueMs = Date.now() + 1500
  await store(own, 'rings', { puts: [['n', '3']], alarmMs: dueMs })
  const one = await startNode({ url: server.url, prefix, own })
  const two = await startNode({ url: server.url, prefix })
  await meet(one, two)
  await eventually(() => one.homes.length + two.homes.length).toBe(1)
  const rung = await takenAt(one.homes.length > 0 ? one : two)
  expect([rung.kind, rung.name, rung.activation?.entries]).toEqual(['alarm', 'rings', [['n', '3']]])
  expect(Date.now()).toBeGreaterThanOrEqual(dueMs)
  rung.answer(undefined)
}, 60_000)

test('an actor that is wanted before its turn has what it had', async () => {
  const prefix = newPrefix()
  const own = await openActorStore({ dataDir: null })
  for (let n = 0; n < 300; n++) await store(own, `many${n}`, { puts: [['n', String(n)]] })
  await store(own, 'last', { puts: [['n', '7']] })
  // The others take their time.
  const { page } = own
  const hold = Promise.withResolvers<void>()
  const slow: ActorStore = {
    ...own,
    page: async (...given) => {
      await hold.promise
      return await page(...given)
    },
  }
  const one = await startNode({ url: server.url, prefix, own: slow })
  await meet(one)
  const asked = ask(one, 'last')
  const taken = await takenAt(one)
  expect(taken.activation?.entries).toEqual([['n', '7']])
  taken.answer(null)
  await asked
  hold.resolve()
  await eventually(() => own.services()).toEqual([])
  expect((await one.actors.status('acme', 'shop')).stored).toBe(301)
}, 60_000)
