/** What stands in NATS of actors: changes of any size, snapshots, quota, dead letters, and nothing of those that keep nothing. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createActorLog } from '../../host/cluster/actors/log.ts'
import { placeOf } from '../../host/cluster/actors/address.ts'
import { createFold, encodeRecord } from '../../host/cluster/actors/records.ts'
import { ask, cart, change, codeOf, eventually, guestAt } from '../actors/host-support.ts'
import { startNats, type NatsServer } from '../nats/server.ts'
import { homeAt, startNodes, takenAt, type Node } from './actor-support.ts'

let server: NatsServer
beforeAll(async () => {
  server = await startNats()
}, 60_000)
afterAll(() => server.stop())

interface Guest {
  write(puts: Record<string, string>, more?: object): Promise<unknown>
  readonly call: ReturnType<typeof guestAt>
  readonly epoch: number
  answer(): Promise<void>
}

/** The actor is active at the node; its message is answered at the end. */
async function activate(node: Node, name: string, quotaMb: number | null = null): Promise<Guest> {
  const asked = ask(node, name)
  const taken = await takenAt(node)
  const call = guestAt(node, homeAt(node), { quotaMb })
  const epoch = taken.activation?.epoch ?? 0
  return {
    write: (puts, more) => call('write', name, epoch, change(puts, more)),
    call,
    epoch,
    async answer() {
      taken.answer(null)
      await asked
    },
  }
}

const stateAt = async (node: Node, name: string): Promise<Record<string, string>> => {
  const guest = await activate(node, name)
  const entries: [string, string][] = []
  let start: string | null = null
  for (;;) {
    const page = (await guest.call('list', name, guest.epoch, {
      start,
      end: null,
      prefix: '',
      limit: 1000,
      reverse: false,
    })) as [string, string][]
    entries.push(...page)
    if (page.length < 1000) break
    start = `${page.at(-1)?.[0]}\u0000`
  }
  await guest.answer()
  return Object.fromEntries(entries)
}

const messagesOf = async (node: Node, name: string): Promise<number> => {
  const manager = await node.nats.manager()
  const subject = `${node.nats.prefix}.a.${placeOf(cart(name))}`
  const { state } = await manager.streams.info(`${node.nats.prefix}-actors`, { subjects_filter: subject })
  return state.subjects?.[subject] ?? 0
}

test('changes larger than a message of NATS, deletions and long logs come back whole on another node', async () => {
  const [one, two] = (await startNodes(2, server.url)) as [Node, Node]
  const guest = await activate(one, 'ann')
  const large = Object.fromEntries(
    Array.from({ length: 20 }, (_, n) => [`large${n}`, `"${'é'.repeat(50_000)}"`]),
  )
  await guest.write(large)
  for (let n = 0; n < 150; n++)
    await guest.write({ n: String(n), [`k${n}`]: '"x"' }, n === 50 ? { deletes: ['k1', 'large3'] } : {})
  const expected: Record<string, string> = { ...large, n: '149' }
  for (let n = 0; n < 150; n++) expected[`k${n}`] = '"x"'
  delete expected['k1']
  delete expected['large3']
  await guest.answer()
  await one.crash()
  await eventually(() => two.member.isAlive(one.member.self)).toBe(false)
  expect(await stateAt(two, 'ann')).toEqual(expected)
}, 60_000)

test('a long log is replaced by a snapshot, and what is behind it still counts', async () => {
  const [one, two] = (await startNodes(2, server.url)) as [Node, Node]
  const guest = await activate(one, 'ann')
  for (let n = 0; n < 70; n++) await guest.write({ n: String(n), [`k${n % 5}`]: '"x"' })
  await eventually(() => messagesOf(one, 'ann')).toBeLessThan(10)
  await guest.write({ last: '1' })
  await guest.answer()
  await one.crash()
  await eventually(() => two.member.isAlive(one.member.self)).toBe(false)
  expect(await stateAt(two, 'ann')).toEqual({
    n: '69',
    k0: '"x"',
    k1: '"x"',
    k2: '"x"',
    k3: '"x"',
    k4: '"x"',
    last: '1',
  })
}, 60_000)

test('the quota is of the tenant over all nodes, and a refused write changes nothing', async () => {
  const [one, two] = (await startNodes(2, server.url)) as [Node, Node]
  const first = await activate(one, 'ann', 1)
  for (let n = 0; n < 6; n++) await first.write({ [`k${n}`]: `"${'x'.repeat(100_000)}"` })
  const second = await activate(two, 'ben', 1)
  for (let n = 0; n < 3; n++) await second.write({ [`k${n}`]: `"${'x'.repeat(100_000)}"` })
  expect(
    await codeOf(second.write({ more: `"${'x'.repeat(120_000)}"`, other: `"${'x'.repeat(120_000)}"` })),
  ).toBe('VELA_ACTOR_QUOTA_EXCEEDED')
  // It is as it was, and goes on.
  await second.write({ small: '1' })
  const status = await one.actors.status('acme', 'shop')
  expect(status.stored).toBe(2)
  expect(status.bytes).toBeGreaterThan(900_000)
  expect(status.bytes).toBeLessThan(1024 * 1024)
  await first.answer()
  await second.answer()
})

