/** The registry of a cluster, with real hosts and a real nats-server: what one host changes is in force on all. */
import { randomBytes } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createAdminClient } from '../../host/admin/client.ts'
import { VelaError } from '../../host/core/errors.ts'
import { type Cluster, deployTo, eventually, type Host, startCluster, valuesOf } from './hosts.ts'

const saying = (text: string): string =>
  `export default { fetch() { return new Response(${JSON.stringify(text)}) } }`

/** Takes a while to start, so that two deploys are under way at once. */
const slowly = (text: string): string => `${saying(text)}
  await new Promise((resolve) => setTimeout(resolve, 700))`

let cluster: Cluster

beforeAll(async () => {
  cluster = await startCluster({ size: 2, clusterKey: 'a key of these tests, long enough' })
  await host(0).client.createTenant('acme')
}, 240_000)

afterAll(async () => await cluster?.close(), 120_000)

const host = (index: number): Host => cluster.hosts[index] as Host
const both = (): readonly Host[] => [host(0), host(1)]
const activeOn = async (at: Host, service: string): Promise<string | undefined> =>
  (await at.client.listServices('acme')).find((one) => one.service === service)?.activeVersion
const bothSay = (service: string, text: string): Promise<true> =>
  eventually(`both say ${text}`, async () => {
    const bodies = await Promise.all(both().map((one) => one.get('acme', service)))
    return bodies.every((body) => body === text)
  })
const codeOf = async (work: Promise<unknown>): Promise<string | undefined> => {
  try {
    await work
    return undefined
  } catch (error) {
    return error instanceof VelaError ? error.code : String(error)
  }
}

describe('a deploy on one host', () => {
  test('serves on the other, without being tried there a second time', async () => {
    const { version } = await deployTo(host(0), 'acme', 'shop', saying('one'))
    await bothSay('shop', 'one')
    expect(await activeOn(host(1), 'shop')).toBe(version)
    await eventually('it says so', () => host(1).log().includes('deployed on another host'))
  })

  test('replaces what the other serves, whichever was first', async () => {
    await deployTo(host(1), 'acme', 'shop', saying('two'))
    await bothSay('shop', 'two')
    await deployTo(host(0), 'acme', 'shop', saying('three'))
    await bothSay('shop', 'three')
  })

  test('is rolled back on the other', async () => {
    const record = await host(1).client.rollback('acme', 'shop')
    await bothSay('shop', 'two')
    const [here, there] = await Promise.all(both().map((one) => one.client.listVersions('acme', 'shop')))
    expect(here).toEqual(there)
    expect(here).toHaveLength(3)
    expect(here?.map(({ version }) => version)).toContain(record.activeVersion)
  })

  test('is rolled back on a host that joined later and never had that version, and is there when that host has left', async () => {
    const third = await cluster.add()
    expect(await third.get('acme', 'shop')).toBe('two')
    const versions = await third.client.listVersions('acme', 'shop')
    await third.client.rollback('acme', 'shop', versions.at(-1)?.version ?? '')
    expect(await third.get('acme', 'shop')).toBe('one')
    await bothSay('shop', 'one')

    const { self } = await third.client.nodes()
    const seen = async () => (await host(0).client.nodes()).nodes.find(({ id }) => id === self)
    await eventually('the first sees it', async () => (await seen())?.state === 'ready')
    expect(await third.stop()).toBe(0)
    // It took its leave: a host that is missed is listed as lost.
    expect(await seen()).toBeUndefined()
    await bothSay('shop', 'one')
  }, 240_000)

  test('of several megabytes arrives whole', async () => {
    // Random: it does not compress, so it is many chunks of the object store.
    const blob = randomBytes(4 * 1024 * 1024).toString('base64')
    const source = `const blob = ${JSON.stringify(blob)}\n${saying('')}\nexport function size() { return blob.length }`
    await deployTo(host(0), 'acme', 'large', source, { limits: { bundleBytes: 16 * 1024 * 1024 } })
    const answer = await eventually('the other has it', () =>
      host(1).client.invoke('acme', 'large', 'size', []),
    )
    expect(answer.result).toBe(blob.length)
  }, 120_000)

  test('conflicts with one that was under way on the other: one of them is active everywhere, and the other is told', async () => {
    await deployTo(host(0), 'acme', 'race', saying('before'))
    await bothSay('race', 'before')
    const codes = await Promise.all(
      both().map((one, index) => codeOf(deployTo(one, 'acme', 'race', slowly(`from ${index}`)))),
    )
    expect(new Set(codes)).toEqual(new Set(['VELA_CLUSTER_CONFLICT', undefined]))
    await bothSay('race', `from ${codes.indexOf(undefined)}`)
    // Told what to do, it does so and succeeds.
    await deployTo(host(codes.indexOf('VELA_CLUSTER_CONFLICT')), 'acme', 'race', saying('after'))
    await bothSay('race', 'after')
  }, 120_000)

  test('with a route that another service is given on the other host at the same moment: one of them gets it', async () => {
    const routes = ['/taken/*']
    const codes = await Promise.all(
      both().map((one, index) =>
        codeOf(deployTo(one, 'acme', `route-${index}`, slowly(`route ${index}`), { routes })),
      ),
    )
    expect(new Set(codes)).toEqual(new Set(['VELA_DEPLOY_ROUTE_CONFLICT', undefined]))
    const winner = codes.indexOf(undefined)
    await eventually('both hosts send the route to the winner, and know no other', async () => {
      const answers = await Promise.all(
        both().map(async ({ gateway }) => (await fetch(`${gateway}/taken/x`)).text()),
      )
      const loser = await Promise.all(both().map((one) => activeOn(one, `route-${1 - winner}`)))
      return answers.every((body) => body === `route ${winner}`) && loser.every((one) => one === undefined)
    })
    // What was taken back is no change that stands in the way of the next.
    await deployTo(host(1 - winner), 'acme', `route-${1 - winner}`, saying('without'))
    await bothSay(`route-${1 - winner}`, 'without')
  }, 120_000)
})

