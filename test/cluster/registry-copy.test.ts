/** What a host's copy of the cluster's registry does with what it cannot take at once: nothing is lost, and nothing else waits for it. */
import { jetstreamManager } from '@nats-io/jetstream'
import { Objm } from '@nats-io/obj'
import { connect, type NatsConnection } from '@nats-io/transport-node'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type NatsServer, startNats } from '../nats/server.ts'
import { eventually } from './hosts.ts'
import { activate, openNode, type RegistryNode, startNode } from './registry-nodes.ts'

const KEY = 'a key of these tests, long enough'

let server: NatsServer
let operator: NatsConnection
let count = 0

beforeAll(async () => {
  server = await startNats()
  operator = await connect({ servers: server.url })
}, 60_000)

afterAll(async () => {
  await operator?.close()
  await server?.stop()
})

const freshPrefix = (): string => `r${++count}`
const activeOn = async ({ local }: RegistryNode, service: string): Promise<string | undefined> =>
  (await local.listServices()).find((one) => one.service === service)?.activeVersion

async function pair(options = {}): Promise<readonly [RegistryNode, RegistryNode, string]> {
  const prefix = freshPrefix()
  const a = await startNode(server.url, prefix, options)
  const b = await startNode(server.url, prefix, { ...options, nodes: { self: 'b' } })
  await a.registry.createTenant('acme')
  return [a, b, prefix]
}

test('a version that does not start on a host of another Vela is tried again, and nothing else waits for it', async () => {
  const prefix = freshPrefix()
  const a = await startNode(server.url, prefix)
  const b = await startNode(server.url, prefix, { vela: '2' })
  await a.registry.createTenant('acme')
  const first = await activate(a, 'acme', 'shop', 'first')
  await eventually('it has the first', async () => (await activeOn(b, 'shop')) === first)
  b.failures.set('shop', 2)
  const second = await activate(a, 'acme', 'shop', 'second')
  await eventually('it was tried', () => b.failures.get('shop') === 1)
  expect(await activeOn(b, 'shop')).toBe(first)
  expect(b.registry.behind()).toBeGreaterThan(0)
  const other = await activate(a, 'acme', 'mail', 'mail')
  await eventually('another is taken', async () => (await activeOn(b, 'mail')) === other)
  await eventually('it is in line', async () => (await activeOn(b, 'shop')) === second)
  await b.registry.whenInLine()
  expect(b.told.filter((word) => word === `try shop ${second}`)).toHaveLength(3)
})

test('what does not start here can be replaced from here', async () => {
  const [a, b] = await pair()
  b.failures.set('shop', 20)
  await activate(a, 'acme', 'shop', 'first')
  await eventually('it was tried', () => b.failures.get('shop') === 19)
  const third = await activate(b, 'acme', 'shop', 'third')
  await eventually('the other follows', async () => (await activeOn(a, 'shop')) === third)
})

test('a service deleted and made again while a host did not look is dropped there before the new one is taken', async () => {
  const [a, b] = await pair()
  const first = await activate(a, 'acme', 'shop', 'first')
  await eventually('it has the first', async () => (await activeOn(b, 'shop')) === first)
  await b.registry.pause()
  b.told.length = 0
  await a.registry.deleteService('acme', 'shop')
  await a.registry.erasing?.('acme', 'shop', async () => undefined)
  const second = await activate(a, 'acme', 'shop', 'second')
  b.follow()
  await eventually('it has the second', async () => (await activeOn(b, 'shop')) === second)
  expect(b.told).toEqual(['drop shop', `take shop ${second}`])
  expect((await b.local.listVersions('acme', 'shop')).map(({ version }) => version)).toEqual([second])
})

test('of a change that was made here the copy is right, whatever became of it', async () => {
  const [a, b] = await pair()
  await activate(a, 'acme', 'shop', 'first')
  const put = a.local.mirror.putService
  Object.assign(a.local.mirror, { putService: async () => await Promise.reject(new Error('disk full')) })
  const second = await activate(a, 'acme', 'shop', 'second')
  Object.assign(a.local.mirror, { putService: put })
  await eventually('its store has it', async () => (await activeOn(a, 'shop')) === second)
  const third = await activate(a, 'acme', 'shop', 'third')
  await eventually('the other follows', async () => (await activeOn(b, 'shop')) === third)
})

