/** Deleted names: nothing is made under one before what it stored is erased, whoever has to do it. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type NatsServer, startNats } from '../nats/server.ts'
import { eventually } from './hosts.ts'
import { activate, type NodeOptions, type RegistryNode, startNode } from './registry-nodes.ts'

let server: NatsServer
let count = 0

beforeAll(async () => void (server = await startNats()), 60_000)
afterAll(async () => await server?.stop())

async function pair(nodes?: NodeOptions['nodes']): Promise<readonly [RegistryNode, RegistryNode]> {
  const prefix = `e${++count}`
  const a = await startNode(server.url, prefix)
  const b = await startNode(server.url, prefix, { nodes: { self: 'b', ...nodes } })
  await a.registry.createTenant('acme')
  await activate(a, 'acme', 'shop', 'first')
  return [a, b]
}

const deleteAll = async ({ registry }: RegistryNode, what: string): Promise<void> =>
  await (what === 'a tenant' ? registry.deleteTenant('acme', true) : registry.deleteService('acme', 'shop'))
const make = async (node: RegistryNode, what: string): Promise<unknown> =>
  await (what === 'a tenant' ? node.registry.createTenant('acme') : activate(node, 'acme', 'shop', 'second'))

describe.each(['a tenant', 'a service'])('%s', (what) => {
  const service = what === 'a tenant' ? null : 'shop'

  test('that is being erased cannot be made again on any host until it is', async () => {
    const [a, b] = await pair()
    const { promise, resolve } = Promise.withResolvers<void>()
    const deleted = Promise.withResolvers<void>()
    const erasing = a.registry.erasing?.('acme', service, async () => {
      await deleteAll(a, what)
      deleted.resolve()
      await promise
    })
    await deleted.promise
    for (const node of [a, b])
      await expect(make(node, what)).rejects.toMatchObject({ code: 'VELA_CLUSTER_CONFLICT' })
    resolve()
    await erasing
    await eventually('it is made again', async () => (await make(a, what)) !== undefined)
  })

  test('whose host ended before it was erased is erased by another, once, and then its name is free', async () => {
    const [a, b] = await pair({ isAlive: (node) => node === 'b' })
    await deleteAll(a, what)
    await a.registry.close()
    await eventually('it is made again', async () => (await make(b, what)) !== undefined)
    expect(b.told.filter((word) => word.startsWith('erase'))).toEqual([`erase acme/${service ?? '*'}`])
  })

  test('whose erasure failed is erased by the same host later', async () => {
    const [a] = await pair()
    const failed = a.registry.erasing?.('acme', service, async () => {
      await deleteAll(a, what)
      throw new Error('NATS is gone')
    })
    await expect(failed).rejects.toThrow('NATS is gone')
    await eventually('it is made again', async () => (await make(a, what)) !== undefined)
    expect(a.told).toContain(`erase acme/${service ?? '*'}`)
  })
})

test('a deploy that meets the deletion of its tenant leaves nothing behind', async () => {
  const [a, b] = await pair()
  const [deployed] = await Promise.allSettled([
    activate(a, 'acme', 'late', 'late'),
    b.registry.deleteTenant('acme', true),
  ])
  await eventually('gone on both', async () => {
    const left = await Promise.all([a, b].map(({ local }) => local.listTenants()))
    return left.flat().length === 0
  })
  if (deployed.status === 'fulfilled') await eventually('dropped', () => a.told.includes('drop late'))
})
