/** Joins the parts of a cluster's actors: stands between the local half of actors and NATS. */
import { nowMs } from '../../cells/clock.ts'
import type { Actors } from '../../concurrency/actors/contract.ts'
import type { ActorStore } from '../../concurrency/actors/store/store.ts'
import type { Log } from '../../core/log.ts'
import type { Nats } from '../../nats/types.ts'
import type { Peers } from '../peers/types.ts'
import type { Membership } from '../types.ts'
import { createAlarmIndex } from './alarm-index.ts'
import { startBringIn } from './bring-in.ts'
import { createClusterActors, type ClusterActors, type ClusterActorsDeps } from './cluster-actors.ts'
import { createDeadLetters } from './dead-letters.ts'
import { createKeptActors, moved } from './kept.ts'
import { createActorLog } from './log.ts'
import { createLogStore } from './log-store.ts'
import { createOwners } from './owners.ts'

export interface ActorsInClusterDeps {
  readonly nats: Nats
  readonly membership: Membership
  readonly peers: Peers
  readonly log: Log
  /** In memory. */
  readonly cache: ActorStore
  /** For the host's own actors. */
  readonly own: ActorStore
  /** Makes the local half over the store that it is given. */
  readonly createLocal: (store: ActorStore) => Actors
  readonly fetchAt: ClusterActorsDeps['fetchAt']
  /** For tests. */
  readonly tidyEveryMs?: number
  readonly spareBytes?: number
}

export interface ActorsInCluster extends ClusterActors {
  readonly local: Actors
  /** Resolves when what this host stored while it was alone is in the cluster; never rejects. */
  readonly broughtIn: Promise<void>
}

export function createActorsInCluster(deps: ActorsInClusterDeps): ActorsInCluster {
  const { nats, membership, peers, log, cache, own } = deps
  let draining = false
  const onFailure = (what: string, error: unknown): void => log.warn('actors', { message: what, error })
  // The local half stands on the store, and the store asks it who is in memory.
  const late: { local?: Actors; all?: ClusterActors } = {}
  const isDraining = (): boolean =>
    draining && membership.nodes().some(({ id, state }) => id !== membership.self && state === 'ready')

  const actorLog = createActorLog(nats)
  const owners = createOwners({ nats, membership, isDraining })
  const kept = createKeptActors({ log: actorLog, cache, self: membership.self, onFailure })
  const index = createAlarmIndex({
    nats,
    membership,
    log,
    now: nowMs,
    isAtHand: (address) => owners.mine(address) !== undefined && kept.get(address) !== undefined,
    rouse: async (address) => await late.all?.rouse(address),
  })
  const dead = createDeadLetters(nats)
  const bringIn = startBringIn({ nats, own, actorLog, index, dead, log })
  const store = createLogStore({
    log: actorLog,
    cache,
    own,
    kept,
    owners,
    membership,
    index,
    dead,
    broughtIn: (address) => bringIn.before(address),
    isActive: (address) => late.local?.isActive(address) === true,
    onFenced(address) {
      late.local
        ?.evict(address, moved())
        .catch((thrown: unknown) => onFailure('a fenced actor could not be told', thrown))
    },
    onAlarm: (atMs) => late.local?.wakeAlarms(atMs),
    onFailure,
    ...(deps.spareBytes === undefined ? {} : { spareBytes: deps.spareBytes }),
  })
  const local = deps.createLocal(store)
  late.local = local
  const all = createClusterActors({
    local,
    owners,
    store,
    index: {
      start: () => index.start(),
      close() {
        bringIn.close()
        index.close()
      },
    },
    peers,
    membership,
    fetchAt: deps.fetchAt,
    onFailure,
    startDraining: () => void (draining = true),
    isDraining,
    ...(deps.tidyEveryMs === undefined ? {} : { tidyEveryMs: deps.tidyEveryMs }),
  })
  late.all = all
  return Object.assign(all, { local, broughtIn: bringIn.done })
}
