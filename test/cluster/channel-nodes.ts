/** Hosts of a cluster reduced to what channels need: a connection, a membership, peers and a hub each, in one process. */
import { randomUUID } from 'node:crypto'
import { expect, onTestFinished } from 'vitest'
import { createClusterChannels } from '../../host/cluster/channels/channels.ts'
import { createMembership } from '../../host/cluster/membership.ts'
import { createPeers } from '../../host/cluster/peers/peers.ts'
import {
  createChannelHub,
  type ChannelDirectory,
  type ChannelHub,
} from '../../host/concurrency/channels/hub.ts'
import { createTestLog, open } from '../nats/open.ts'
import { until } from '../until.ts'

const log = createTestLog()

export const AT = 'acme/jobs'

export const freshPrefix = (): string => `ch${randomUUID().slice(0, 8)}`

export interface Node {
  readonly channels: ChannelDirectory
  sees(count: number): boolean
  readonly hub: ChannelHub
  /** As a host that dies: nothing is said to anybody. */
  die(): Promise<void>
}

/** Each sees all the others when it resolves. */
export async function startNodes(count: number, url: string): Promise<Node[]> {
  const prefix = freshPrefix()
  const nodes: Node[] = []
  for (let index = 0; index < count; index++) nodes.push(await startNode(prefix, url))
  await expect
    .poll(() => nodes.every((node) => node.sees(count)), { timeout: 10_000, interval: 10 })
    .toBe(true)
  return nodes
}

export async function startNode(prefix: string, url: string): Promise<Node> {
  const nats = await open({ servers: [url], prefix }, log, { pingMs: 200, retryMs: 50, dialMs: 500 })
  const membership = createMembership({
    nats,
    log,
    name: 'node',
    vela: 'test',
    addresses: () => ({ gateway: '', admin: '' }),
    load: () => ({ cpu: 0, turns: 0, queue: 0 }),
    times: { heartbeatMs: 100, leaseMs: 600, lostAfterMs: 1000 },
  })
  membership.start()
  await until('it is a node of the cluster', () => membership.holdsLease)
  membership.ready()
  const peers = createPeers({ nats, membership, log })
  const hub = createChannelHub()
  const channels = createClusterChannels({ local: hub, nats, membership, peers, log, keepAliveMs: 200 })
  let isDead = false
  const die = async (): Promise<void> => {
    if (isDead) return
    isDead = true
    await nats.close()
    channels.close()
    peers.close()
    await membership.leave().catch(() => undefined)
  }
  onTestFinished(die)
  const sees = (count: number): boolean =>
    membership.nodes().filter(({ state }) => state === 'ready').length === count
  return { channels, hub, sees, die }
}

/** How it ends. */
export const endOf = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    (value) => ({ value }),
    (error: { code?: unknown; message?: unknown; cause?: unknown }) => ({
      error: error.code ?? error.message,
      ...(error.cause === undefined ? {} : { cause: error.cause }),
    }),
  )