test('a host with another cluster key is not let in, one with the same or none is', async () => {
  const prefix = freshPrefix()
  await startNode(server.url, prefix, { key: KEY })
  const wrong = await openNode(server.url, prefix, { key: 'another key of these tests' })
  await expect(wrong.registry.sync(10_000)).rejects.toMatchObject({
    code: 'VELA_CONFIG_INVALID',
    message: expect.stringContaining('nats.clusterKey') as string,
  })
  expect(await (await openNode(server.url, prefix, { key: KEY })).registry.sync(10_000)).toBe(true)
  expect(await (await openNode(server.url, prefix)).registry.sync(10_000)).toBe(true)
})

test('a secret that does not open holds up neither its service nor the other secrets', async () => {
  const [a, b, prefix] = await pair({ key: KEY })
  await activate(a, 'acme', 'shop', 'first')
  await a.registry.putSecret('acme', 'shop', 'BAD', 'value')
  await eventually('it has one', async () => 'BAD' in (await b.local.readSecrets('acme', 'shop')))
  const bucket = await b.nats.kv(`${prefix}-registry`)
  const record = (await bucket.get('secret.acme.shop.BAD'))?.json<Record<string, unknown>>()
  await bucket.put('secret.acme.shop.BAD', JSON.stringify({ ...record, sealed: 'damaged' }))
  await a.registry.putSecret('acme', 'shop', 'GOOD', 'another')
  const second = await activate(a, 'acme', 'shop', 'second')
  await eventually('it has the second', async () => (await activeOn(b, 'shop')) === second)
  expect(await b.local.readSecrets('acme', 'shop')).toMatchObject({ GOOD: 'another' })
  await b.registry.whenInLine()
})

test.each([
  ['whose parts are others', async (name: string, store: string) => damage(name, store)],
  [
    'whose parts are gone',
    async (_name: string, store: string) => {
      const manager = await jetstreamManager(operator)
      await manager.streams.purge(`OBJ_${store}`, { filter: `$O.${store}.C.>` })
    },
  ],
  ['that is gone', async (name: string, store: string) => void (await (await objects(store)).delete(name))],
])(
  'a bundle %s is said to be damaged, and taken when it has been put again',
  async (_how, spoil) => {
    const [a, b, prefix] = await pair()
    await b.registry.pause()
    const version = await activate(a, 'acme', 'shop', 'first')
    const store = `${prefix}-bundles`
    const [object] = await (await objects(store)).list()
    await spoil(object?.name ?? '', store)
    await expect(b.registry.getBundle('acme', 'shop', version)).rejects.toMatchObject({
      code: 'VELA_STORE_DAMAGED',
    })
    b.follow()
    await eventually('it is behind', () => (b.registry.behind() ?? 0) > 0)
    expect(await activeOn(b, 'shop')).toBeUndefined()
    await activate(a, 'acme', 'shop', 'first')
    await eventually('it is taken', async () => (await activeOn(b, 'shop')) === version)
  },
  60_000,
)

const objects = async (store: string) => await new Objm(operator).open(store)

/** The same object, as the store's own digest has it, with other bytes: what a disk does. */
async function damage(name: string, store: string): Promise<void> {
  await (await objects(store)).putBlob({ name }, new TextEncoder().encode('something else'))
}

test('what no version names is swept when it is old, and nothing else', async () => {
  const [a, b, prefix] = await pair()
  for (const source of ['one', 'two', 'three']) await activate(a, 'acme', 'shop', source)
  await activate(a, 'acme', 'gone', 'gone')
  await activate(a, 'acme', 'gone', 'twice')
  const all = async () =>
    (await (await objects(`${prefix}-bundles`)).list()).filter(({ deleted }) => !deleted)
  expect(await all()).toHaveLength(5)
  await a.registry.deleteService('acme', 'gone')
  expect(await a.registry.sweep()).toBe(0)
  expect(await a.registry.sweep(0)).toBe(4)
  expect(await all()).toHaveLength(3)
  for (const { version } of await b.registry.listVersions('acme', 'shop'))
    expect(await b.registry.getBundle('acme', 'shop', version)).toBeDefined()
  expect(await b.registry.listVersions('acme', 'shop')).toHaveLength(3)
})
