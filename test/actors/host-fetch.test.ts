/** Requests to actors as the host carries them: what becomes of them when nobody waits any more, or when the home does not know the actor. */
import { expect, test } from 'vitest'
import type { CapabilityResult } from '../../host/capabilities/capability.ts'
import {
  callOf,
  cart,
  codeOf,
  eventually,
  guestAt,
  makeHome,
  makeStage,
  type FakeHome,
  type Stage,
} from './host-support.ts'

/** Of a guest of another service, which may give it up. */
const fetchFrom = ({ actors }: Stage, name: string, signal?: AbortSignal): Promise<CapabilityResult> => {
  const request = { method: 'GET', url: 'http://actor/', headers: [] }
  const call = callOf(makeHome(), 'fetch', [name, request], signal === undefined ? {} : { signal })
  return actors.fetch(cart(name), call, request)
}
const stageAt = async (): Promise<{ stage: Stage; home: FakeHome }> => {
  const stage = await makeStage()
  const home = makeHome()
  stage.homes.push(home)
  return { stage, home }
}

test('a request that the home has nobody for is sent again, with the state', async () => {
  const { stage, home } = await stageAt()
  const [first, second] = [fetchFrom(stage, 'ann'), fetchFrom(stage, 'ann')]
  const [carrier, behind] = [await home.next(), await home.next()]
  expect([carrier.activation?.epoch, behind.activation]).toEqual([1, null])
  // Nothing of the first was heard, so the kernel does not know whom the second is for.
  behind.call.value('0')
  const again = await home.next()
  expect(again.activation?.epoch).toBe(2)
  again.answer('found')
  carrier.answer('found')
  for (const { value } of await Promise.all([first, second])) expect(value).toMatchObject({ status: 200 })
})

test('a guest that never has the actor is asked a few times, and then the request fails', async () => {
  const { stage, home } = await stageAt()
  const code = codeOf(fetchFrom(stage, 'ann'))
  for (let tries = 0; tries < 4; tries++) (await home.next()).call.value('0')
  expect(await code).toBe('VELA_CELL_LOST')
  expect(home.inbox).toEqual([])
})

test('a request that a lost home had not taken goes to the next one', async () => {
  const { stage, home } = await stageAt()
  home.stuck = true
  const asked = fetchFrom(stage, 'ann')
  await eventually(async () => (await stage.actors.status('acme', 'shop')).active).toEqual({ Cart: 1 })
  const other = makeHome()
  stage.homes.push(other)
  home.kill()
  ;(await other.next()).answer('saved')
  expect((await asked).value).toMatchObject({ status: 200 })
})

test('an actor whose caller went away can be released', async () => {
  const { stage, home } = await stageAt()
  const away = new AbortController()
  const code = codeOf(fetchFrom(stage, 'ann', away.signal))
  const { activation } = await home.next()
  away.abort()
  expect(await code).toBe('VELA_TURN_CANCELED')
  expect(await guestAt(stage, home)('released', 'ann', activation!.epoch)).toEqual({ released: true })
})

test('a request that was given up before the home took it leaves no entry behind', async () => {
  const { stage, home } = await stageAt()
  home.stuck = true
  const away = new AbortController()
  const code = codeOf(fetchFrom(stage, 'ann', away.signal))
  await eventually(async () => (await stage.actors.status('acme', 'shop')).active).toEqual({ Cart: 1 })
  away.abort()
  expect(await code).toBe('VELA_TURN_CANCELED')
  await eventually(() => stage.actors.activeCount()).toBe(0)
})
