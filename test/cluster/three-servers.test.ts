/**
 * Two real hosts on a NATS of three servers with three copies of everything, while one server after another is killed in the midst of the work: the
 * history is checked, what was acknowledged is there. Then two at once: what is refused says why, and all goes on when they are back.
 */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startThreeServers, type ThreeServers } from '../nats/three-servers.ts'
import { epochsOf } from './epochs.ts'
import { deployTo, eventually, type Host, startHost } from './hosts.ts'
import { ask, deployWork, saying } from './work-guest.ts'

const COUNTERS = ['a', 'b', 'c']
const KINDS = ['count', 'publish', 'put'] as const
type Kind = (typeof KINDS)[number]

/** What a deed may answer while servers are lost and leaders chosen. Each says that it is not, or not surely, done. */
const REFUSALS = new Set([
  'VELA_CLUSTER_UNAVAILABLE',
  'VELA_NODE_LOST',
  'VELA_ACTOR_STORAGE_FAILED',
  'VELA_ACTOR_FENCED',
  'VELA_EVENTS_UNAVAILABLE',
])

const LOADERS = 2

let three: ThreeServers
let hosts: readonly Host[] = []
let home = ''
let isOver = false
let loads: Promise<void>[] = []
let count = 0
/** By kind and id, with the answer. */
const acknowledged: Record<
  Kind,
  Map<string, { readonly host: number; readonly name: string; readonly answer: unknown }>
> = {
  count: new Map(),
  publish: new Map(),
  put: new Map(),
}
const strange: string[] = []

/** One deed after the other on one host, of all three kinds in turn. */
async function load(at: number, kind: Kind): Promise<void> {
  while (!isOver) {
    const id = `${kind}${at}x${++count}`
    const name = COUNTERS[count % COUNTERS.length] as string
    try {
      const { done, code } = await ask(hosts[at] as Host, `/${kind}/${id}/${name}`)
      if (code === undefined) acknowledged[kind].set(id, { host: at, name, answer: done })
      else if (!REFUSALS.has(code)) strange.push(`${kind}: ${code}`)
    } catch (error) {
      strange.push(`${kind}: ${String(error)}`)
    }
    await new Promise((resolve) => setTimeout(resolve, 60))
  }
}

function startLoads(): void {
  isOver = false
  loads = hosts.flatMap((_, at) =>
    KINDS.flatMap((kind) => Array.from({ length: LOADERS }, () => load(at, kind))),
  )
}

async function stopLoads(): Promise<void> {
  isOver = true
  await Promise.all(loads)
}

const doneOn = (at: number, kind: Kind): number =>
  [...acknowledged[kind].values()].filter(({ host }) => host === at).length

/** Both hosts do more of each kind. */
async function progress(after: string): Promise<void> {
  const before = hosts.flatMap((_, at) => KINDS.map((kind) => ({ at, kind, done: doneOn(at, kind) })))
  await eventually(
    `both hosts go on after ${after}`,
    () => before.every(({ at, kind, done }) => doneOn(at, kind) > done + 3),
    60_000,
  )
}

/** Every stream has all its copies up to date: what an operator waits for before the next server goes. */
const whole = (): Promise<unknown> =>
  eventually(
    'all copies are up to date',
    async () =>
      (await three.streams()).every(
        ({ cluster }) => cluster?.replicas?.every(({ current }) => current) === true,
      ),
    60_000,
  )

const healthOf = async (host: Host): Promise<string> =>
  ((await (await fetch(`${host.admin}/healthz`)).json()) as { status: string }).status

/** What each host says that `say` is, and serves: the same, and one of these. */
const agreed = (...texts: readonly string[]): Promise<unknown> =>
  eventually(
    `both hosts serve ${texts.join(', or both ')}`,
    async () => {
      const served = await Promise.all(
        hosts.map(async (host) => {
          const text = await host.get('acme', 'say')
          if (!texts.includes(text)) throw new Error(`${host.name} serves ${text}`)
          const services = await host.client.listServices('acme')
          return [text, services.find(({ service }) => service === 'say')?.activeVersion]
        }),
      )
      return served[0]?.[1] !== undefined && String(served[0]) === String(served[1])
    },
    60_000,
  )

/** As a program that wants it to be there. */
const deploySoon = (at: number, text: string): Promise<unknown> =>
  eventually(
    `${text} is deployed`,
    async () => {
      try {
        return await deployTo(hosts[at] as Host, 'acme', 'say', saying(text))
      } catch (error) {
        const { code } = error as { code?: string }
        if (code !== 'VELA_CLUSTER_UNAVAILABLE' && code !== 'VELA_CLUSTER_CONFLICT')
          strange.push(`deploy: ${code}`)
        throw error
      }
    },
    60_000,
  )

/** What hosts do that a single server is left to. */
async function refuseByName(): Promise<void> {
  await eventually('both say degraded', async () =>
    (await Promise.all(hosts.map(healthOf))).every((status) => status === 'degraded'),
  )
  const changes = hosts.flatMap((host, at) => [
    deployTo(host, 'acme', 'say', saying('half done')),
    host.client.createTenant(`half-${at}`),
  ])
  for (const result of await Promise.allSettled(changes))
    expect(result).toMatchObject({ status: 'rejected', reason: { code: 'VELA_CLUSTER_UNAVAILABLE' } })
  for (const host of hosts) expect(await host.get('acme', 'say')).toBe('before the loss')
  const answers = await Promise.all(
    hosts.flatMap((host) =>
      KINDS.map(async (kind) => ({ kind, code: (await ask(host, `/${kind}/half/a`)).code })),
    ),
  )
  expect(answers.filter(({ code }) => code === undefined || !REFUSALS.has(code))).toEqual([])
}

