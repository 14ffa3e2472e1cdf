/**
 * The channels of a cluster: each is held by one host, and others have their ends there by messages. An owner's calls wait until it is
 * known who holds the channel, and go on in their order; if that host is lost the next call finds another.
 */
import { randomUUID } from 'node:crypto'
import type { EndOwner } from '../../concurrency/channels/end.ts'
import type { ChannelEnds } from '../../concurrency/channels/ends.ts'
import type { ChannelDirectory, ChannelHub, ChannelSettings } from '../../concurrency/channels/hub.ts'
import type { Log } from '../../core/log.ts'
import { checkName } from '../../registry/names.ts'
import type { Nats } from '../../nats/types.ts'
import type { Peers } from '../peers/types.ts'
import type { Membership } from '../types.ts'
import { createFarEnds, type FarEnds } from './far-ends.ts'
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
          if (node !== membership.self) return openFar(node, owner, tenant, name, settings)
          const ends = local.ends(owner, tenant, name, settings)
          const users = near.get(key) ?? new Set()
          near.set(key, users.add(onMoved))
          return {
            ...withGetters(ends),
            leaveAll() {
              users.delete(onMoved)
              if (users.size === 0 && near.get(key) === users) near.delete(key)
              ends.leaveAll()
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

const withGetters = (ends: ChannelEnds): ChannelEnds => ({
  get reservedBytes() {
    return ends.reservedBytes
  },
  put: (...asked) => ends.put(...asked),
  rest: () => ends.rest(),
  take: (...asked) => ends.take(...asked),
  giveUp: (id) => ends.giveUp(id),
  leave: (id) => ends.leave(id),
  close: (reason) => ends.close(reason),
  leaveAll: () => ends.leaveAll(),
})

interface FoundEndsDeps {
  readonly find: () => Promise<string>
  /** `onMoved`: the channel is not at that node any more. */
  readonly open: (node: string, onMoved: () => void) => ChannelEnds & { readonly isBroken?: boolean }
}

interface Queued {
  readonly run: (ends: ChannelEnds) => void
  readonly fail: ((thrown: unknown) => void) | undefined
}

/** Ends of which it is found out, when they are used, where they are. */
function createFoundEnds({ find, open }: FoundEndsDeps): ChannelEnds {
  let ends: (ChannelEnds & { readonly isBroken?: boolean }) | undefined
  let queue: Queued[] = []
  let isFinding = false

  const moved = (): void => {
    const before = ends
    ends = undefined
    before?.leaveAll()
  }

  const flush = (found: ChannelEnds): void => {
    const queued = queue
    queue = []
    for (const { run, fail } of queued) {
      try {
        run(found)
      } catch (thrown) {
        fail?.(thrown)
      }
    }
  }

  const begin = (): void => {
    isFinding = true
    find().then(
      (node) => {
        isFinding = false
        ends = open(node, moved)
        flush(ends)
      },
      (thrown: unknown) => {
        isFinding = false
        const queued = queue
        queue = []
        for (const { fail } of queued) fail?.(thrown)
      },
    )
  }

  const use = (run: Queued['run'], fail?: Queued['fail']): void => {
    if (ends?.isBroken === true) ends = undefined
    if (ends !== undefined) return run(ends)
    queue.push({ run, fail })
    if (!isFinding) begin()
  }

  return {
    get reservedBytes() {
      return ends?.reservedBytes ?? 0
    },
    put: (chunk, options, reply, fail) => use((found) => found.put(chunk, options, reply, fail), fail),
    take: (id, consumed, want, isEngaged, reply, fail) =>
      use((found) => found.take(id, consumed, want, isEngaged, reply, fail), fail),
    close: (reason) => use((found) => found.close(reason)),
    // Nothing is out of what has not been found yet, but for what is queued before it.
    rest: () => (ends === undefined && queue.length === 0 ? undefined : use((found) => found.rest())),
    giveUp: (id) => (ends === undefined && queue.length === 0 ? undefined : use((found) => found.giveUp(id))),
    leave: (id) => (ends === undefined && queue.length === 0 ? undefined : use((found) => found.leave(id))),
    leaveAll() {
      queue = []
      ends?.leaveAll()
      ends = undefined
    },
  }
}
