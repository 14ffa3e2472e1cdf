/**
 * Deploys from all hosts at once, while hosts are killed, cut off and NATS is killed, by a seed
 * (VELA_FAULT_SEED; VELA_FAULT_ROUNDS: how many faults). At the end every host has
 * the same versions, each service serves one that was deployed, and none that a later acknowledged deploy had replaced.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { createChance, SEED } from '../actors/chance.ts'
import { type Cluster, deployTo, eventually, type Host, startCluster } from './hosts.ts'

const SERVICES = ['shop', 'mail']
const HOSTS = 3
/** Of five kinds of faults so many, by the seed. */
const FAULTS = Number(process.env['VELA_FAULT_ROUNDS'] ?? 3)

interface Deed {
  readonly service: string
  readonly text: string
  readonly startedMs: number
  /** Infinite while nobody knows: it may come into force at any later moment. */
  endedMs: number
  isAcknowledged: boolean
}

const saying = (text: string): string =>
  `export default { fetch() { return new Response(${JSON.stringify(text)}) } }`

test(`hosts agree on what is deployed, whatever is killed or cut (seed ${SEED})`, async () => {
  const cluster = await startCluster({ size: HOSTS })
  const { below: random } = createChance(SEED)
  const history: Deed[] = []
  let isOver = false
  let count = 0

  /** One deploy after the other on one host, until it is over. */
  const deployer = async (index: number): Promise<void> => {
    while (!isOver) {
      const host = cluster.hosts[index] as Host
      const service = SERVICES[random(SERVICES.length)] as string
      const text = `${service} ${++count} of h${index}`
      const deed: Deed = {
        service,
        text,
        startedMs: performance.now(),
        endedMs: Number.POSITIVE_INFINITY,
        isAcknowledged: false,
      }
      history.push(deed)
      try {
        await deployTo(host, 'acme', service, saying(text))
        deed.isAcknowledged = true
        deed.endedMs = performance.now()
      } catch (error) {
        const { code } = error as { code?: string }
        // Refused before it was written: it never comes into force.
        if (code === 'VELA_CLUSTER_CONFLICT') deed.endedMs = deed.startedMs
        await sleep(100)
      }
    }
  }

  const faults: readonly ((index: number) => Promise<void>)[] = [
    async (index) => {
      await cluster.hosts[index]?.kill()
      await cluster.restart(index)
    },
    async (index) => {
      cluster.cables[index]?.cut()
      await sleep(1000 + random(3000))
      cluster.cables[index]?.mend()
    },
    async (index) => {
      cluster.cables[index]?.reset()
      await sleep(random(500))
    },
    async () => {
      await cluster.nats.kill()
      await sleep(random(1500))
      await cluster.nats.restart()
    },
    async (index) => {
      cluster.hosts[index]?.pause()
      await sleep(1000 + random(3000))
      cluster.hosts[index]?.resume()
    },
  ]

  try {
    await cluster.hosts[0]?.client.createTenant('acme')
    const deployers = Array.from({ length: HOSTS }, (_, index) => deployer(index))
    // Each kind once before any comes again, in an order and on hosts by the seed.
    const all = Array.from({ length: Math.ceil(FAULTS / faults.length) }, () => shuffled(faults, random))
    for (const fault of all.flat().slice(0, FAULTS)) {
      await sleep(300 + random(500))
      await fault(random(HOSTS))
    }
    await sleep(300)
    isOver = true
    await Promise.all(deployers)

    const agreed = await eventually('every host has and serves the same', () => agreement(cluster), 120_000)
    expect(history.filter(({ isAcknowledged }) => isAcknowledged).length).toBeGreaterThan(5)
    for (const service of SERVICES) {
      const deeds = history.filter((deed) => deed.service === service)
      const final = deeds.find(({ text }) => text === agreed.get(service))
      const acknowledged = deeds.filter(({ isAcknowledged }) => isAcknowledged)
      if (acknowledged.length > 0) expect(final, `${service} serves what nobody deployed`).toBeDefined()
      const later = acknowledged.filter(({ startedMs }) => startedMs > (final?.endedMs ?? Infinity))
      expect(later, `${service} serves ${final?.text}, which these had replaced`).toEqual([])
    }
  } finally {
    isOver = true
    await cluster.close()
  }
}, 580_000)

/** What each service says, if all hosts say the same of versions and to clients. */
async function agreement(cluster: Cluster): Promise<Map<string, string> | undefined> {
  const views = await Promise.all(
    cluster.hosts.map(async (host) => {
      const services = await host.client.listServices('acme')
      const said = await Promise.all(
        services.map(async ({ service, activeVersion }) => {
          const { version } = (await host.client.listVersions('acme', service)).find(
            (one) => one.version === activeVersion,
          ) ?? { version: 'not listed' }
          return [service, version, await host.get('acme', service)] as const
        }),
      )
      return said.toSorted(([a], [b]) => (a < b ? -1 : 1))
    }),
  )
  const [first = []] = views
  if (first.length === 0 || views.some((view) => JSON.stringify(view) !== JSON.stringify(first)))
    return undefined
  return new Map(first.map(([service, , text]) => [service, text]))
}

function shuffled<Item>(items: readonly Item[], random: (below: number) => number): Item[] {
  const left = [...items]
  return Array.from({ length: items.length }, () => left.splice(random(left.length), 1)[0] as Item)
}