test('an actor that keeps nothing leaves nothing in NATS', async () => {
  const [one] = (await startNodes(1, server.url, { tidyEveryMs: 50 })) as [Node]
  const guest = await activate(one, 'ann')
  const kv = await one.nats.kv(`${one.nats.prefix}-owners`)
  expect(await kv.get(placeOf(cart('ann')))).not.toBeNull()
  expect(await messagesOf(one, 'ann')).toBe(1)
  await guest.answer()
  expect(one.actors.released(cart('ann'), one.homes[0] as never, guest.epoch)).toBe(true)
  await eventually(() => messagesOf(one, 'ann')).toBe(0)
  await eventually(async () => await kv.get(placeOf(cart('ann')))).toBeNull()
  // And it is there again when it is asked.
  const again = await activate(one, 'ann')
  await again.write({ n: '1' })
  await again.answer()
  expect(await messagesOf(one, 'ann')).toBe(2)
})

test('state that has not been in use for long makes room, and comes back', async () => {
  const [one] = (await startNodes(1, server.url, { tidyEveryMs: 50, spareBytes: 1 })) as [Node]
  const guest = await activate(one, 'ann')
  await guest.write({ n: '1' })
  await guest.answer()
  expect(one.actors.released(cart('ann'), one.homes[0] as never, guest.epoch)).toBe(true)
  const before = await messagesOf(one, 'ann')
  // Folded anew, it has an epoch record more.
  await eventually(async () => {
    const again = await activate(one, 'ann')
    await again.answer()
    one.actors.released(cart('ann'), one.homes[0] as never, again.epoch)
    return await messagesOf(one, 'ann')
  }).toBeGreaterThan(before)
  expect(await stateAt(one, 'ann')).toEqual({ n: '1' })
})

test('a dropped service leaves nothing in NATS, and dead letters are those of all nodes', async () => {
  const [one, two] = (await startNodes(2, server.url)) as [Node, Node]
  const guest = await activate(one, 'ann')
  await guest.write({ n: '1' }, { alarmMs: Date.now() + 600_000 })
  await guest.answer()
  await one.actors.addDead(cart('ann'), { method: 'm', reason: 'first', args: null })
  await two.actors.addDead(cart('ben'), { method: 'm', reason: 'second', args: '[1]' })
  const letters = await one.actors.deadLetters('acme', 'shop', 10)
  expect(letters.map(({ reason, name, args }) => [reason, name, args])).toEqual([
    ['second', 'ben', '[1]'],
    ['first', 'ann', null],
  ])
  expect((await two.actors.status('acme', 'shop')).deadLetters).toBe(2)
  await two.actors.drop('acme', 'shop')
  expect(await codeOf(guest.write({ n: '2' }))).toBe('VELA_ACTOR_FENCED')
  expect(await messagesOf(one, 'ann')).toBe(0)
  expect(await one.actors.status('acme', 'shop')).toMatchObject({ stored: 0, bytes: 0, deadLetters: 0 })
  const alarms = await one.nats.kv(`${one.nats.prefix}-alarms`)
  expect(await alarms.get(placeOf(cart('ann')))).toBeNull()
})

test('an append is refused behind anything but the last message, and a half record does not count', async () => {
  const [one] = (await startNodes(1, server.url)) as [Node]
  const log = createActorLog(one.nats)
  const place = placeOf(cart('raw'))
  const parts = (kind: 'epoch' | 'change', epoch: number, body: unknown): readonly Buffer[] =>
    encodeRecord(kind, epoch, body, 4096)
  const { last } = await log.append(place, parts('epoch', 5, {}), { after: 0, bytes: 0 })
  expect(await codeOf(log.append(place, parts('epoch', 6, {}), { after: 0, bytes: 0 }))).toBe(
    'VELA_ACTOR_FENCED',
  )
  const large = parts('change', 5, { v: 1, p: [['a', 'x'.repeat(9000)]], d: [] })
  expect(large.length).toBeGreaterThan(3)
  // The host ends after the second part.
  const half = await log.append(place, large.slice(0, 2), { after: last, bytes: 0 })
  expect(await codeOf(log.append(place, large, { after: last, bytes: 0 }))).toBe('VELA_ACTOR_FENCED')
  const next = await log.append(place, parts('epoch', 7, {}), { after: half.last, bytes: 0 })
  await log.append(place, parts('change', 7, { v: 1, p: [['b', '1']], d: [] }), {
    after: next.last,
    bytes: 200,
  })
  const folded = await log.read(place)
  expect([folded.epoch, [...folded.entries]]).toEqual([7, [['b', '1']]])
  expect(await log.usage('acme')).toEqual({ actors: 1, bytes: 200 })
})

test('a log that cannot be read is not served, rather than served wrongly', () => {
  const bad = [
    '',
    '{}',
    '{"k":"change"}\n{}',
    '{"k":"merge","e":1,"i":0,"n":1}\n{}',
    '{"k":"change","e":1,"i":0,"n":1}\n{"p":[["a",1]]}',
  ]
  for (const text of bad) expect(() => createFold().take(1, Buffer.from(text))).toThrow('newer Vela')
})
