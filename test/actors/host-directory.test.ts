/** One home for an actor at a time, whatever happens to homes; the guests here are the test itself, and may be liars. */
import { expect, test } from 'vitest'
import { MAX_WAITING } from '../../host/concurrency/actors/types.ts'
import {
  ask,
  cart,
  change,
  codeOf,
  guestAt,
  makeHome,
  makeStage,
  sender,
  eventually,
} from './host-support.ts'

const epochOf = (sent: unknown): number => (sent as { here: { epoch: number } }).here.epoch

test('first messages that come at the same time bring one activation, and keep their order', async () => {
  const stage = await makeStage()
  stage.homes.push(makeHome(), makeHome())
  const asked = Array.from({ length: 20 }, (_, index) => ask(stage, 'ann', 'add', [index]))
  const home = stage.homes[0]!
  const first = await home.next()
  const others = await Promise.all(Array.from({ length: 19 }, () => home.next()))
  expect(stage.homes[1]!.inbox).toEqual([])
  expect(first.activation).toMatchObject({ version: null, entries: [], complete: true, alarmMs: null })
  expect(others.map(({ activation }) => activation)).toEqual(others.map(() => null))
  expect([first, ...others].map(({ args }) => args)).toEqual(asked.map((_, index) => [index]))
  for (const taken of [first, ...others]) taken.answer(taken.args)
  expect(await Promise.all(asked)).toEqual(asked.map((_, index) => [index]))
})

test('an actor settles where it is asked from, if that is a replica of the active version', async () => {
  const stage = await makeStage()
  const [here, there, old] = [makeHome(), makeHome(), makeHome()]
  stage.homes.push(there, here)
  expect(await guestAt(stage, here)('ask', 'ann', 'get', '[]', {})).toMatchObject({ here: { entries: [] } })
  // Now it is there for everybody.
  const asked = guestAt(stage, there)('ask', 'ann', 'get', '[]', {})
  const taken = await here.next()
  taken.answer('hello')
  expect(await asked).toEqual({ value: '"hello"' })
  // A replica of the old version may ask, and gets no actors any more.
  const late = guestAt(stage, old)('ask', 'bob', 'get', '[]', {})
  const message = await Promise.race([here.next(), there.next()])
  message.answer(1)
  expect(await late).toEqual({ value: '1' })
})

test('a service without a replica is brought one, once', async () => {
  const stage = await makeStage()
  let starts = 0
  stage.start = () => {
    starts++
    stage.homes.push(makeHome())
    return Promise.resolve()
  }
  const asked = ask(stage, 'ann')
  const again = ask(stage, 'ann')
  await eventually(() => stage.homes.length).toBe(1)
  const home = stage.homes[0]!
  ;(await home.next()).answer(1)
  ;(await home.next()).answer(2)
  expect(await Promise.all([asked, again])).toEqual([1, 2])
  expect(starts).toBe(1)
})

test('a class that the active version does not declare is not found, nor a service that is not there', async () => {
  const stage = await makeStage()
  stage.classes = new Set()
  expect(await codeOf(ask(stage, 'ann'))).toBe('VELA_ACTOR_NOT_FOUND')
  const elsewhere = { ...cart('ann'), service: 'nowhere' }
  const letter = { kind: 'ask', method: 'get', argsText: '[]' } as const
  expect(await codeOf(stage.actors.send(elsewhere, letter, sender()))).toBe('VELA_SERVICE_NOT_FOUND')
})

test('when a home is lost, what it had taken fails and the next message activates elsewhere with the state', async () => {
  const stage = await makeStage()
  const [first, second] = [makeHome(), makeHome()]
  stage.homes.push(first)
  const guest = guestAt(stage, first)
  const epoch = epochOf(await guest('ask', 'ann', 'get', '[]', {}))
  await guest('write', 'ann', epoch, change({ total: '3' }))
  const asked = ask(stage, 'ann')
  await first.next()
  stage.homes.push(second)
  first.kill()
  expect(await codeOf(asked)).toBe('VELA_CELL_LOST')
  const again = ask(stage, 'ann')
  const taken = await second.next()
  expect(taken.activation).toMatchObject({ version: 1, entries: [['total', '3']] })
  expect(taken.activation!.epoch).toBeGreaterThan(epoch)
  taken.answer(3)
  expect(await again).toBe(3)
})

