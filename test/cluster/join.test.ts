/** Hosts with a registry of their own that come into a cluster, and hosts that come back. */
import { mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { Runtime } from '../../host/core/runtime.ts'
import { openRegistry } from '../../host/registry/registry.ts'
import { type Cluster, deployTo, eventually, type Host, startCluster, TOKEN } from './hosts.ts'

const KEY = 'a key of these tests, long enough'
const saying = (text: string): string =>
  `export default { fetch(_request, env) { return new Response(${JSON.stringify(text)} + (env.KEY ?? '')) } }`

let cluster: Cluster
let home: string

beforeAll(async () => {
  home = mkdtempSync(join(tmpdir(), 'vela-join-'))
  cluster = await startCluster({ size: 0, clusterKey: KEY })
}, 60_000)

afterAll(async () => {
  await cluster?.close()
  rmSync(home, { recursive: true, force: true })
}, 120_000)

/** A data folder as a host leaves it that was alone. */
async function alone(name: string, fill: (runtime: Runtime) => Promise<void>): Promise<string> {
  const data = join(home, name)
  mkdirSync(data, { mode: 0o700 })
  const runtime = await Runtime.create({ data, cells: { spares: 0 }, log: { level: 'silent' } })
  try {
    await runtime.registry.createToken(null, ['admin'], TOKEN)
    await fill(runtime)
  } finally {
    await runtime.stop()
  }
  return data
}

async function deploy(
  runtime: Runtime,
  tenant: string,
  service: string,
  source: string,
  routes: string[] = [],
) {
  const manifest = { name: service, engine: 'v8', routes, limits: {}, vars: {}, capabilities: {} } as const
  return await runtime.deploy({ tenant, manifest, bundle: { source, sourceMap: null } })
}

test('the first host of an empty cluster brings its registry in, with versions, secrets, decisions and tokens', async () => {
  let token = ''
  const data = await alone('first', async (runtime) => {
    await runtime.registry.createTenant('acme', { memoryMb: 32 })
    await deploy(runtime, 'acme', 'shop', saying('old'))
    await deploy(runtime, 'acme', 'shop', saying('shop '), ['/shop/*'])
    await runtime.putSecret('acme', 'shop', 'KEY', 'secret')
    token = (await runtime.registry.createToken('acme', ['read'])).token
  })
  const first = await cluster.add({ data })
  expect(await first.get('acme', 'shop')).toBe('shop secret')

  const second = await cluster.add()
  expect(await second.get('acme', 'shop')).toBe('shop secret')
  expect(await (await fetch(`${second.gateway}/shop/x`)).text()).toBe('shop secret')
  expect((await second.client.listTenants()).map(({ name, limits }) => [name, limits])).toEqual([
    ['acme', { memoryMb: 32 }],
  ])
  const answer = await fetch(`${second.admin}/v1/services`, { headers: { authorization: `Bearer ${token}` } })
  expect(answer.status).toBe(200)
  await second.client.rollback('acme', 'shop')
  await eventually('the first follows', async () => (await first.get('acme', 'shop')) === 'oldsecret')
}, 240_000)

test('one that comes later takes the cluster’s, brings what does not conflict, and says what does', async () => {
  const data = await alone('later', async (runtime) => {
    await runtime.registry.createTenant('acme')
    await runtime.registry.createTenant('globex')
    await deploy(runtime, 'acme', 'shop', saying('another shop'))
    await deploy(runtime, 'acme', 'own', saying('own'))
    await deploy(runtime, 'globex', 'mail', saying('mail'))
    await deploy(runtime, 'globex', 'thief', saying('thief'), ['/shop/*'])
  })
  await cluster.hosts[0]?.client.rollback('acme', 'shop', (await versions())[0])
  const later = await cluster.add({ data })
  const [first] = cluster.hosts as [Host]
  await eventually('the others have what it brought', async () => {
    const bodies = [await first.get('acme', 'own'), await first.get('globex', 'mail')]
    return bodies.join() === 'own,mail'
  })
  expect(await later.get('acme', 'shop')).toBe('shop secret')
  const here = (await later.client.listServices()).map(({ tenant, service }) => `${tenant}/${service}`)
  const there = (await first.client.listServices()).map(({ tenant, service }) => `${tenant}/${service}`)
  expect(here.toSorted()).toEqual(['acme/own', 'acme/shop', 'globex/mail'])
  expect(there.toSorted()).toEqual(here.toSorted())
  const complaints = later
    .log()
    .split('\n')
    .filter((line) => line.includes('not brought into the cluster'))
  expect(complaints.map((line) => (JSON.parse(line) as { service: string }).service).toSorted()).toEqual([
    'shop',
    'thief',
  ])
}, 240_000)

const versions = async (): Promise<string[]> =>
  ((await cluster.hosts[0]?.client.listVersions('acme', 'shop')) ?? []).map(({ version }) => version)

test('one that comes back brings nothing: what was deleted while it was away stays deleted, what was deployed is there', async () => {
  const [first, second] = cluster.hosts as [Host, Host]
  await second.kill()
  await first.client.deleteService('acme', 'own')
  await first.client.deleteTenant('globex', true)
  await first.client.createTenant('globex')
  await deployTo(first, 'acme', 'fresh', saying('fresh'))
  const back = await cluster.restart(1)
  expect(await back.get('acme', 'fresh')).toBe('fresh')
  expect((await back.client.listServices()).map(({ service }) => service).toSorted()).toEqual([
    'fresh',
    'shop',
  ])
  expect((await first.client.listServices()).map(({ service }) => service).toSorted()).toEqual([
    'fresh',
    'shop',
  ])
}, 240_000)

test('a host that starts without NATS serves what it knew, refuses changes, and is in line when NATS is back', async () => {
  const [first, second] = cluster.hosts as [Host, Host]
  await deployTo(first, 'acme', 'lone', saying('before'))
  await eventually('all serve it', async () => (await second.get('acme', 'lone')) === 'before')
  const cable = cluster.cables[1]
  await second.stop()
  cable?.cut()
  const back = await cluster.restart(1)
  expect(await back.get('acme', 'lone')).toBe('before')
  expect(await back.client.status()).toMatchObject({ status: 'degraded', cluster: { holdsLease: false } })
  await expect(deployTo(back, 'acme', 'lone', saying('refused'))).rejects.toMatchObject({
    code: 'VELA_CLUSTER_UNAVAILABLE',
  })
  await expect(back.client.createTenant('initech')).rejects.toMatchObject({
    code: 'VELA_CLUSTER_UNAVAILABLE',
  })
  await deployTo(first, 'acme', 'lone', saying('after'))
  expect(await back.get('acme', 'lone')).toBe('before')
  cable?.mend()
  await eventually('it follows', async () => (await back.get('acme', 'lone')) === 'after', 60_000)
  await eventually('it holds its lease', async () => (await back.client.nodes()).holdsLease, 60_000)
}, 240_000)

test('a cluster whose NATS has lost its disk gets its registry back from the hosts', async () => {
  const [first, second] = cluster.hosts as [Host, Host]
  await cluster.nats.wipe()
  await eventually(
    'a deploy is taken and followed',
    async () => {
      const text = `after ${Math.random()}`
      await deployTo(first, 'acme', 'lone', saying(text))
      return await eventually('followed', async () => (await second.get('acme', 'lone')) === text, 5000)
    },
    60_000,
  )
  const names = (await second.client.listServices()).map(({ service }) => service)
  expect(names.toSorted()).toEqual(['fresh', 'lone', 'shop'])
  expect(await second.get('acme', 'shop')).toContain('secret')
}, 240_000)

test('one with durable events that are not handled yet says whose they are, and how many; one without says nothing', async () => {
  const data = await alone('events', async (runtime) => {
    for (const tenant of ['left', 'handled', 'deleted', 'unheard'])
      await runtime.registry.createTenant(tenant)
    const publish = (tenant: string, n: number): Promise<unknown> =>
      runtime.events.publish(tenant, 'orders.placed', n, { kind: 'durable' })
    const hear = async (tenant: string, name: string, poison: number, onError: 'dead' | 'retry') => {
      const options = { kind: 'durable', name, onError, backoffMs: 60_000 } as const
      const handle = ({ data: n }: { data: unknown }): void => {
        if (n === poison) throw new Error('not now')
      }
      await runtime.events.subscribe(tenant, 'orders.*', handle, options).ready
    }
    await hear('left', 'all', 0, 'retry')
    await hear('left', 'one', 2, 'retry')
    await hear('left', 'dead', 3, 'dead')
    await hear('handled', 'all', 0, 'retry')
    await hear('deleted', 'one', 2, 'retry')
    for (const tenant of ['left', 'handled', 'deleted', 'unheard'])
      for (const n of [1, 2, 3]) await publish(tenant, n)
    await eventually('what can be is handled', async () => {
      const { consumers } = await runtime.eventsControl.status('left')
      const lags = consumers.map(({ consumer, lag, dead }) => `${consumer} ${lag} ${dead}`)
      const others = await runtime.eventsControl.status('handled')
      return lags.join() === 'host:all 0 0,host:dead 0 1,host:one 1 0' && others.consumers[0]?.lag === 0
    })
  })
  const registry = await openRegistry({ dataDir: data })
  await registry.deleteTenant('deleted', true)
  await registry.close()

  const told = (host: Host): unknown[] =>
    host
      .log()
      .split('\n')
      .filter((line) => line.includes('events of this host'))
      .map((line) => (JSON.parse(line) as { left?: unknown }).left)
  const host = await cluster.add({ data })
  expect(told(host)).toEqual([[{ tenant: 'left', events: 1, deadLetters: 1 }]])
  await host.stop()

  const without = await cluster.add()
  expect(told(without)).toEqual([])
  expect(readdirSync(without.data).filter((name) => name.startsWith('events'))).toEqual([])
}, 240_000)
