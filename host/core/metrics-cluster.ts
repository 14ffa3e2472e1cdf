/** What the host shows of its cluster. A host alone shows nothing of it. */
import type { Metric } from 'prom-client'
import { counter, gauge } from './metrics-series.ts'

export interface ClusterSources {
  /** The state of each node that this host knows of, itself among them. */
  readonly clusterNodes?: () => readonly string[]
  readonly clusterLeaseHeld?: () => boolean
  /** Parts of the registry that are not in line with the cluster; null before it has been read. */
  readonly clusterRegistryBehind?: () => number | null
  readonly clusterTraffic?: () => ClusterTraffic
}

/** What goes between this host and others; totals are since the start. */
export interface ClusterTraffic {
  readonly actorsOwned: number
  readonly actorMessages: { readonly out: number; readonly in: number }
  readonly calls: { readonly out: number; readonly in: number }
  /** Carried calls under way, both ways. */
  readonly callsOpen: number
  /** Requests to other hosts that wait for their answer. */
  readonly requestsWaiting: number
  /** Open links, to other hosts and of them. */
  readonly links: number
}

const STATES = ['starting', 'ready', 'draining', 'lost']

export function createClusterMetrics(
  register: (metric: Metric) => void,
  sources: () => ClusterSources,
): void {
  register(
    gauge('vela_cluster_nodes', 'Hosts of the cluster by state, as this one sees them', () => {
      const states = sources().clusterNodes?.()
      return states === undefined
        ? []
        : STATES.map((state) => ({
            labels: { state },
            value: states.filter((one) => one === state).length,
          }))
    }),
  )
  register(
    gauge('vela_cluster_lease_held', '1 while this host may own actors and consumers', () => {
      const held = sources().clusterLeaseHeld?.()
      return held === undefined ? [] : [{ labels: {}, value: Number(held) }]
    }),
  )
  register(
    gauge('vela_cluster_registry_behind', 'Parts of the registry not in line with the cluster’s', () => {
      const behind = sources().clusterRegistryBehind?.() ?? undefined
      return behind === undefined ? [] : [{ labels: {}, value: behind }]
    }),
  )
  const traffic = (
    name: string,
    help: string,
    make: typeof gauge,
    read: (now: ClusterTraffic) => number | ClusterTraffic['calls'],
  ): void =>
    register(
      make(name, help, () => {
        const now = sources().clusterTraffic?.()
        if (now === undefined) return []
        const value = read(now)
        return typeof value === 'number'
          ? [{ labels: {}, value }]
          : (['out', 'in'] as const).map((direction) => ({ labels: { direction }, value: value[direction] }))
      }),
    )
  traffic('vela_cluster_actors_owned', 'Actors that this host owns', gauge, (now) => now.actorsOwned)
  traffic(
    'vela_cluster_actor_messages_total',
    'Messages between this host and actors of others, and of others and its own',
    counter,
    (now) => now.actorMessages,
  )
  traffic(
    'vela_cluster_calls_total',
    'Calls that other hosts carried out for this one, and it for them',
    counter,
    (now) => now.calls,
  )
  traffic('vela_cluster_calls_open', 'Such calls under way', gauge, (now) => now.callsOpen)
  traffic(
    'vela_cluster_requests_waiting',
    'Requests to other hosts without an answer yet',
    gauge,
    (now) => now.requestsWaiting,
  )
  traffic('vela_cluster_links', 'Open links, to other hosts and of them', gauge, (now) => now.links)
}
