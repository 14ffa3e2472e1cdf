/**
 * Durable events of what is deleted, on real hosts of which one is killed between the deletion and the erasure, or cut off meanwhile:
 * another erases stream, cursors and dead letters, and only then the name is free. What comes after meets nothing of it.
 */
import { jetstreamManager } from '@nats-io/jetstream'
import { connect, type NatsConnection } from '@nats-io/transport-node'
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import { startNode } from './registry-nodes.ts'
import { type Cluster, deployTo, eventually, type Host, startCluster } from './hosts.ts'

/** Longer than it takes to see that a deletion is under way, and to kill its host. */
const DRAIN_MS = 20_000

/**
 * Hears `orders.*` from the beginning; what is poison becomes a dead letter. On a host where /stay was asked for it takes its time to
 * stop, and the erasure, which waits for that, does not begin.
 */
const SINK = `
  import { env } from '@vela/guest-sdk'
  let stays = false
  const got = []
  export default {
    start() {},
    async stop() { if (stays) await new Promise(() => {}) },
    fetch(request) {
      if (new URL(request.url).pathname.endsWith('/stay')) stays = true
      return new Response(got.join())
    },
  }
  export function onOrder({ data }) {
    got.push(data)
    if (data.startsWith('poison')) throw new Error('poison')
  }
  export function onHeld() { throw new Error('later') }`
const MANIFEST = {
  capabilities: {
    events: {
      ORDERS: {
        kind: 'durable',
        subscribe: [
          { subject: 'orders.*', handler: 'onOrder', retries: 0, from: 'all' },
          // So that the log keeps what the other has handled.
          { subject: 'orders.>', handler: 'onHeld', retries: 50, backoffMs: 60_000, from: 'all' },
        ],
      },
    },
  },
}

let cluster: Cluster
let nats: NatsConnection

beforeAll(async () => {
  cluster = await startCluster({ size: 2, env: { VELA_DRAIN_MS: String(DRAIN_MS) } })
  nats = await connect({ servers: cluster.nats.url })
}, 180_000)

afterAll(async () => {
  await nats?.close()
  await cluster?.close()
}, 120_000)

const hostAt = (index: number): Host => cluster.hosts[index] as Host

const publish = (host: Host, tenant: string, data: string): Promise<unknown> =>
  host.client.publishEvent(
    tenant,
    { specversion: '1.0', id: data, source: 'https://example.com', type: 'orders.placed', data },
    'durable',
  )

/** The names of all that JetStream has of a tenant's events: streams, and keys of cursors. */
async function keptOf(tenant: string): Promise<string[]> {
  const manager = await jetstreamManager(nats)
  const names: string[] = []
  for await (const name of manager.streams.names()) names.push(name)
  const found = names.filter((name) => name.endsWith(`_${tenant}`))
  if (!names.includes('KV_vela-cursors')) return found
  const { state } = await manager.streams.info('KV_vela-cursors', {
    subjects_filter: `$KV.vela-cursors.${tenant}.>`,
  })
  found.push(...Object.keys(state.subjects ?? {}))
  return found.sort()
}

/** Deployed, with one event handled and one that has become a dead letter. */
async function serve(tenant: string): Promise<void> {
  const [a] = cluster.hosts as readonly [Host]
  await a.client.createTenant(tenant)
  await deployTo(a, tenant, 'sink', SINK, MANIFEST)
  for (const data of ['old', 'poison-old']) await publish(a, tenant, data)
  await eventually('a dead letter', async () => {
    const { consumers } = await a.client.eventsStatus(tenant)
    return (
      consumers.some(({ dead, lag }) => dead === 1 && lag === 0) && consumers.some(({ lag }) => lag === 2)
    )
  })
}

/** The first host is killed when the other knows of the deletion, and the first has not begun to erase. */
async function killAmid(tenant: string, remove: (host: Host) => Promise<void>): Promise<void> {
  const [a, b] = cluster.hosts as readonly [Host, Host]
  await a.get(tenant, 'sink', '/stay')
  expect(await keptOf(tenant)).toHaveLength(4)
  const deleted = remove(a)
  deleted.catch(() => undefined)
  await eventually('the other host knows', async () => {
    const response = await fetch(`${b.gateway}/${tenant}/sink/`)
    await response.body?.cancel()
    return response.status === 404
  })
  await a.kill()
  await expect(deleted).rejects.toThrow()
}

/** All that a host does that is killed within the deletion of a service: it cannot be held there for as long as a test needs. */
async function deleteOnly(tenant: string, service: string): Promise<void> {
  const { registry } = await startNode(cluster.nats.url, 'vela')
  await registry.deleteService(tenant, service)
  await registry.close()
}

test('a service that was deleted by a host that was killed leaves no place and no dead letter to the next of its name', async () => {
  await serve('beta')
  expect(await keptOf('beta')).toHaveLength(4)
  await deleteOnly('beta', 'sink')
  const b = hostAt(1)
  await eventually('it is erased', async () => (await b.client.eventsStatus('beta')).consumers.length === 0)
  await eventually('it is deployed again', async () => await deployTo(b, 'beta', 'sink', SINK, MANIFEST))
  // From the beginning, as it asks: its place is a new one.
  await eventually('it hears all', async () => {
    const { consumers } = await b.client.eventsStatus('beta')
    return consumers.some(({ dead, lag }) => dead === 1 && lag === 0)
  })
}, 120_000)

test('what a host that was cut off still sends for a deleted tenant is refused, and leaves nothing', async () => {
  const [a, b] = cluster.hosts as readonly [Host, Host]
  await a.client.createTenant('cut')
  await publish(b, 'cut', 'before')
  cluster.cables[1]?.cut()
  onTestFinished(() => cluster.cables[1]?.mend())
  const late = publish(b, 'cut', 'late')
  late.catch(() => undefined)
  await eventually('it waits', async () => /^vela_nats_outbox_events 1$/mu.test(await b.client.metrics()))
  await a.client.deleteTenant('cut')
  expect(await keptOf('cut')).toEqual([])
  cluster.cables[1]?.mend()
  await expect(late).rejects.toMatchObject({ code: 'VELA_TENANT_NOT_FOUND' })
  expect(await keptOf('cut')).toEqual([])
}, 60_000)

test('a tenant that was deleted by a host that was killed leaves no event, dead letter or cursor to the next of its name', async () => {
  await serve('acme')
  await killAmid('acme', ({ client }) => client.deleteTenant('acme', true))
  expect(await keptOf('acme')).toEqual(['KV_vela_dead_acme', 'vela_events_acme'])
  const b = hostAt(1)
  await expect(b.client.createTenant('acme')).rejects.toMatchObject({ code: 'VELA_CLUSTER_CONFLICT' })

  await eventually('the name is free', async () => (await b.client.createTenant('acme')) !== undefined)
  expect(await keptOf('acme')).toEqual([])
  await deployTo(b, 'acme', 'sink', SINK, MANIFEST)
  await publish(b, 'acme', 'new')
  await eventually('it is handled', async () => (await b.get('acme', 'sink')) !== '')
  expect(await b.get('acme', 'sink')).toBe('new')
  expect((await b.client.eventsStatus('acme')).consumers).toMatchObject([{ dead: 0 }, { dead: 0 }])
}, 240_000)
