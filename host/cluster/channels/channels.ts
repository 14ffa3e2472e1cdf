/**
 * The channels of a cluster: each is held by one host, and others have their ends there by messages. An owner's calls wait until it is
 * known who holds the channel, and go on in their order; if that host is lost the next call finds another.
 */
import { randomUUID } from 'node:crypto'
import type { EndOwner } from '../../concurrency/channels/end.ts'
import type { ChannelDirectory, ChannelHub, ChannelSettings } from '../../concurrency/channels/hub.ts'
import type { Log } from '../../core/log.ts'
import { checkName } from '../../registry/names.ts'
import type { Nats } from '../../nats/types.ts'
import type { Peers } from '../peers/types.ts'
import type { Membership } from '../types.ts'
import { createFarEnds, type FarEnds } from './far-ends.ts'
import { createFoundEnds } from './found-ends.ts'
import { channelKey, createHolders } from './holders.ts'
import { createKeeper } from './keeper.ts'
import { ANSWERS, ASKS, headerOf, readAnswer, readAsk } from './wire.ts'

export interface ClusterChannelsDeps {
  readonly local: ChannelHub
  readonly nats: Pick<Nats, 'prefix' | 'kv' | 'state' | 'onState'>
  readonly membership: Membership
  readonly peers: Peers
  readonly log: Pick<Log, 'warn'>
  /** Between two words about ends that are still there; 5 s if left out. */
  readonly keepAliveMs?: number
}

const ALIVE_MS = 5000
/** An end of which nothing was heard for so many of those times has gone. */
const MOST_MISSED = 4
const MOST_IN_MESSAGE = 1000

export function createClusterChannels(deps: ClusterChannelsDeps): ChannelDirectory {
  const { local, nats, membership, peers, log, keepAliveMs = ALIVE_MS } = deps
  const holders = createHolders({ nats, membership })
  const far = new Map<string, FarEnds>()
  /** What this host holds is used by these; to be told when it is another's. */
  const near = new Map<string, Set<() => void>>()
  const keeper = createKeeper({
    local,
    now: () => performance.now(),
    answer: (to, answer, body) =>
      void peers.send(to, ANSWERS, { header: headerOf(answer), ...(body === undefined ? {} : { body }) }),
  })

  const openFar = (
    node: string,
    owner: EndOwner,
    tenant: string,
    name: string,
    settings: ChannelSettings,
  ): FarEnds => {
    const id = randomUUID()
    const ends = createFarEnds({
      id,
      node,
      owner,
      send: (ask, body) =>
        peers.send(node, ASKS, { header: headerOf(ask), ...(body === undefined ? {} : { body }) }),
      onBroken: () => far.delete(id),
    })
    far.set(id, ends)
    peers.send(node, ASKS, {
      header: headerOf({ op: 'open', ends: id, tenant, name, settings: { ...settings } }),
    })
    return ends
  }

  const breakFar = (isLost: (node: string) => boolean): void => {
    for (const ends of far.values()) if (isLost(ends.node)) ends.break()
  }

  const checkHeld = async (): Promise<void> => {
    for (const { tenant, name } of await holders.lostSince()) {
      for (const tell of near.get(channelKey(tenant, name)) ?? []) tell()
      // What stood in it would be found again, long after, if this host held the channel once more.
      local.drop(tenant, name)
    }
  }

  const stops = [
    peers.listen(ASKS, ({ header, body }, from) => {
      const ask = readAsk(header)
      if (ask !== undefined) keeper.hear(from, ask, body)
    }),
    peers.listen(ANSWERS, ({ header, body }) => {
      const answer = readAnswer(header)
      if (answer !== undefined) far.get(answer.ends)?.hear(answer, body)
    }),
    nats.onState((state) => {
      if (state === 'connected') return
      breakFar(() => true)
      keeper.lose(() => true)
    }),
    membership.onChange(() => {
      const isLost = (node: string): boolean => !membership.isAlive(node)
      breakFar(isLost)
      keeper.lose(isLost)
      if (membership.holdsLease && nats.state === 'connected')
        checkHeld().catch((error: unknown) => log.warn('channels', { message: 'not looked at', error }))
    }),
  ]
  const ticker = setInterval(() => {
    keeper.sweep(keepAliveMs * MOST_MISSED)
    const byNode = Map.groupBy(far, ([, { node }]) => node)
    for (const [node, ends] of byNode)
      for (let from = 0; from < ends.length; from += MOST_IN_MESSAGE) {
        const all = ends.slice(from, from + MOST_IN_MESSAGE).map(([id]) => id)
        peers.send(node, ASKS, { header: headerOf({ op: 'alive', all }) })
      }
  }, keepAliveMs).unref()

  return {
    check(tenant, name) {
      checkName('tenant', tenant)
      checkName('channel', name)
    },
    ends(owner, tenant, name, settings) {
      const key = channelKey(tenant, name)
      return createFoundEnds({
        find: () => holders.find(tenant, name),
        open(node, onMoved) {
          if (node !== membership.self)
            return { ends: openFar(node, owner, tenant, name, settings), left: () => undefined }
          const users = near.get(key) ?? new Set()
          near.set(key, users.add(onMoved))
          return {
            ends: local.ends(owner, tenant, name, settings),
            left() {
              users.delete(onMoved)
              if (users.size === 0 && near.get(key) === users) near.delete(key)
            },
          }
        },
      })
    },
    async deleteTenant(tenant) {
      local.leaveTenant(tenant)
      await holders.erase(tenant)
    },
    leaveTenant(tenant) {
      holders.forget(tenant)
      local.leaveTenant(tenant)
    },
    close() {
      clearInterval(ticker)
      for (const stop of stops) stop()
      breakFar(() => true)
      keeper.lose(() => true)
    },
  }
}
