/** What the directory does when things cross: entries neither stay behind nor stand at two homes. */
import { setImmediate as settled } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { createDirectory } from '../../host/concurrency/actors/directory.ts'
import type { ActorService, Placed } from '../../host/concurrency/actors/directory-contract.ts'
import type { Loaded } from '../../host/concurrency/actors/store/store.ts'
import { ask, cart, codeOf, eventually, guestAt, makeHome, makeStage, sender } from './host-support.ts'

const EMPTY: Loaded = { row: null, version: null, entries: [], complete: true, alarmMs: null }

test('an actor that was looked up again while its home rested stands at one home alone', async () => {
  const homes = [makeHome(), makeHome()]
  const first = homes[0]!
  const loads: ((loaded: Loaded) => void)[] = []
  const rested = Promise.withResolvers<void>()
  const passivated: unknown[] = []
  const service: ActorService = {
    declares: () => true,
    homes: () => homes.filter(({ resting }) => !resting),
    start: () => Promise.resolve(),
  }
  const directory = createDirectory({
    load: () => new Promise((resolve) => loads.push(resolve)),
    find: () => service,
    async passivate(home) {
      passivated.push(home)
      await rested.promise
    },
  })
  const placed: Placed[] = []
  const route = (caller?: (typeof homes)[number]): void =>
    directory.route(cart('ann'), caller, {
      over: false,
      placed: (at) => void placed.push(at),
      refused: (error) => expect.unreachable(error.message),
    })

  route(first)
  loads.shift()?.(EMPTY)
  await settled()
  expect(placed.map(({ home }) => home)).toEqual([first])
  // It asks again, and is to be given up before the state has been read.
  route(first)
  first.resting = true
  const rest = directory.rest(first)
  rested.resolve()
  await rest
  first.resting = false
  // Its state is being read twice: for what was looked up before, and for the home that is looked for now.
  const [before, ...now] = loads.splice(0)
  before?.(EMPTY)
  await settled()
  for (const answer of [...now, ...loads.splice(0)]) answer(EMPTY)
  await settled()
  expect(placed).toHaveLength(2)
  const { home, epoch } = placed[1]!
  expect(epoch).toBe(2)
  // What happens to the other one is nothing to it.
  await directory.rest(homes.find((other) => other !== home)!)
  expect(directory.homeOf(cart('ann'))).toBe(home)
})

test('messages that nobody waits for any more leave no entry behind, wherever they were', async () => {
  const stage = await makeStage()
  const home = makeHome()
  home.stuck = true
  stage.homes.push(home)
  const names = Array.from({ length: 20 }, (_, index) => `cart-${index}`)
  const soon = Date.now() + 30
  const asked = names.flatMap((name) =>
    [1, 2].map(() => codeOf(ask(stage, name, 'get', [], { deadlineMs: soon }))),
  )
  expect(new Set(await Promise.all(asked))).toEqual(new Set(['VELA_ACTOR_DEADLINE']))
  await eventually(() => stage.actors.activeCount()).toBe(0)
})

test('asking where actors are, from where none may live, leaves no entry behind', async () => {
  const stage = await makeStage()
  stage.homes.push(makeHome())
  const worker = guestAt(stage, makeHome())
  for (let index = 0; index < 20; index++)
    expect(await worker('locate', `cart-${index}`)).toEqual({ remote: true })
  expect(stage.actors.activeCount()).toBe(0)
})

test('a message that its home turns away does not take the actor from those behind it', async () => {
  const stage = await makeStage()
  const home = makeHome()
  stage.homes.push(home)
  const { dispatch } = home
  let turnedAway = 0
  home.dispatch = (call) => {
    if (turnedAway++ === 0) return call.failed('VELA_CELL_OVERLOADED', 'full')
    dispatch(call)
  }
  const [first, second] = [codeOf(ask(stage, 'ann')), ask(stage, 'ann')]
  expect(await first).toBe('VELA_CELL_OVERLOADED')
  const taken = await home.next()
  const { epoch } = taken.activation!
  await guestAt(stage, home)('write', 'ann', epoch, { version: 1, puts: [['total', '1']] })
  taken.answer(1)
  expect(await second).toBe(1)
})

test('a message whose sender has gone already is not sent', async () => {
  const stage = await makeStage()
  const home = makeHome()
  stage.homes.push(home)
  const letter = { kind: 'ask', method: 'get', argsText: '[]' } as const
  const gone = { ...sender(), signal: AbortSignal.abort() }
  expect(await codeOf(stage.actors.send(cart('ann'), letter, gone))).toBe('VELA_TURN_CANCELED')
  expect([stage.actors.activeCount(), home.inbox.length]).toEqual([0, 0])
})

test('a dead letter of a service that is gone is not kept under its name', async () => {
  const { actors, store } = await makeStage()
  const letter = { method: 'alarm', reason: 'Error: too late', args: null }
  await actors.addDead({ ...cart('ann'), service: 'deleted' }, letter)
  await actors.addDead(cart('ann'), letter)
  expect(await store.services()).toEqual([{ tenant: 'acme', service: 'shop' }])
})

test('a home has so many actors and no more; one more settles elsewhere, or is refused', async () => {
  const homes = [makeHome(), makeHome()]
  const first = homes[0]!
  const directory = createDirectory({
    load: () => Promise.resolve(EMPTY),
    find: () => ({ declares: () => true, homes: () => homes, start: () => Promise.resolve() }),
    passivate: () => Promise.resolve(),
    mostAtHome: 3,
  })
  const settle = (name: string): Promise<unknown> =>
    new Promise((resolve) => {
      directory.route(cart(name), first, {
        over: false,
        placed: ({ home, epoch }) => resolve({ at: homes.indexOf(home as (typeof homes)[number]), epoch }),
        refused: ({ code }) => resolve(code),
      })
    })
  const ends = []
  for (const name of ['a', 'b', 'c', 'd', 'e', 'f', 'g']) ends.push(await settle(name))
  expect(ends.slice(0, 6)).toMatchObject([0, 0, 0, 1, 1, 1].map((at) => ({ at })))
  expect(ends[6]).toBe('VELA_CELL_OVERLOADED')
  // Where one leaves there is room.
  directory.released(cart('b'), first, (ends[1] as { epoch: number }).epoch)
  expect(await settle('g')).toMatchObject({ at: 0 })
})