test('a message that a lost home had not taken goes to the next one', async () => {
  const stage = await makeStage()
  const [first, second] = [makeHome(), makeHome()]
  stage.homes.push(first)
  first.stuck = true
  const asked = ask(stage, 'ann')
  await eventually(() => stage.actors.activeCount()).toBe(1)
  stage.homes.push(second)
  first.kill()
  ;(await second.next()).answer('saved')
  expect(await asked).toBe('saved')
})

test('only the home of an actor may touch its state, and only under its last epoch', async () => {
  const stage = await makeStage()
  const [first, second] = [makeHome(), makeHome()]
  stage.homes.push(first, second)
  const guest = guestAt(stage, first)
  const stranger = guestAt(stage, second)
  const epoch = epochOf(await guest('ask', 'ann', 'get', '[]', {}))
  await guest('write', 'ann', epoch, change({ total: '1' }))
  for (const [caller, claimed] of [
    [stranger, epoch],
    [guest, epoch - 1],
    [guest, epoch + 1],
  ] as const) {
    expect(await codeOf(caller('write', 'ann', claimed, change({ total: '9' })))).toBe('VELA_ACTOR_FENCED')
    expect(await codeOf(caller('read', 'ann', claimed, ['total']))).toBe('VELA_ACTOR_FENCED')
    expect(await codeOf(caller('list', 'ann', claimed, {}))).toBe('VELA_ACTOR_FENCED')
    expect(await codeOf(caller('released', 'ann', claimed))).toBe('VELA_ACTOR_FENCED')
  }
  expect(await codeOf(guest('write', 'bob', epoch, change({ total: '9' })))).toBe('VELA_ACTOR_FENCED')
  expect(await guest('read', 'ann', epoch, ['total'])).toEqual([['total', '1']])
})

test('a home that was lost cannot write, even if its guest still speaks', async () => {
  const stage = await makeStage()
  const [first, second] = [makeHome(), makeHome()]
  stage.homes.push(first)
  const guest = guestAt(stage, first)
  const epoch = epochOf(await guest('ask', 'ann', 'get', '[]', {}))
  await guest('write', 'ann', epoch, change({ total: '1' }))
  first.kill()
  expect(await codeOf(guest('write', 'ann', epoch, change({ total: '9' })))).toBe('VELA_ACTOR_FENCED')
  stage.homes.push(second)
  const asked = ask(stage, 'ann')
  const taken = await second.next()
  expect(await codeOf(guest('write', 'ann', epoch, change({ total: '9' })))).toBe('VELA_ACTOR_FENCED')
  expect(taken.activation!.entries).toEqual([['total', '1']])
  taken.answer(1)
  await asked
})

test('writes that were accepted are seen by the next activation, however soon it comes', async () => {
  const stage = await makeStage()
  const [first, second] = [makeHome(), makeHome()]
  stage.homes.push(first)
  const guest = guestAt(stage, first)
  const epoch = epochOf(await guest('ask', 'ann', 'get', '[]', {}))
  const writes = Array.from({ length: 50 }, (_, index) =>
    guest('write', 'ann', epoch, change({ total: String(index) })),
  )
  first.kill()
  stage.homes.push(second)
  const asked = ask(stage, 'ann')
  const taken = await second.next()
  expect(taken.activation!.entries).toEqual([['total', '49']])
  taken.answer(0)
  await Promise.all([...writes, asked])
})

test('an actor that was released is activated anew; one with a message on its way is not released', async () => {
  const stage = await makeStage()
  const home = makeHome()
  stage.homes.push(home)
  const guest = guestAt(stage, home)
  const epoch = epochOf(await guest('ask', 'ann', 'get', '[]', {}))
  const asked = ask(stage, 'ann')
  // It has not been told since it asked, so the state comes again under the same epoch.
  const taken = await home.next()
  expect(taken.activation?.epoch).toBe(epoch)
  expect(await guest('released', 'ann', epoch)).toEqual({ released: false })
  taken.answer(1)
  await asked
  expect(await guest('released', 'ann', epoch)).toEqual({ released: true })
  expect(stage.actors.activeCount()).toBe(0)
  expect(epochOf(await guest('ask', 'ann', 'get', '[]', {}))).toBeGreaterThan(epoch)
})

test('a message for an actor that its home does not have is sent again with the state', async () => {
  const stage = await makeStage()
  const home = makeHome()
  stage.homes.push(home)
  const first = ask(stage, 'ann')
  const taken = await home.next()
  taken.answer(1)
  await first
  const asked = ask(stage, 'ann')
  const refused = await home.next()
  expect(refused.activation).toBeNull()
  refused.call.value('0')
  const again = await home.next()
  expect(again.activation?.epoch).toBeGreaterThan(taken.activation!.epoch)
  again.answer(2)
  expect(await asked).toBe(2)
})

