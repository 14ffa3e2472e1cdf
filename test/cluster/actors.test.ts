/** Actors over several nodes: where they live, what is durable, who is fenced. Real NATS; the guests are the test. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { ask, change, codeOf, eventually, guestAt } from '../actors/host-support.ts'
import { startNats, type NatsServer } from '../nats/server.ts'
import { homeAt, meet, newPrefix, startNode, startNodes, type Node } from './actor-support.ts'
import { createCable } from './cable.ts'

let server: NatsServer
beforeAll(async () => {
  server = await startNats()
}, 60_000)
afterAll(() => server.stop())

test('an actor is where it was first asked, and answers asks from every node there', async () => {
  const [one, two] = (await startNodes(2, server.url)) as [Node, Node]
  const asked = ask(one, 'ann', 'total', [1])
  await eventually(() => one.homes.length).toBe(1)
  const taken = await homeAt(one).next()
  expect([taken.name, taken.method, taken.args, taken.activation?.entries]).toEqual(['ann', 'total', [1], []])
  taken.answer('here')
  expect(await asked).toBe('here')

  const other = ask(two, 'ann', 'total', [2])
  const second = await homeAt(one).next()
  expect([second.name, second.method, second.args, second.activation]).toEqual(['ann', 'total', [2], null])
  second.answer({ from: 'one' })
  expect(await other).toEqual({ from: 'one' })
  expect(two.homes).toEqual([])
})

test('messages from another node keep their order, large ones between small ones', async () => {
  const [one, two] = (await startNodes(2, server.url)) as [Node, Node]
  const started = ask(one, 'ann')
  await eventually(() => one.homes.length).toBe(1)
  ;(await homeAt(one).next()).answer(0)
  await started
  const large = 'x'.repeat(2_500_000)
  const asked = [ask(two, 'ann', 'm', ['a']), ask(two, 'ann', 'm', [large]), ask(two, 'ann', 'm', ['b'])]
  for (const expected of ['a', large, 'b']) {
    const taken = await homeAt(one).next()
    expect((taken.args as string[])[0] === expected).toBe(true)
    taken.answer((taken.args as string[])[0])
  }
  expect((await Promise.all(asked)).map((value) => String(value).length)).toEqual([1, large.length, 1])
})

test('when a node dies another takes its actors over, with all that was stored', async () => {
  const [one, two] = (await startNodes(2, server.url)) as [Node, Node]
  const asked = ask(one, 'ann')
  await eventually(() => one.homes.length).toBe(1)
  const taken = await homeAt(one).next()
  const guest = guestAt(one, homeAt(one))
  const epoch = taken.activation?.epoch ?? 0
  await guest('write', 'ann', epoch, change({ tea: '2', milk: '1' }))
  await guest('write', 'ann', epoch, change({ tea: '3' }, { deletes: ['milk'] }))
  taken.answer(null)
  await asked
  expect((await one.actors.status('acme', 'shop')).stored).toBe(1)

  await one.crash()
  const untaken = await codeOf(ask(two, 'ann', 'get', [], { deadlineMs: Date.now() + 500 }))
  expect(['VELA_NODE_LOST', 'VELA_ACTOR_DEADLINE']).toContain(untaken)
  await eventually(() => two.member.isAlive(one.member.self)).toBe(false)
  const again = ask(two, 'ann')
  await eventually(() => two.homes.length).toBe(1)
  const moved = await homeAt(two).next()
  expect(moved.activation).toMatchObject({
    version: 1,
    entries: [['tea', '3']],
    complete: true,
    alarmMs: null,
  })
  moved.answer('moved')
  expect(await again).toBe('moved')
})

test('a node that is cut off ends its activations, and what it still writes is refused', async () => {
  const prefix = newPrefix()
  const cable = await createCable(server.port)
  const one = await startNode({ url: cable.url, prefix })
  const two = await startNode({ url: server.url, prefix })
  await meet(one, two)
  const asked = ask(one, 'ann')
  await eventually(() => one.homes.length).toBe(1)
  const taken = await homeAt(one).next()
  const guest = guestAt(one, homeAt(one))
  const epoch = taken.activation?.epoch ?? 0
  await guest('write', 'ann', epoch, change({ n: '1' }))
  taken.answer(null)
  await asked

  cable.cut()
  await eventually(() => one.member.holdsLease).toBe(false)
  // The guest is told to let it go, and hears nothing more.
  const told = await homeAt(one).next()
  expect(told.handler).toBe(7)
  told.answer(undefined)
  expect(await codeOf(guest('write', 'ann', epoch, change({ n: 'stale' })))).toBe('VELA_ACTOR_FENCED')
  expect(await codeOf(ask(one, 'ann'))).toBe('VELA_CLUSTER_UNAVAILABLE')

  await eventually(() => two.member.isAlive(one.member.self)).toBe(false)
  const again = ask(two, 'ann')
  await eventually(() => two.homes.length).toBe(1)
  const moved = await homeAt(two).next()
  expect(moved.activation?.entries).toEqual([['n', '1']])
  moved.answer(null)
  await again

  cable.mend()
  await eventually(() => one.member.holdsLease && one.member.isAlive(two.member.self)).toBe(true)
  const back = ask(one, 'ann', 'where')
  const there = await homeAt(two).next()
  expect(there.method).toBe('where')
  there.answer('two')
  expect(await back).toBe('two')
  await cable.close()
})

test('a store that still thinks it owns an actor is refused by the log alone', async () => {
  const [one, two] = (await startNodes(2, server.url)) as [Node, Node]
  const asked = ask(one, 'ann')
  await eventually(() => one.homes.length).toBe(1)
  const taken = await homeAt(one).next()
  const guest = guestAt(one, homeAt(one))
  const epoch = taken.activation?.epoch ?? 0
  await guest('write', 'ann', epoch, change({ n: '1' }))
  // Another node writes the log as if it had taken the actor over, and the first has not heard of it.
  const manager = await two.nats.manager()
  const last = await manager.streams.getMessage(`${two.nats.prefix}-actors`, {
    last_by_subj: `${two.nats.prefix}.a.>`,
  })
  const parts = Buffer.from(JSON.stringify({ k: 'epoch', e: 1_000_000, i: 0, n: 1 }) + '\n{}')
  await two.nats.jetstream().publish(last?.subject ?? '', parts)
  expect(await codeOf(guest('write', 'ann', epoch, change({ n: '2' })))).toBe('VELA_ACTOR_FENCED')
  expect(await codeOf(guest('write', 'ann', epoch, change({ n: '3' })))).toBe('VELA_ACTOR_FENCED')
  taken.answer(null)
  await asked
})

test('a node that stops hands its actors over: nobody waits for it to be lost', async () => {
  const [one, two] = (await startNodes(2, server.url)) as [Node, Node]
  const asked = ask(one, 'ann')
  await eventually(() => one.homes.length).toBe(1)
  const taken = await homeAt(one).next()
  await guestAt(one, homeAt(one))('write', 'ann', taken.activation?.epoch ?? 0, change({ n: '1' }))
  taken.answer(null)
  await asked
  await one.member.drain()
  await eventually(() => two.member.nodes().find(({ id }) => id === one.member.self)?.state).toBe('draining')
  const stopping = one.actors.stop(5000)
  const told = await homeAt(one).next()
  expect(told.handler).toBe(7)
  // Asked while it leaves: it waits, and finds the other node.
  const meanwhile = ask(one, 'ann', 'meanwhile')
  told.answer(undefined)
  await stopping
  await eventually(() => two.homes.length).toBe(1)
  const moved = await homeAt(two).next()
  expect([moved.method, moved.activation?.entries]).toEqual(['meanwhile', [['n', '1']]])
  moved.answer('two')
  expect(await meanwhile).toBe('two')
})

test('an alarm of an actor whose node died rings on another', async () => {
  const [one, two] = (await startNodes(2, server.url)) as [Node, Node]
  const asked = ask(one, 'ann')
  await eventually(() => one.homes.length).toBe(1)
  const taken = await homeAt(one).next()
  const dueMs = Date.now() + 4000
  await guestAt(one, homeAt(one))(
    'write',
    'ann',
    taken.activation?.epoch ?? 0,
    change({ n: '1' }, { alarmMs: dueMs }),
  )
  taken.answer(null)
  await asked
  await one.crash()
  await eventually(() => two.homes.length).toBe(1)
  const rung = await homeAt(two).next()
  expect([rung.kind, rung.name, rung.activation?.entries]).toEqual(['alarm', 'ann', [['n', '1']]])
  expect(Date.now()).toBeGreaterThanOrEqual(dueMs)
  rung.answer(undefined)
  await eventually(() => two.outcomes).toContain('alarm ok')
}, 60_000)
