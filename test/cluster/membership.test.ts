/** What a host believes of the others, over a real NATS: it owns nothing before it has seen them, and a watch that went deaf is opened anew. */
import { setTimeout as sleep } from 'node:timers/promises'
import { jetstreamManager } from '@nats-io/jetstream'
import { Kvm } from '@nats-io/kv'
import { jetstream } from '@nats-io/jetstream'
import { connect, type NatsConnection } from '@nats-io/transport-node'
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import { stateOf } from '../../host/cluster/buckets.ts'
import { watchBucket } from '../../host/cluster/bucket-watch.ts'
import { createMembership, type Member } from '../../host/cluster/membership.ts'
import { createTestLog, open } from '../nats/open.ts'
import { type NatsServer, startNats } from '../nats/server.ts'
import { createCable } from './cable.ts'
import { eventually } from './hosts.ts'
import { until } from '../until.ts'

const log = createTestLog()
const TIMES = { heartbeatMs: 100, leaseMs: 600, lostAfterMs: 1200 }

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

const freshPrefix = (): string => `m${++count}`

async function startMember(prefix: string, url = server.url): Promise<Member> {
  const nats = await open({ servers: [url], prefix }, log, { pingMs: 200, retryMs: 50, dialMs: 500 })
  const member = createMembership({
    nats,
    log,
    name: 'node',
    vela: 'test',
    addresses: () => ({ gateway: '', admin: '' }),
    load: () => ({ cpu: 0, turns: 0, queue: 0 }),
    times: TIMES,
  })
  onTestFinished(async () => {
    await member.leave()
    await nats.close()
  })
  member.start()
  await until('it is a node of the cluster', () => member.holdsLease)
  member.ready()
  return member
}

/** Ends all consumers of a bucket on the server, as if it had lost them: nobody is told. */
async function deafen(bucket: string): Promise<number> {
  const manager = await jetstreamManager(operator)
  let ended = 0
  for await (const { name } of manager.consumers.list(`KV_${bucket}`)) {
    await manager.consumers.delete(`KV_${bucket}`, name)
    ended++
  }
  return ended
}

test('a host that holds its lease has seen all who were there', async () => {
  const prefix = freshPrefix()
  const members: Member[] = []
  for (let index = 0; index < 4; index++) {
    const member = await startMember(prefix)
    for (const other of members) expect(member.isAlive(other.self)).toBe(true)
    members.push(member)
  }
})

test('one that was cut off owns nothing again before it has seen who came meanwhile', async () => {
  const prefix = freshPrefix()
  const cable = await createCable(server.port)
  onTestFinished(() => cable.close())
  const cut = await startMember(prefix, cable.url)
  cable.cut()
  await eventually('its lease is lost', () => !cut.holdsLease)
  const came = await startMember(prefix)
  let knew: boolean | undefined
  cut.onChange(() => {
    if (cut.holdsLease) knew ??= cut.isAlive(came.self)
  })
  // Dialed anew: what its watch has missed does not come by itself.
  cable.reset()
  cable.mend()
  await eventually('its lease is back', () => cut.holdsLease)
  expect(knew ?? cut.isAlive(came.self)).toBe(true)
})

test('whose consumer is gone sees the others again, and takes nobody for lost meanwhile', async () => {
  const prefix = freshPrefix()
  const [one, two] = [await startMember(prefix), await startMember(prefix)]
  await eventually('they see each other', () => one.isAlive(two.self))
  const changes: boolean[] = []
  one.onChange(() => changes.push(one.isAlive(two.self)))
  expect(await deafen(`${prefix}-nodes`)).toBeGreaterThan(0)
  const third = await startMember(prefix)
  await eventually('a later one is seen', () => one.isAlive(third.self) && two.isAlive(third.self))
  expect(changes).not.toContain(false)
})

test('a watch whose consumer is gone, or whose bucket was made anew, shows what comes after', async () => {
  const name = freshPrefix()
  const kvm = new Kvm(jetstream(operator))
  const nats = { manager: () => jetstreamManager(operator) }
  const shown = new Map<string, string>()
  let opened = 0
  const watch = watchBucket({
    name,
    log,
    open: () => kvm.create(name, { history: 1 }),
    onOpen: () => void opened++,
    look: () => stateOf(nats, name),
    lookMs: 50,
    onEntry: (entry) => void shown.set(entry.key, entry.string()),
  })
  onTestFinished(() => watch.close())
  const bucket = await kvm.create(name, { history: 1 })
  await bucket.put('a', '1')
  await eventually('it is shown', () => shown.get('a') === '1')

  expect(await deafen(name)).toBe(1)
  await bucket.put('b', '2')
  await eventually('shown after its consumer was gone', () => shown.get('b') === '2', 5000)

  await (await jetstreamManager(operator)).streams.delete(`KV_${name}`)
  const again = await kvm.create(name, { history: 1 })
  await again.put('c', '3')
  await eventually('shown out of the new bucket', () => shown.get('c') === '3', 5000)

  // One that gets all there is stays as it is, though its last entries are purged without a mark.
  const before = opened
  await (await jetstreamManager(operator)).streams.purge(`KV_${name}`)
  for (let index = 0; index < 5; index++) await watch.check()
  await sleep(1200)
  expect(opened).toBe(before)
}, 30_000)