beforeAll(async () => {
  three = await startThreeServers()
  home = mkdtempSync(join(tmpdir(), 'vela-three-'))
  hosts = await Promise.all(
    ['h0', 'h1'].map((name) => {
      const data = join(home, name)
      mkdirSync(data, { mode: 0o700 })
      return startHost({ name, data, nats: three.urls.join(','), env: { VELA_NATS_REPLICAS: '3' } })
    }),
  )
  const [first] = hosts as [Host]
  await first.client.createTenant('acme')
  await deployWork(first)
  await deployTo(first, 'acme', 'say', saying('first'))
  await agreed('first')
  startLoads()
  await progress('the start')
}, 120_000)

afterAll(async () => {
  await stopLoads()
  await Promise.all(hosts.map((host) => host.stop()))
  await three?.stop()
  rmSync(home, { recursive: true, force: true })
}, 120_000)

describe('on a NATS of three servers', () => {
  test('everything that is stored has three copies', async () => {
    const streams = await three.streams()
    const copies = Object.fromEntries(streams.map(({ config }) => [config.name, config.num_replicas]))
    expect(Object.entries(copies).filter(([, number]) => number !== 3)).toEqual([])
    expect(Object.keys(copies)).toEqual(
      expect.arrayContaining([
        'KV_vela-registry',
        'KV_vela-versions',
        'KV_vela-nodes',
        'KV_vela-owners',
        'KV_vela-cursors',
        'OBJ_vela-bundles',
        'vela-actors',
        'vela-kv',
        'vela_events_acme',
      ]),
    )
    // Of a bucket that is read, and not only watched, a copy that is behind must not answer.
    const direct = streams.filter(({ config }) => config.allow_direct).map(({ config }) => config.name)
    expect(direct).not.toContain('KV_vela-owners')
    expect(direct).not.toContain('KV_vela-cursors')
    expect(direct).not.toContain('KV_vela-registry')
  })

  test('work goes on while one server after another is killed and comes back', async () => {
    const victims: readonly (readonly [string, () => Promise<number | undefined>])[] = [
      ['the server of h0', () => three.serverOf('vela h0')],
      ['the leader of the actors’ stream', () => three.leaderOf('vela-actors')],
    ]
    for (const [round, [what, find]] of victims.entries()) {
      await whole()
      const at = await find()
      if (at === undefined) throw new Error(`${what} is not there`)
      await three.servers[at]?.kill()
      await deploySoon(round % 2, `without ${at} in round ${round}`)
      await progress(`${what} was killed`)
      await three.servers[at]?.restart()
      await agreed(`without ${at} in round ${round}`)
    }
  }, 300_000)

  test('nothing that was acknowledged is lost, and no two hosts owned an actor', async () => {
    await stopLoads()
    await whole()
    expect(strange).toEqual([])
    const [first] = hosts as [Host]
    for (const counter of COUNTERS) {
      const history = await eventually(
        `${counter} tells its history`,
        async () => (await ask(first, `/history/${counter}`)).done as Record<string, number> | undefined,
      )
      const numbers = Object.values(history)
      expect(new Set(numbers).size).toBe(numbers.length)
      const mine = [...acknowledged.count].filter(([, { name }]) => name === counter)
      expect(mine.filter(([id, { answer }]) => history[id] !== answer)).toEqual([])
    }
    for (const host of hosts) {
      for (const [kind, prefix] of [
        ['put', 'put'],
        ['publish', 'handled'],
      ] as const) {
        await eventually(
          `${host.name} has all ${prefix}`,
          async () => {
            const there = new Set((await ask(host, `/list/${prefix}`)).done as string[])
            const missing = [...acknowledged[kind].keys()].filter((id) => !there.has(id))
            if (missing.length > 0) {
              const { consumers } = await first.client.eventsStatus('acme')
              throw new Error(
                `missing: ${missing.slice(0, 5).join(', ')} of ${missing.length}; ${JSON.stringify(consumers)}`,
              )
            }
            return true
          },
          60_000,
        )
      }
    }
    expect(await first.client.listDeadEvents('acme')).toEqual([])
    expect(await epochsOf(three.urls)).toEqual([])
    expect(Math.min(...KINDS.map((kind) => acknowledged[kind].size))).toBeGreaterThan(50)
  }, 120_000)

  test('without two servers the hosts serve, refuse changes by name, and recover', async () => {
    startLoads()
    await deploySoon(0, 'before the loss')
    await agreed('before the loss')
    await Promise.all([three.servers[0]?.kill(), three.servers[2]?.kill()])
    try {
      await refuseByName()
    } finally {
      await Promise.all([three.servers[0]?.restart(), three.servers[2]?.restart()])
    }
    await progress('two servers were lost and are back')
    await eventually('both are well', async () =>
      (await Promise.all(hosts.map(healthOf))).every((status) => status === 'ok'),
    )
    // What was refused may have been written down by the server that was left: then it is in force now, whole, and on both.
    await agreed('before the loss', 'half done')
    await deploySoon(1, 'after the loss')
    await agreed('after the loss')
    await eventually('both have the same tenants', async () => {
      const [here, there] = await Promise.all(hosts.map((host) => host.client.listTenants()))
      return JSON.stringify(here) === JSON.stringify(there)
    })
    for (const { name } of await (hosts[0] as Host).client.listTenants())
      if (name !== 'acme') await deployTo(hosts[0] as Host, name, 'say', saying(name))
    expect(strange).toEqual([])
  }, 300_000)
})