test('a guest that never has what it is sent is given up on', async () => {
  const stage = await makeStage()
  const home = makeHome()
  stage.homes.push(home)
  const asked = ask(stage, 'ann')
  const end = codeOf(asked)
  for (let tries = 0; tries < 4; tries++) (await home.next()).call.value('0')
  expect(await end).toBe('VELA_CELL_LOST')
})

test('a replica that rests has its actors leave first; messages wait and go to their new home', async () => {
  const stage = await makeStage()
  const [old, next] = [makeHome(), makeHome()]
  stage.homes.push(old)
  const guest = guestAt(stage, old)
  const epoch = epochOf(await guest('ask', 'ann', 'get', '[]', {}))
  old.resting = true
  stage.homes.push(next)
  const rested = stage.actors.rest(old)
  const passivate = await old.next()
  expect([passivate.handler, passivate.args]).toEqual([7, []])
  const asked = ask(stage, 'ann')
  // What it has to store on its way out is stored.
  await guest('write', 'ann', epoch, change({ total: '7' }))
  expect(next.inbox).toEqual([])
  passivate.answer(undefined)
  await rested
  const taken = await next.next()
  expect(taken.activation!.entries).toEqual([['total', '7']])
  expect(await codeOf(guest('write', 'ann', epoch, change({ total: '9' })))).toBe('VELA_ACTOR_FENCED')
  taken.answer(7)
  expect(await asked).toBe(7)
})

test('a replica that dies while it rests holds nobody up', async () => {
  const stage = await makeStage()
  const [old, next] = [makeHome(), makeHome()]
  stage.homes.push(old)
  await guestAt(stage, old)('ask', 'ann', 'get', '[]', {})
  old.resting = true
  stage.homes.push(next)
  const rested = stage.actors.rest(old)
  const asked = ask(stage, 'ann')
  await old.next()
  old.kill()
  await rested
  ;(await next.next()).answer('moved')
  expect(await asked).toBe('moved')
})

test('while the only replica rests, a message waits for the next one to be brought', async () => {
  const stage = await makeStage()
  const old = makeHome()
  stage.homes.push(old)
  await guestAt(stage, old)('ask', 'ann', 'get', '[]', {})
  old.resting = true
  const rested = stage.actors.rest(old)
  const asked = ask(stage, 'bob')
  const passivate = await old.next()
  expect(stage.homes).toEqual([old])
  passivate.answer(undefined)
  await rested
  await eventually(() => stage.homes.length).toBe(2)
  ;(await stage.homes[1]!.next()).answer('there')
  expect(await asked).toBe('there')
})

test('messages that wait for an actor on its way are bounded, and end at their deadline', async () => {
  const stage = await makeStage()
  stage.start = () => new Promise(() => undefined)
  const soon = ask(stage, 'ann', 'get', [], { deadlineMs: Date.now() + 20 })
  expect(await codeOf(soon)).toBe('VELA_ACTOR_DEADLINE')
  const many = Array.from({ length: MAX_WAITING - 1 }, () =>
    ask(stage, 'ann', 'get', [], { deadlineMs: Date.now() + 60_000 }),
  )
  for (const one of many) one.catch(() => undefined)
  expect(await codeOf(ask(stage, 'ann'))).toBe('VELA_ACTOR_MAILBOX_FULL')
  expect(stage.outcomes).toEqual(['ask VELA_ACTOR_DEADLINE', 'ask VELA_ACTOR_MAILBOX_FULL'])
})

test('when its service is deleted an actor may not write any more, and nothing of it is left', async () => {
  const stage = await makeStage()
  const home = makeHome()
  stage.homes.push(home)
  const guest = guestAt(stage, home)
  const epoch = epochOf(await guest('ask', 'ann', 'get', '[]', {}))
  await guest('write', 'ann', epoch, change({ total: '1' }))
  await stage.actors.drop('acme', 'shop')
  expect(await codeOf(guest('write', 'ann', epoch, change({ total: '9' })))).toBe('VELA_ACTOR_FENCED')
  expect(await guest('ask', 'ann', 'get', '[]', {})).toMatchObject({ here: { version: null, entries: [] } })
  expect(await stage.store.usage('acme')).toEqual({ bytes: 0, actors: 0 })
})
