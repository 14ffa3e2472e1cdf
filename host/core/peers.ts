/** Part of the composition root: requests and calls between the hosts of a cluster. */
import type { ClusterActors } from '../cluster/actors/cluster-actors.ts'
import type { NodeCalls } from '../cluster/calls/calls.ts'
import type { Elsewhere } from '../cluster/calls/elsewhere.ts'
import type { Peers } from '../cluster/peers/types.ts'
import type { Actors } from '../concurrency/actors/actors.ts'
import { lazy } from '../di/token.ts'
import { provide, type Provider } from '../di/provider.ts'
import { readAddress } from './config-nats.ts'
import type { ClusterTraffic } from './metrics-cluster.ts'
import { PART } from './parts.ts'

/** What may be there or not, as a part that always is. */
export interface HostPeers {
  /** null: this host is alone. */
  readonly peers: Peers | null
}

/** Calls that hosts carry for each other; null: this host is alone. */
export interface HostCalls {
  readonly calls: NodeCalls | null
  readonly elsewhere: Elsewhere | undefined
}

export const peerParts: readonly Provider[] = [
  provide(PART.peers, {
    inject: [PART.cluster, PART.log, PART.config],
    async useFactory({ cluster }, log, { node: { links } }): Promise<HostPeers> {
      if (cluster === null) return { peers: null }
      const { createPeers } = await import('../cluster/peers/peers.ts')
      const at = links === 'auto' || links === 'off' ? links : readAddress(links)
      return { peers: createPeers({ ...cluster, log, links: at }) }
    },
    // What it served to the end is answered before the others hear that this host has gone.
    onStop: ({ peers }) => peers?.finish(),
    dispose: ({ peers }) => peers?.close(),
  }),
  provide(PART.calls, {
    inject: [PART.cluster, PART.peers, PART.catalog, lazy(PART.actors)],
    async useFactory({ cluster }, { peers }, catalog, actors): Promise<HostCalls> {
      if (cluster === null || peers === null) return { calls: null, elsewhere: undefined }
      const { createNodeCalls } = await import('../cluster/calls/calls.ts')
      const { createElsewhere } = await import('../cluster/calls/elsewhere.ts')
      const calls = createNodeCalls({
        ...cluster,
        peers,
        dispatchHere(tenant, name, call) {
          const service = catalog.get(tenant, name)
          service?.dispatchHere(call)
          return service !== undefined
        },
        // In a cluster actors are the cluster's.
        fetchHere: (...given) => (actors() as ClusterActors).fetchHere(...given),
      })
      return { calls, elsewhere: createElsewhere({ calls, membership: cluster.membership }) }
    },
    dispose: ({ calls }) => calls?.close(),
  }),
]

/** For metrics. */
export function trafficOf(actors: Actors, peers: Peers, calls: NodeCalls): ClusterTraffic {
  // In a cluster actors are the cluster's.
  const { owned, traffic } = actors as ClusterActors
  return {
    actorsOwned: owned,
    actorMessages: traffic,
    calls: calls.traffic,
    callsOpen: calls.open,
    requestsWaiting: peers.waiting,
    links: peers.links,
  }
}
