/** What a host remembers of who owns an actor and who holds a channel, over a real NATS: bounded, and put right after a silence. */
import type { KV } from '@nats-io/kv'
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import { createOwners, type Owner, type Owners } from '../../host/cluster/actors/owners.ts'
import { createHolders, type Holders } from '../../host/cluster/channels/holders.ts'
import type { Nats } from '../../host/nats/types.ts'
import { cart } from '../actors/host-support.ts'
import { createTestLog, open } from '../nats/open.ts'
import { type NatsServer, startNats } from '../nats/server.ts'

let server: NatsServer
let count = 0

beforeAll(async () => {
  server = await startNats()
}, 60_000)
afterAll(async () => server?.stop())

async function connected(): Promise<Nats> {
  const nats = await open({ servers: [server.url], prefix: `o${++count}` }, createTestLog())
  onTestFinished(() => nats.close())
  return nats
}

const memberOf = (self: string) => ({
  self,
  holdsLease: true,
  isAlive: () => true,
  assignedTo: () => self,
})

const ownersOf = (nats: Nats, self: string): Owners =>
  createOwners({ nats, membership: memberOf(self), isDraining: () => false, mostCopies: 2 })

const find = (owners: Owners, name: string): Promise<Owner> =>
  new Promise((found, refused) => owners.find(cart(name), { found, refused }))

/** Known without asking: the answer comes at once. */
function isKnown(owners: Owners, name: string): boolean {
  let known = false
  owners.find(cart(name), { found: () => (known = true), refused: () => undefined })
  return known
}

test('of what others own a host remembers so many, the oldest make room, and what it owns stays', async () => {
  const nats = await connected()
  const [here, there] = [ownersOf(nats, 'here'), ownersOf(nats, 'there')]
  for (const name of ['mine', 'mine too', 'mine as well']) await find(here, name)
  for (const name of ['a', 'b', 'c']) {
    await find(there, name)
    expect(await find(here, name)).toMatchObject({ state: 'other', node: 'there' })
  }
  expect(here.mineCount()).toBe(3)
  expect(['mine', 'mine too', 'mine as well', 'c', 'b', 'a'].map((name) => isKnown(here, name))).toEqual([
    true,
    true,
    true,
    true,
    true,
    false,
  ])
  here.forgetMine()
  expect([here.mineCount(), here.allMine()]).toEqual([0, []])
})

test('a host that was away finds out which of its many channels others hold now, also after a look that failed', async () => {
  const nats = await connected()
  let isBroken = false
  const holdersOf = (self: string): Holders =>
    createHolders({
      nats: {
        prefix: nats.prefix,
        state: 'connected',
        async kv(name, options) {
          const kv = await nats.kv(name, options)
          const get: KV['get'] = (key) =>
            isBroken && key.endsWith('299') ? Promise.reject(new Error('no answer')) : kv.get(key)
          return Object.assign(Object.create(kv) as KV, { get })
        },
      },
      membership: { ...memberOf(self), isAlive: (node) => node === self },
    })
  const [here, there] = [holdersOf('here'), holdersOf('there')]
  const names = Array.from({ length: 300 }, (_, index) => `c${index}`)
  await Promise.all(names.map((name) => here.find('acme', name)))
  expect(await here.lostSince()).toEqual([])
  const taken = ['c0', 'c128', 'c298']
  for (const name of taken) expect(await there.find('acme', name)).toBe('there')
  isBroken = true
  await expect(here.lostSince()).rejects.toThrow('no answer')
  isBroken = false
  expect(await here.lostSince()).toEqual(taken.map((name) => ({ tenant: 'acme', name })))
  expect(await here.lostSince()).toEqual([])
})
