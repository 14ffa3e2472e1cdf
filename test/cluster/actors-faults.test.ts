/**
 * Real hosts under seeded faults: kills, stops, cuts, restarts of NATS, while increments go through all of them. The history is what is checked:
 * every acknowledged increment is there, with the number it was told; no number was given twice; and in the logs epochs only grow, each of one
 * node. `VELA_FAULT_SEED` repeats a run.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { createChance, SEED, type Chance } from '../actors/chance.ts'
import { call, callSoon, deployCounter } from './counter-guest.ts'
import { epochsOf } from './epochs.ts'
import { eventually, startCluster, type Cluster, type Host } from './hosts.ts'

const TIMES = { heartbeatMs: 500, leaseMs: 3000, lostAfterMs: 4500 }
const COUNTERS = ['a', 'b', 'c', 'd']
const FAULTS = 6
const LOADERS = 4

interface Acknowledged {
  readonly counter: string
  readonly id: string
  readonly n: number
}

/** One thing goes wrong, for a while. */
async function fault(cluster: Cluster, chance: Chance): Promise<string> {
  const at = chance.below(cluster.hosts.length)
  const host = cluster.hosts[at] as Host
  const forMs = 200 + chance.below(TIMES.lostAfterMs + 2000)
  const kind = chance.pick(['kill', 'pause', 'cut', 'reset', 'nats', 'pause', 'cut']) ?? 'kill'
  if (kind === 'kill') await cluster.restart(at)
  else if (kind === 'pause') {
    host.pause()
    await sleep(forMs)
    host.resume()
  } else if (kind === 'cut') {
    cluster.cables[at]?.cut()
    await sleep(forMs)
    cluster.cables[at]?.mend()
  } else if (kind === 'reset') cluster.cables[at]?.reset()
  else await cluster.nats.restart()
  return `${kind} ${host.name}`
}

test(`no acknowledged increment is lost, and none is made twice (VELA_FAULT_SEED=${SEED})`, async () => {
  const cluster = await startCluster({ size: 3, times: TIMES })
  try {
    await deployCounter(cluster)
    const chance = createChance(SEED)
    const acknowledged: Acknowledged[] = []
    let stop = false
    const load = async (loader: number): Promise<void> => {
      for (let count = 0; !stop; count++) {
        const host = cluster.hosts[(loader + count) % cluster.hosts.length] as Host
        const counter = COUNTERS[(loader * 7 + count) % COUNTERS.length] as string
        const id = `l${loader}x${count}`
        try {
          const answered = call(host, counter, 'add', id)
          answered.catch(() => undefined)
          // One that is stopped answers when it wakes up, and that counts then.
          void answered.then(
            (n) => acknowledged.push({ counter, id, n: Number(n) }),
            () => undefined,
          )
          await Promise.race([answered, sleep(1000)])
        } catch {
          await sleep(50)
        }
      }
    }
    const loads = Array.from({ length: LOADERS }, (_, loader) => load(loader))
    const happened: string[] = []
    for (let count = 0; count < FAULTS; count++) {
      const before = acknowledged.length
      await eventually(
        `there is progress after ${happened.join(', ') || 'nothing'}`,
        () => acknowledged.length > before + 10,
        60_000,
      )
      happened.push(await fault(cluster, chance))
    }
    const before = acknowledged.length
    await eventually(
      `there is progress after ${happened.join(', ')}`,
      () => acknowledged.length > before + 10,
      60_000,
    )
    stop = true
    await Promise.all(loads)

    for (const counter of COUNTERS) {
      const history = (await callSoon(cluster.hosts[0] as Host, counter, 'history')) as Record<string, number>
      const numbers = Object.values(history)
      expect(new Set(numbers).size, happened.join(', ')).toBe(numbers.length)
      const wrong = acknowledged.filter((one) => one.counter === counter && history[one.id] !== one.n)
      expect(wrong, happened.join(', ')).toEqual([])
      for (const host of cluster.hosts) {
        const seen = (await callSoon(host, counter, 'history')) as Record<string, number>
        expect(Object.keys(seen).length).toBeGreaterThanOrEqual(numbers.length)
      }
    }
    expect(acknowledged.length).toBeGreaterThan(50)
    expect(await epochsOf([cluster.nats.url])).toEqual([])
  } finally {
    await cluster.close()
  }
}, 400_000)
