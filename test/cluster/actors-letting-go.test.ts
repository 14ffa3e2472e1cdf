/** How nodes let go of actors: in order, with what is still written; by losing the lease; and of those that keep nothing. Real NATS. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { placeOf } from '../../host/cluster/actors/address.ts'
import { createActorLog } from '../../host/cluster/actors/log.ts'
import { createOwners } from '../../host/cluster/actors/owners.ts'
import { encodeRecord } from '../../host/cluster/actors/records.ts'
import { ask, cart, change, codeOf, eventually, guestAt, type Taken } from '../actors/host-support.ts'
import { startNats, type NatsServer } from '../nats/server.ts'
import { homeAt, meet, newPrefix, startNode, takenAt, type Node } from './actor-support.ts'
import { createCable } from './cable.ts'

let server: NatsServer
beforeAll(async () => {
  server = await startNats()
}, 60_000)
afterAll(() => server.stop())

const writerAt = (node: Node, { name, activation }: Taken) => {
  const guest = guestAt(node, homeAt(node))
  return (puts: Record<string, string>): Promise<unknown> =>
    guest('write', name, activation?.epoch ?? 0, change(puts))
}

const HOST_SENDER = {
  caller: undefined,
  requestId: '',
  depth: 0,
  deadlineMs: Infinity,
  signal: undefined,
}

test('what an actor writes while its node stops in an orderly way is stored, and is there on the next node', async () => {
  const prefix = newPrefix()
  const one = await startNode({ url: server.url, prefix })
  const two = await startNode({ url: server.url, prefix })
  await meet(one, two)
  const asked = ask(one, 'ann')
  const taken = await takenAt(one)
  const write = writerAt(one, taken)
  await write({ n: '1' })
  taken.answer(null)
  await asked
  await one.member.drain()
  await eventually(() => two.member.nodes().find(({ id }) => id === one.member.self)?.state).toBe('draining')
  const stopping = one.actors.stop(5000)
  const told = await takenAt(one)
  expect(told.handler).toBe(7)
  // Its mailbox is emptied, and onPassivate runs.
  await write({ n: '2' })
  told.answer(undefined)
  await stopping
  const again = ask(two, 'ann')
  const moved = await takenAt(two)
  expect(moved.activation?.entries).toEqual([['n', '2']])
  moved.answer(null)
  await again
})

test('an answer that comes after the lease was lost does not leave the host', async () => {
  const prefix = newPrefix()
  const cable = await createCable(server.port)
  const one = await startNode({ url: cable.url, prefix })
  await meet(one)
  const asked = codeOf(ask(one, 'ann'))
  const taken = await takenAt(one)
  cable.cut()
  await eventually(() => one.member.holdsLease).toBe(false)
  taken.answer('stale')
  expect(await asked).toBe('VELA_NODE_LOST')
  cable.mend()
})

test('actors that were asked for and never lived leave no owners behind', async () => {
  const prefix = newPrefix()
  const one = await startNode({ url: server.url, prefix, tidyEveryMs: 50 })
  await meet(one)
  const asked = Array.from({ length: 50 }, async (_, n) => {
    expect(await one.actors.depth(cart(`depth${n}`), HOST_SENDER)).toBe(0)
    const unknown = { ...cart(`unknown${n}`), class: 'Nothing' }
    expect(await codeOf(one.actors.depth(unknown, HOST_SENDER))).toBe('ok')
    const letter = { kind: 'ask', method: 'm', argsText: '[]' } as const
    expect(await codeOf(one.actors.send(unknown, letter, HOST_SENDER))).toBe('VELA_ACTOR_NOT_FOUND')
  })
  await Promise.all(asked)
  await eventually(() => one.actors.owned).toBe(0)
  const manager = await one.nats.manager()
  const keys = async (): Promise<number> => (await manager.streams.info(`KV_${prefix}-owners`)).state.messages
  await eventually(keys).toBe(0)
})

test('a node that gives an actor up late takes nothing of what another has written since', async () => {
  const prefix = newPrefix()
  const one = await startNode({ url: server.url, prefix, tidyEveryMs: 100 })
  await meet(one)
  const asked = ask(one, 'ann')
  const taken = await takenAt(one)
  taken.answer(null)
  await asked
  // As if this node had been stopped for long: another has taken the actor over and written.
  const log = createActorLog(one.nats)
  const place = placeOf(cart('ann'))
  const manager = await one.nats.manager()
  const stream = `${prefix}-actors`
  const subject = `${prefix}.a.${place}`
  const { seq } = (await manager.streams.getMessage(stream, { last_by_subj: subject })) ?? { seq: 0 }
  const [part] = encodeRecord('epoch', 1_000_000, {}, 4096)
  const { last } = await log.append(place, [part as Buffer], { after: seq, bytes: 0 })
  const [put] = encodeRecord('change', 1_000_000, { v: 1, p: [['n', '7']], d: [] }, 4096)
  await log.append(place, [put as Buffer], { after: last, bytes: 200 })
  expect(one.actors.released(cart('ann'), one.homes[0] as never, taken.activation?.epoch ?? 0)).toBe(true)
  await eventually(() => one.actors.owned).toBe(0)
  const owners = await one.nats.kv(`${prefix}-owners`)
  await eventually(async () => await owners.get(place)).toBeNull()
  expect([...(await log.read(place)).entries]).toEqual([['n', '7']])
})

test('who takes an actor for a node without its lease is a guess, and not remembered', async () => {
  const prefix = newPrefix()
  const { nats } = await startNode({ url: server.url, prefix })
  let holdsLease = true
  const membership = {
    self: 'x-1',
    get holdsLease() {
      return holdsLease
    },
    isAlive: () => true,
    assignedTo: () => 'y-2',
  }
  const owners = createOwners({ nats, membership, isDraining: () => false })
  const find = (): Promise<string> =>
    new Promise((resolve, reject) =>
      owners.find(cart('ann'), {
        found: ({ state, node }) => resolve(`${state} ${node}`),
        refused: reject,
      }),
    )
  expect(await find()).toBe('self x-1')
  holdsLease = false
  owners.forgetMine()
  expect(await find()).toBe('other y-2')
  holdsLease = true
  expect(await find()).toBe('self x-1')
})

test('the first writes of a tenant keep their order, though its quota is counted before them', async () => {
  const prefix = newPrefix()
  const one = await startNode({ url: server.url, prefix })
  await meet(one)
  const asked = ask(one, 'ann')
  const taken = await takenAt(one)
  const write = writerAt(one, taken)
  await Promise.all(Array.from({ length: 5 }, (_, n) => write({ n: String(n) })))
  taken.answer(null)
  await asked
  expect([...(await createActorLog(one.nats).read(placeOf(cart('ann')))).entries]).toEqual([['n', '4']])
})
