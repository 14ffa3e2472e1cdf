/** A cluster of hosts in one process: what needs no process of its own to be seen. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createCronClaims } from '../../host/cluster/cron-claims.ts'
import { createMembership } from '../../host/cluster/membership.ts'
import { openNats } from '../../host/nats/nats.ts'
import type { Nats } from '../../host/nats/types.ts'
import { parseConfig } from '../../host/core/config.ts'
import { createLog } from '../../host/core/log.ts'
import { Runtime } from '../../host/core/runtime.ts'
import { runVela } from '../cli/run.ts'
import { startNats, type NatsServer } from '../nats/server.ts'
import { eventually, TIMES } from './hosts.ts'
import { until } from '../until.ts'

let server: NatsServer
let nats: Nats
let runtime: Runtime
let admin: string
let token: string

const config = (name: string) => ({
  data: null,
  gateway: { port: 0 },
  admin: { port: 0 },
  cells: { spares: 0 },
  log: { level: 'silent' as const },
  nats: { servers: [server.url] },
  node: { name, ...TIMES },
})
const silent = createLog({ level: 'silent', destination: 'stderr' })

beforeAll(async () => {
  server = await startNats()
  runtime = await Runtime.create(config('one'))
  ;({ admin } = await runtime.start())
  token = (await runtime.registry.createToken(null, ['admin'])).token
  const parsed = parseConfig(config('bare'))
  if (parsed.nats === null) throw new Error('no nats')
  nats = await openNats(parsed.nats, silent)
}, 240_000)

afterAll(async () => {
  await nats?.close()
  await runtime?.stop()
  await server?.stop()
}, 60_000)

test('a secret is refused without a cluster key, with what to do', async () => {
  await runtime.registry.createTenant('acme')
  await expect(runtime.registry.putSecret('acme', 'shop', 'KEY', 'value')).rejects.toMatchObject({
    code: 'VELA_CLUSTER_NO_KEY',
    message: expect.stringContaining('nats.clusterKey') as string,
  })
})

test('a cluster key that can be guessed stops the start', async () => {
  const weak = { ...config('weak'), nats: { servers: [server.url], clusterKey: 'short' } }
  await expect(Runtime.create(weak)).rejects.toMatchObject({ code: 'VELA_CONFIG_INVALID' })
})

test.each([
  [{ heartbeatMs: 1000, leaseMs: 2000, lostAfterMs: 9000 }, 'node.leaseMs'],
  [{ heartbeatMs: 1000, leaseMs: 3000, lostAfterMs: 3500 }, 'node.lostAfterMs'],
])('times by which a host could be taken for gone while it owns something are refused: %o', (times, key) => {
  expect(() => parseConfig({ node: times })).toThrow(key)
})

test('`vela nodes` shows the nodes', async () => {
  const env = { VELA_API_URL: admin, VELA_API_TOKEN: token }
  const shown = await runVela(['nodes'], { env })
  expect([shown.exitCode, shown.stdout]).toEqual([0, expect.stringMatching(/one-[0-9a-f]{8}.*ready.*held/)])
  const { stdout } = await runVela(['nodes', '--json'], { env })
  const status = JSON.parse(stdout) as { self: string; nodes: { id: string }[] }
  expect(status.nodes.map(({ id }) => id)).toEqual([status.self])
}, 60_000)

test('a minute of a schedule is claimed once, even by hosts that each take it for theirs', async () => {
  const claims = Array.from({ length: 5 }, () =>
    createCronClaims({ nats, membership: { isMine: () => true }, log: silent }),
  )
  for (const minute of [60_000, 120_000]) {
    const won = await Promise.all(claims.map((claim) => claim('acme', 'shop', '* * * * *', minute)))
    expect(won.filter(Boolean)).toHaveLength(1)
  }
  const [claim] = claims
  expect(await claim?.('acme', 'shop', '*/5 * * * *', 60_000)).toBe(true)
  const other = createCronClaims({ nats, membership: { isMine: () => false }, log: silent })
  expect(await other('acme', 'mail', '* * * * *', 60_000)).toBe(false)
})

test('a node that dies without a word is lost for the others, in time, and one that comes is ready for work', async () => {
  const own = await runtime.nodes()
  const parsed = parseConfig(config('ghost'))
  const link = await openNats(parsed.nats as NonNullable<typeof parsed.nats>, silent)
  const ghost = createMembership({
    nats: link,
    log: silent,
    name: 'ghost of a.host',
    vela: '0',
    addresses: () => ({ gateway: 'http://ghost', admin: '' }),
    load: () => ({ cpu: 0.5, turns: 3, queue: 4 }),
    times: TIMES,
  })
  const seen = async () => (await runtime.nodes()).nodes.find(({ id }) => id === ghost.self)
  ghost.start()
  await until('it is a node of the cluster', () => ghost.holdsLease)
  expect(ghost.self).toMatch(/^ghost-of-a-host-[0-9a-f]{8}$/)
  expect(ghost.isMine('any key')).toBe(false)
  ghost.ready()
  await eventually('it is ready', async () => (await seen())?.state === 'ready')
  expect(await seen()).toMatchObject({ gateway: 'http://ghost', load: { cpu: 0.5, turns: 3, queue: 4 } })
  const keys = Array.from({ length: 64 }, (_, index) => `key-${index}`)
  await eventually(
    'both see both',
    () => ghost.assignedTo('x') !== '' && ghost.nodes().length >= own.nodes.length + 1,
  )
  expect(new Set(keys.map((key) => ghost.assignedTo(key)))).toEqual(new Set([ghost.self, own.self]))

  await ghost.drain()
  await eventually('it is given nothing', () => keys.every((key) => ghost.assignedTo(key) === own.self))
  await link.close()
  const diedMs = performance.now()
  await eventually('it is lost', async () => (await seen())?.state === 'lost')
  // Not before others could have waited out its lease.
  expect(performance.now() - diedMs).toBeGreaterThan(TIMES.leaseMs)
  await ghost.leave()
}, 120_000)