describe('what an operator sets on one host', () => {
  test('is in force on the other: the engine of a service', async () => {
    await deployTo(host(0), 'acme', 'engine', saying('v8 or not'))
    await bothSay('engine', 'v8 or not')
    await host(0).client.setEngine('acme', 'engine', 'quickjs')
    await eventually('the other moves it', async () => {
      const services = await host(1).client.listServices('acme')
      return services.find(({ service }) => service === 'engine')?.engine === 'quickjs'
    })
    await bothSay('engine', 'v8 or not')
  })

  test('a secret, which NATS has sealed only, and its deletion', async () => {
    const source = 'export default { fetch(_request, env) { return new Response(env.KEY ?? "none") } }'
    await deployTo(host(0), 'acme', 'secretive', source)
    await bothSay('secretive', 'none')
    await host(1).client.putSecret('acme', 'secretive', 'KEY', 'opensesame-of-this-test')
    await bothSay('secretive', 'opensesame-of-this-test')
    const stored = await valuesOf(cluster.nats, 'vela-registry')
    expect(stored.filter((value) => value.includes('sealed'))).toHaveLength(1)
    const spellings = ['utf8', 'base64', 'hex'] as const
    for (const spelling of spellings)
      expect(stored.join()).not.toContain(
        Buffer.from('opensesame-of-this-test').toString(spelling).slice(0, 16),
      )
    await host(0).client.deleteSecret('acme', 'secretive', 'KEY')
    await bothSay('secretive', 'none')
  })

  test('a decision about a grant', async () => {
    const capabilities = { kv: { STORE: {} } }
    await deployTo(host(0), 'acme', 'granted', saying('kv'), { capabilities })
    await bothSay('granted', 'kv')
    const stateOn = async (at: Host): Promise<string | undefined> =>
      (await at.client.listGrants('acme', 'granted')).find(({ binding }) => binding === 'STORE')?.state
    await host(1).client.decideGrant('acme', 'granted', 'STORE', 'revoked')
    await eventually('the other revokes it', async () => (await stateOn(host(0))) === 'revoked')
    await host(0).client.decideGrant('acme', 'granted', 'STORE', 'policy')
    await eventually('and leaves it to the policy', async () => (await stateOn(host(1))) === 'granted')
  })

  test('a token, and that it is taken back', async () => {
    const { token, record } = await host(0).client.createToken('acme', ['read'])
    const elsewhere = createAdminClient({ url: host(1).admin, token })
    await eventually('the other knows it', async () => (await elsewhere.listServices('acme')).length > 0)
    await host(1).client.deleteToken(record.id)
    const here = createAdminClient({ url: host(0).admin, token })
    await eventually(
      'nobody does',
      async () => (await codeOf(here.listServices('acme'))) === 'VELA_AUTH_INVALID',
    )
  })

  test('the deletion of a service, and nothing of it returns with a later one of its name', async () => {
    const source = 'export default { fetch(_request, env) { return new Response(env.KEY ?? "none") } }'
    await deployTo(host(0), 'acme', 'gone', source)
    await host(0).client.putSecret('acme', 'gone', 'KEY', 'of the first')
    await bothSay('gone', 'of the first')
    await host(1).client.deleteService('acme', 'gone')
    await eventually('gone on both', async () => {
      const found = await Promise.all(both().map((one) => activeOn(one, 'gone')))
      return found.every((one) => one === undefined)
    })
    await deployTo(host(0), 'acme', 'gone', source)
    await bothSay('gone', 'none')
  })

  test('the deletion of a tenant with all it has, and nothing of it returns with a later one of its name', async () => {
    const { client } = host(0)
    await client.createTenant('globex')
    await deployTo(host(1), 'globex', 'mail', saying('mail'))
    await client.createToken('globex', ['read'])
    await eventually('both serve it', async () => (await host(0).get('globex', 'mail')) === 'mail')
    expect(await codeOf(host(1).client.deleteTenant('globex'))).toBe('VELA_TENANT_NOT_EMPTY')
    await host(1).client.deleteTenant('globex', true)
    await eventually('gone on both', async () => {
      const tenants = await Promise.all(both().map((one) => one.client.listTenants()))
      return tenants.flat().every(({ name }) => name !== 'globex')
    })
    await client.createTenant('globex')
    for (const one of both()) {
      expect(await one.client.listServices('globex')).toEqual([])
      expect(await one.client.listTokens('globex')).toEqual([])
    }
  })

  test('the deletion of a tenant: what the next of its name stores stays, and nothing that the former stored is shown', async () => {
    const { client } = host(0)
    const source = `
      import { Actor, env } from '@vela/guest-sdk'
      export class Counter extends Actor {
        async add() { const n = ((await this.ctx.storage.get('n')) ?? 0) + 1; await this.ctx.storage.put('n', n); return n } }
      export async function put(key) { await env.STORE.put(key, key); return await env.COUNTERS.get('one').add() }
      export async function read() { return (await env.STORE.list()).keys.map(({ name }) => name) }`
    const capabilities = { kv: { STORE: {} }, actors: { COUNTERS: { class: 'Counter' } } }
    for (const round of ['a', 'b', 'c']) {
      await client.createTenant('initech')
      await deployTo(host(1), 'initech', 'keeper', source, { capabilities })
      const put = await host(1).client.invoke('initech', 'keeper', 'put', [round])
      expect(put.result).toBe(1)
      await eventually('the other shows it', async () => {
        const { result } = await client.invoke('initech', 'keeper', 'read', [])
        expect(result).toEqual([round])
        return true
      })
      const again = await client.invoke('initech', 'keeper', 'put', [round])
      expect(again.result).toBe(2)
      await client.deleteTenant('initech', true)
    }
  })
})

