/**
 * Which hosts there are, and whether this one may own anything. Each puts a heartbeat into the nodes bucket and watches those of all.
 * A lease that is not renewed is lost here before anyone else takes it for lost (`lease.ts`), and a host judges others only by what it
 * saw while it could see (`node-table.ts`). Nothing here decides who owns what: that is done by compare-and-set, and fenced by epochs.
 */
import { randomBytes } from 'node:crypto'
import type { KV } from '@nats-io/kv'
import { VelaError } from '../core/errors.ts'
import type { Log } from '../core/log.ts'
import { within } from '../core/within.ts'
import type { Nats } from '../nats/nats.ts'
import { openBucket } from './buckets.ts'
import { watchBucket } from './bucket-watch.ts'
import { createLease } from './lease.ts'
import { decodeNode, encodeNode } from './node-record.ts'
import { createNodeTable } from './node-table.ts'
import { rendezvous } from './rendezvous.ts'
import { CLUSTER_TIMES, type ClusterTimes, type Membership, type NodeLoad } from './types.ts'

export interface MembershipDeps {
  readonly nats: Pick<Nats, 'prefix' | 'replicas' | 'jetstream' | 'onState'>
  readonly log: Log
  /** Part of the node's id; what a subject cannot hold is replaced. */
  readonly name: string
  readonly vela: string
  /** Asked at each heartbeat. */
  readonly addresses: () => { readonly gateway: string; readonly admin: string }
  readonly load: () => NodeLoad
  readonly times?: Partial<ClusterTimes>
}

export interface Member extends Membership {
  /** Heartbeats and watches from here on, as `starting`. Does not wait for NATS. */
  start(): void
  /** Work may fall to this node, and be sent to it. */
  ready(): void
  /** Nothing new for this node; resolves when the others can know. */
  drain(): Promise<void>
  /** Gives the lease up and deletes the node's entry, last: the others need not wait. */
  leave(): Promise<void>
}

const LEAVE_MS = 2000
const STALE_ECHO = 2.5

export function createMembership(deps: MembershipDeps): Member {
  const { nats, log, addresses, load } = deps
  const times = checkTimes({ ...CLUSTER_TIMES, ...deps.times })
  const name = deps.name.replaceAll(/[^A-Za-z0-9_-]+/g, '-').slice(0, 60) || 'node'
  const self = `${name}-${randomBytes(4).toString('hex')}`
  const startedMs = Date.now()
  const table = createNodeTable(times)
  const listeners = new Set<() => void>()
  let state: 'starting' | 'ready' | 'draining' = 'starting'
  let beats = 0
  let bucket: Promise<KV> | undefined
  /** When this host last saw a heartbeat of its own come back, or opened its watch anew because none did. */
  let echoMs = performance.now()
  /** One that was sent since the watch was opened, and the lease was last lost, has come back: so has all that others sent before it. */
  let sees = false
  let oldBeats = 0
  let watch: ReturnType<typeof watchBucket> | undefined
  let sweeper: NodeJS.Timeout | undefined
  let lastSweepMs = performance.now()
  let leaving = false
  let left: Promise<void> | undefined

  const tell = (): void => {
    for (const listener of listeners) {
      try {
        listener()
      } catch (error) {
        log.error('listener to the cluster failed', { error })
      }
    }
  }

  /** A bucket that has gone with its server's disk is made again by the next who asks. */
  const open = (): Promise<KV> => {
    bucket ??= openBucket(nats, `${nats.prefix}-nodes`, { ttl: times.lostAfterMs }).catch(
      (error: unknown) => {
        bucket = undefined
        throw error
      },
    )
    return bucket
  }

  const send = async (): Promise<void> => {
    const record = {
      id: self,
      name,
      ...addresses(),
      startedMs,
      state,
      load: load(),
      vela: deps.vela,
      runtime: process.version,
      beat: ++beats,
      leaseMs: times.leaseMs,
    }
    const kv = await open()
    try {
      await kv.put(self, encodeNode(record), { timeout: times.leaseMs })
    } catch (error) {
      bucket = undefined
      throw error
    }
  }

  const lease = createLease({
    heartbeatMs: times.heartbeatMs,
    leaseMs: times.leaseMs,
    send,
    onChange() {
      // What came and went meanwhile has to be seen before anything is claimed from it.
      if (!lease.held) {
        sees = false
        oldBeats = beats
      }
      if (lease.held) log.info('lease held', { node: self })
      else if (leaving) log.info('lease given up', { node: self })
      else log.warn('lease lost', { node: self })
      tell()
    },
    onFailure: (error) => log.debug('heartbeat failed', { error }),
  })

  const sweep = (): void => {
    const nowMs = performance.now()
    const stopped = nowMs - lastSweepMs > 2 * times.heartbeatMs
    lastSweepMs = nowMs
    const behindMs = nowMs - echoMs
    if (stopped || behindMs > STALE_ECHO * times.heartbeatMs) table.gap(nowMs)
    // Heartbeats arrive in the bucket and do not come back: this watch is deaf.
    if (lease.held && behindMs > times.leaseMs) {
      echoMs = nowMs
      table.gap(nowMs)
      watch?.restart()
    }
    if (table.sweep(nowMs)) tell()
  }

  return {
    self,
    nodes: () => table.nodes(),
    isAlive: (id) => (id === self ? !leaving : table.isAlive(id)),
    get holdsLease() {
      return lease.held && sees
    },
    assignedTo: (key) => rendezvous(key, table.ready()) ?? self,
    isMine(key) {
      return this.holdsLease && rendezvous(key, table.ready()) === self
    },
    onChange(listener) {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
    start() {
      watch = watchBucket({
        name: 'nodes',
        open,
        log,
        onOpen() {
          table.gap(performance.now())
          oldBeats = beats
          if (!sees) void lease.beat()
        },
        onEntry(entry) {
          const nowMs = performance.now()
          if (entry.operation !== 'PUT') {
            if (entry.key !== self && table.left(entry.key)) tell()
            return
          }
          const record = decodeNode(entry.key, entry.value)
          if (record === undefined) return
          const before = sees
          if (record.id === self) {
            echoMs = nowMs
            sees ||= record.beat > oldBeats
          }
          if (table.seen(record, nowMs) || sees !== before) tell()
        },
      })
      sweeper = setInterval(sweep, times.heartbeatMs / 2).unref()
      lastSweepMs = performance.now()
      echoMs = lastSweepMs
      nats.onState((now) => {
        if (now === 'connected' && !leaving) void lease.beat()
      })
      lease.start()
    },
    ready() {
      if (state !== 'starting') return
      state = 'ready'
      void lease.beat()
    },
    async drain() {
      state = 'draining'
      await within(LEAVE_MS, lease.beat())
    },
    leave() {
      leaving = true
      left ??= (async () => {
        clearInterval(sweeper)
        await within(LEAVE_MS, lease.stop())
        watch?.close()
        const gone = open().then((kv) => kv.delete(self))
        await within(
          LEAVE_MS,
          gone.catch((error: unknown) => log.debug('node entry not deleted', { error })),
        )
      })()
      return left
    },
  }
}

function checkTimes(times: ClusterTimes): ClusterTimes {
  const { heartbeatMs, leaseMs, lostAfterMs } = times
  if (heartbeatMs > 0 && leaseMs > 2 * heartbeatMs && lostAfterMs > leaseMs) return times
  throw new VelaError(
    'VELA_CONFIG_INVALID',
    'The times of a cluster must satisfy 0 < 2 × heartbeatMs < leaseMs < lostAfterMs',
  )
}
