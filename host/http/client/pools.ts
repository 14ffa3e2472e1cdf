/**
 * The connections of each tenant: a pool per origin and per reach, none shared with another tenant (nor TLS sessions,
 * nor DNS answers), with a cap on all of them. Pools without connections or work are let go, so that a guest that
 * visits a million origins leaves nothing behind.
 */
import { networkInterfaces } from 'node:os'
import type * as Undici from 'undici'
import type { buildConnector, Dispatcher, Pool } from 'undici'
import { VelaError } from '../../core/errors.ts'
import { canonicalAddress } from './address.ts'
import { createGuard, guardConnector, type Reach } from './connector.ts'
import type { ClientLimits } from './limits.ts'
import { createResolve, type Resolve } from './resolve.ts'

export interface PoolsDeps {
  /** Instead of DNS. */
  readonly resolve?: Resolve
  readonly ownPorts: () => readonly number[]
  /** Certificates to trust instead of the public ones (PEM). */
  readonly ca?: string | readonly string[]
}

export interface PoolsStats {
  readonly tenants: number
  readonly pools: number
  /** Open or opening. */
  readonly connections: number
}

export interface Pools {
  /** The pool to dispatch to, in this tick. */
  of(tenant: string, reach: Reach, target: URL): Dispatcher
  stats(): PoolsStats
  close(): Promise<void>
}

interface Tenant {
  readonly resolve: Resolve
  readonly pools: Map<string, AgingPool>
  connections: number
}

/** undici could age connections by itself, but looks at the clock once for each of them at every request. */
interface AgingPool {
  readonly pool: Pool
  readonly oldAt: number
}

const INTERFACES_KNOWN_MS = 10_000

export function createPools(
  undici: Pick<typeof Undici, 'Pool' | 'buildConnector'>,
  deps: PoolsDeps,
  limits: ClientLimits,
): Pools {
  const tenants = new Map<string, Tenant>()
  /** Replaced, and closed as soon as what runs on them has ended. */
  const retiring = new Set<Pool>()
  const ownAddresses = createOwnAddresses()

  function tenantOf(name: string): Tenant {
    let tenant = tenants.get(name)
    if (tenant === undefined) {
      tenant = { resolve: deps.resolve ?? createResolve(), pools: new Map(), connections: 0 }
      tenants.set(name, tenant)
    }
    return tenant
  }

  function forget(name: string, tenant: Tenant): void {
    if (tenant.pools.size === 0 && tenant.connections === 0 && tenants.get(name) === tenant)
      tenants.delete(name)
  }

  function open(name: string, tenant: Tenant, key: string, reach: Reach, target: URL): AgingPool {
    const guard = createGuard(
      { resolve: tenant.resolve, ownPorts: deps.ownPorts, ownAddresses },
      reach,
      target,
    )
    const connect = undici.buildConnector({
      allowH2: false,
      timeout: limits.connectMs,
      lookup: guard.lookup,
      ...(deps.ca === undefined ? {} : { ca: deps.ca as string | string[] }),
    })
    const guarded = guardConnector(connect, guard)
    const counted: buildConnector.connector = (options, callback) => {
      if (tenant.connections >= limits.connectionsPerTenant && !evictIdle(tenant)) {
        process.nextTick(callback, tooMany(limits.connectionsPerTenant), null)
        return
      }
      tenant.connections++
      const closed = (): void => {
        tenant.connections--
        forget(name, tenant)
      }
      guarded(options, (...outcome) => {
        // undici leaves the socket out of a failure, whatever its types say: look at the error alone.
        if (outcome[0] === null) outcome[1].once('close', closed)
        else closed()
        callback(...outcome)
      })
    }
    const pool = new undici.Pool(target.origin, {
      connect: counted,
      connections: limits.connectionsPerOrigin,
      pipelining: 1,
      allowH2: false,
      headersTimeout: limits.headersMs,
      bodyTimeout: limits.bodyIdleMs,
      keepAliveTimeout: limits.keepAliveMs,
      keepAliveMaxTimeout: limits.keepAliveMs,
      maxHeaderSize: limits.responseHeaderBytes,
    })
    const letGo = (): void => {
      if (pool.closed || pool.destroyed) return
      const { size, connected } = pool.stats
      if (size > 0 || connected > 0 || tenant.pools.get(key) !== aging) return
      tenant.pools.delete(key)
      forget(name, tenant)
      void pool.close()
    }
    pool.on('disconnect', letGo).on('connectionError', letGo)
    const aging = { pool, oldAt: performance.now() + limits.connectionAgeMs }
    tenant.pools.set(key, aging)
    return aging
  }

  async function retire(pool: Pool): Promise<void> {
    retiring.add(pool)
    await pool.close().catch(() => undefined)
    retiring.delete(pool)
  }

  return {
    of(name, reach, target) {
      const tenant = tenantOf(name)
      const key = `${target.origin} ${reach.key}`
      const known = tenant.pools.get(key)
      if (known !== undefined && performance.now() < known.oldAt) return known.pool
      if (known !== undefined) void retire(known.pool)
      return open(name, tenant, key, reach, target).pool
    },
    stats() {
      const all = [...tenants.values()]
      return {
        tenants: all.length,
        pools: all.reduce((sum, { pools }) => sum + pools.size, 0),
        connections: all.reduce((sum, { connections }) => sum + connections, 0),
      }
    },
    async close() {
      const closing: Promise<void>[] = []
      for (const { pools } of tenants.values())
        for (const { pool } of pools.values()) closing.push(pool.destroy())
      for (const pool of retiring) closing.push(pool.destroy())
      tenants.clear()
      await Promise.all(closing)
    },
  }
}

/** Closes the connections of one origin on which nothing runs; false when there is none. */
function evictIdle(tenant: Tenant): boolean {
  for (const [key, { pool }] of tenant.pools) {
    const { size, connected } = pool.stats
    if (size > 0 || connected === 0) continue
    tenant.pools.delete(key)
    void pool.close()
    return true
  }
  return false
}

function createOwnAddresses(): () => ReadonlySet<string> {
  let known: ReadonlySet<string> = new Set()
  let knownUntil = 0
  return () => {
    if (performance.now() >= knownUntil) {
      const all = Object.values(networkInterfaces()).flatMap((list) => list ?? [])
      known = new Set(all.flatMap(({ address }) => canonicalAddress(address.split('%')[0] ?? '') ?? []))
      knownUntil = performance.now() + INTERFACES_KNOWN_MS
    }
    return known
  }
}

const tooMany = (most: number): VelaError =>
  new VelaError(
    'VELA_FETCH_RATE_LIMITED',
    `the tenant has ${most} connections open, which is the most it may have`,
  )