test('every host says what it sees of the cluster', async () => {
  const { nodes, self, holdsLease } = await host(0).client.nodes()
  const ready = nodes.filter(({ state }) => state === 'ready')
  expect(ready.map(({ name }) => name)).toEqual(['h0', 'h1'])
  expect(ready.map(({ gateway }) => gateway)).toEqual(both().map(({ gateway }) => gateway))
  expect(ready.map(({ id }) => id)).toContain(self)
  expect(holdsLease).toBe(true)
  expect((await host(1).client.nodes()).nodes.map(({ id }) => id)).toEqual(nodes.map(({ id }) => id))
  expect(await host(0).client.status()).toMatchObject({
    status: 'ok',
    cluster: { node: self, holdsLease: true, peers: 1 },
  })
  // What the tests before this one changed may still be on its way through the copies.
  await eventually('all is in order', async () => {
    const checks = await host(0).client.doctor()
    const found = checks.filter(({ name }) => /^(?:nats|cluster)/.test(name))
    expect(found.map(({ name, status }) => [name, status])).toEqual([
      ['nats', 'on'],
      ['cluster', 'on'],
      ['cluster registry', 'on'],
      ['cluster key', 'on'],
    ])
    return true
  })
  expect(await host(0).client.metrics()).toContain('vela_cluster_nodes{state="ready"} 2')
})
