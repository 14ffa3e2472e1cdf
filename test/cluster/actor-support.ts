/** Nodes of a cluster in one process: real NATS, membership, peers and logs; the guests' homes are the test itself (test/actors/host-support.ts). */
import { onTestFinished } from 'vitest'
import { createActors } from '../../host/concurrency/actors/actors.ts'
import { openActorStore, type ActorStore } from '../../host/concurrency/actors/store/store.ts'
import { VelaError } from '../../host/core/errors.ts'
import { createActorsInCluster } from '../../host/cluster/actors/assemble.ts'
import type { ClusterActors } from '../../host/cluster/actors/cluster-actors.ts'
import { createMembership, type Member } from '../../host/cluster/membership.ts'
import { createPeers, type LinksAt, type Peers } from '../../host/cluster/peers/peers.ts'
import type { Nats } from '../../host/nats/types.ts'
import { eventually, makeHome, type FakeHome, type Stage, type Taken } from '../actors/host-support.ts'
import { createTestLog, open } from '../nats/open.ts'
import { TIMES } from './hosts.ts'
import { until } from '../until.ts'

export interface Node extends Stage {
  readonly actors: ClusterActors
  readonly nats: Nats
  readonly member: Member
  readonly peers: Peers
  /** Leaves at once, as a killed process does: nothing is given up. */
  crash(): Promise<void>
  end(): Promise<void>
}

let nodes = 0

export interface NodeOptions {
  readonly url: string
  readonly prefix: string
  /** Until `end` is called, rather than to the end of the test. */
  readonly keep?: boolean
  readonly tidyEveryMs?: number
  readonly spareBytes?: number
  readonly links?: LinksAt
  /** What it is given as NATS; `url` if left out. */
  readonly via?: string
  /** The host's own store; an empty one if left out. */
  readonly own?: ActorStore
}

export const newPrefix = (): string => `t${process.pid}x${++nodes}`

export async function startNode({
  url,
  via = url,
  prefix,
  keep = false,
  links = 'auto',
  ...options
}: NodeOptions): Promise<Node> {
  const log = createTestLog()
  const nats = await open({ servers: [via], prefix }, log, { pingMs: 500, retryMs: 100, dialMs: 2000 })
  const member = createMembership({
    nats,
    log,
    name: `n${++nodes}`,
    vela: 'test',
    addresses: () => ({ gateway: '', admin: '' }),
    load: () => ({ cpu: 0, turns: 0, queue: 0 }),
    times: TIMES,
  })
  const peers = createPeers({ nats, membership: member, log, links })
  const cache = await openActorStore({ dataDir: null })
  const own = options.own ?? (await openActorStore({ dataDir: null }))
  const homes: FakeHome[] = []
  const outcomes: string[] = []
  const actors = createActorsInCluster({
    nats,
    membership: member,
    peers,
    log,
    cache,
    own,
    fetchAt: () => Promise.reject(new VelaError('VELA_NODE_LOST', 'not here')),
    createLocal: (store) =>
      createActors({
        store,
        find: (tenant, service) =>
          tenant !== 'acme' || service !== 'shop'
            ? undefined
            : {
                declares: (name) => node.classes.has(name),
                homes: () => node.homes.filter(({ gone, resting }) => !gone && !resting),
                start: () => node.start(),
              },
        createFetch: () => {
          throw new Error('no requests in this test')
        },
        onThrew: () => undefined,
        onFailure: (what, thrown) => void outcomes.push(`${what}: ${String(thrown)}`),
        meter: {
          message: (kind, outcome) => void outcomes.push(`${kind} ${outcome}`),
          deadLetter: () => void outcomes.push('dead letter'),
        },
        alarmBackoffMs: 50,
      }),
    ...options,
  })
  let isOver = false
  const end = async (isCrash: boolean): Promise<void> => {
    if (isOver) return
    isOver = true
    if (isCrash) await nats.close()
    else await member.leave()
    peers.close()
    await actors.close().catch(() => undefined)
    await member.leave()
    await nats.close()
  }
  const node: Node = {
    actors,
    store: own,
    homes,
    start: () => {
      homes.push(makeHome())
      return Promise.resolve()
    },
    classes: new Set(['Cart']),
    outcomes,
    nats,
    member,
    peers,
    crash: () => end(true),
    end: () => end(false),
  }
  if (!keep) onTestFinished(() => end(false))
  member.start()
  await until('it is a node of the cluster', () => member.holdsLease)
  member.ready()
  actors.start()
  return node
}

/** So many of one cluster, which see each other. */
export async function startNodes(
  count: number,
  url: string,
  options: Omit<Partial<NodeOptions>, 'url' | 'prefix'> = {},
): Promise<Node[]> {
  const prefix = newPrefix()
  const all = await Promise.all(Array.from({ length: count }, () => startNode({ url, prefix, ...options })))
  await meet(...all)
  return all
}

/** The replica at the node. */
export function homeAt({ homes }: Node): FakeHome {
  const [home] = homes
  if (home === undefined) throw new Error('the node has no replica')
  return home
}

/** The next message at the node, once it has a replica. */
export async function takenAt(node: Node): Promise<Taken> {
  await eventually(() => node.homes.length).toBeGreaterThan(0)
  return await homeAt(node).next()
}

/** Resolves when each of them sees all others ready. */
export async function meet(...all: readonly Node[]): Promise<void> {
  const seen = (): boolean =>
    all.every(({ member }) =>
      all.every(({ member: other }) =>
        member.nodes().some(({ id, state }) => id === other.self && state === 'ready'),
      ),
    )
  const untilMs = performance.now() + 20_000
  while (!seen()) {
    if (performance.now() > untilMs) throw new Error('the nodes do not see each other')
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
}
