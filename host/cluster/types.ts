/** What the rest of the host sees of the cluster's nodes, and what its Vela needs to know of each. */
import type { ClusterNode } from '../core/control.ts'

export type NodeStatus = ClusterNode
export type NodeState = ClusterNode['state']
export type NodeLoad = ClusterNode['load']

export interface Membership {
  readonly self: string
  /** By id; those lost are listed for a while. */
  nodes(): readonly NodeStatus[]
  /** Seen in time, whatever its state. Nothing of a node that this host has never seen is alive. */
  isAlive(id: string): boolean
  /** False once this host could not renew in time: it owns nothing, and says so to no one. False before the first renewal too. */
  readonly holdsLease: boolean
  /** The node of those ready that a key falls to, the same on each host that sees the same nodes; this one if none is ready. */
  assignedTo(key: string): string
  /** This host holds its lease and the key falls to it. */
  isMine(key: string): boolean
  /** A node came, went or changed its state, or this host won or lost its lease. Returns how to stop. */
  onChange(listener: () => void): () => void
}

/** All hosts of a cluster should have the same. */
export interface ClusterTimes {
  /** Between two heartbeats. */
  readonly heartbeatMs: number
  /** A node that has had no acknowledged heartbeat for this long owns nothing. More than twice `heartbeatMs`. */
  readonly leaseMs: number
  /** A node that has not been seen for this long is gone. More than `leaseMs`, by what clocks and messages may be late. */
  readonly lostAfterMs: number
}

export const CLUSTER_TIMES: ClusterTimes = { heartbeatMs: 2000, leaseMs: 6000, lostAfterMs: 10_000 }
