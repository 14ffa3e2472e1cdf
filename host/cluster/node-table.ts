/**
 * Who is there, by this host's own monotonic clock. A node is lost when it has not been seen for `lostAfterMs` *while this host
 * was looking*: after a gap in what it sees (NATS away, this process stopped) every node has its whole time again. Otherwise a host
 * that comes back would take everything from hosts that never were away.
 */
import type { NodeRecord } from './node-record.ts'
import type { ClusterTimes, NodeStatus } from './types.ts'

const KEEP_LOST_MS = 10 * 60_000
const MAX_LOST = 100
const MAX_NODES = 1000

export interface NodeTable {
  /** True when that changes who is there or in what state. */
  seen(record: NodeRecord, nowMs: number): boolean
  /** It said itself that it goes. */
  left(id: string): boolean
  /** Nothing has been heard until now for reasons of this host. */
  gap(nowMs: number): void
  /** Marks those lost that are; true if there were any. */
  sweep(nowMs: number): boolean
  isAlive(id: string): boolean
  nodes(): readonly NodeStatus[]
  /** Ids of those that take work. */
  ready(): readonly string[]
}

interface Row {
  record: NodeRecord
  seenMs: number
  lostMs: number | undefined
}

export function createNodeTable(times: ClusterTimes): NodeTable {
  const rows = new Map<string, Row>()
  let lookingSinceMs = Number.NEGATIVE_INFINITY
  let ready: readonly string[] | undefined

  const changed = (): true => {
    ready = undefined
    return true
  }

  const forgetLost = (nowMs: number): void => {
    const lost = [...rows].filter(([, { lostMs }]) => lostMs !== undefined)
    lost.sort(([, a], [, b]) => (b.lostMs as number) - (a.lostMs as number))
    for (const [at, [id, { lostMs }]] of lost.entries())
      if (at >= MAX_LOST || nowMs - (lostMs as number) > KEEP_LOST_MS) rows.delete(id)
  }

  return {
    seen(record, nowMs) {
      const row = rows.get(record.id)
      if (row === undefined) {
        if (rows.size >= MAX_NODES) return false
        rows.set(record.id, { record, seenMs: nowMs, lostMs: undefined })
        return changed()
      }
      // Read again after the watch was opened anew: no sign of life.
      if (record.beat <= row.record.beat) return false
      const before = row.lostMs === undefined ? row.record.state : 'lost'
      row.record = record
      row.seenMs = nowMs
      row.lostMs = undefined
      return before === record.state ? false : changed()
    },
    left: (id) => rows.delete(id) && changed(),
    gap(nowMs) {
      lookingSinceMs = nowMs
    },
    sweep(nowMs) {
      let some = false
      for (const row of rows.values()) {
        // A host that is configured to wait for less must still outwait the other's lease.
        const after = Math.max(times.lostAfterMs, row.record.leaseMs + 2 * times.heartbeatMs)
        if (row.lostMs !== undefined || nowMs - Math.max(row.seenMs, lookingSinceMs) < after) continue
        row.lostMs = nowMs
        some = changed()
      }
      forgetLost(nowMs)
      return some
    },
    isAlive(id) {
      const row = rows.get(id)
      return row !== undefined && row.lostMs === undefined
    },
    nodes: () => [...rows.values()].map(statusOf).sort((a, b) => (a.id < b.id ? -1 : 1)),
    ready: () =>
      (ready ??= [...rows.values()]
        .filter(({ record, lostMs }) => lostMs === undefined && record.state === 'ready')
        .map(({ record }) => record.id)),
  }
}

function statusOf({ record, lostMs }: Row): NodeStatus {
  const { id, name, gateway, admin, startedMs, load, vela, runtime } = record
  const state = lostMs === undefined ? record.state : 'lost'
  return { id, name, gateway, admin, startedMs, state, load, vela, runtime }
}
