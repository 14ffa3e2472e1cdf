/**
 * Part of the composition root: this host as one of several. Without NATS in the configuration the parts are there and empty, and
 * nothing of the cluster is loaded.
 */
import { cpus, hostname } from 'node:os'
import { ensureFirstToken } from '../admin/first-token.ts'
import type { CronClaims } from '../cluster/cron-claims.ts'
import type { Member } from '../cluster/membership.ts'
import type { ClusterRegistry } from '../cluster/registry.ts'
import type { NodeLoad } from '../cluster/types.ts'
import { lazy } from '../di/token.ts'
import { provide, type Provider } from '../di/provider.ts'
import { checkRoutes } from '../http/router.ts'
import type { Nats } from '../nats/types.ts'
import { withErasing } from '../registry/erasing.ts'
import { openRegistry } from '../registry/registry.ts'
import { PART } from './parts.ts'
import { readVelaVersion } from './version.ts'

export interface ClusterParts {
  readonly nats: Nats
  readonly membership: Member
  readonly registry: ClusterRegistry
  readonly claimCron: CronClaims
  /** There is a cluster key. */
  readonly sealsSecrets: boolean
}

/** What may be there or not, as a part that always is. */
export interface HostCluster {
  /** null: this host is alone. */
  readonly cluster: ClusterParts | null
}

const SYNC_MS = 15_000
const LEAST_SYNC_MS = 100
const SWEEP_MS = 3_600_000

export const clusterParts: readonly Provider[] = [
  provide(PART.localRegistry, {
    inject: [PART.config, PART.log],
    useFactory: (config, log) =>
      openRegistry({
        ...(config.data === null ? {} : { dataDir: config.data }),
        onLog: (level, message) => log[level]('store', { message }),
      }),
    dispose: (registry) => registry.close(),
  }),
  provide(PART.cluster, {
    inject: [
      PART.config,
      PART.log,
      PART.metrics,
      PART.nats,
      PART.localRegistry,
      PART.urls,
      lazy(PART.services),
    ],
    async useFactory(config, log, _metrics, { nats }, local, urls, services): Promise<HostCluster> {
      if (nats === null) return { cluster: null }
      const { openClusterKey } = await import('../cluster/cluster-key.ts')
      const { openClusterRegistry } = await import('../cluster/registry.ts')
      const { createMembership } = await import('../cluster/membership.ts')
      const { createCronClaims } = await import('../cluster/cron-claims.ts')
      const box = openClusterKey(config.nats?.clusterKey ?? null)
      const { name, heartbeatMs, leaseMs, lostAfterMs } = config.node
      const vela = readVelaVersion()
      const membership = createMembership({
        nats,
        log,
        name: name ?? hostname(),
        vela,
        addresses: () => urls,
        load: createLoad(() => services().gauges()),
        times: { heartbeatMs, leaseMs, lostAfterMs },
      })
      const registry = openClusterRegistry({
        nats,
        local,
        box,
        checkRoutes,
        nodes: membership,
        vela,
        log,
      })
      const claimCron = createCronClaims({ nats, membership, log })
      return { cluster: { nats, membership, registry, claimCron, sealsSecrets: box !== undefined } }
    },
    onInit({ cluster }, _config, _log, metrics) {
      if (cluster === null) return
      cluster.membership.start()
      metrics.observe({
        clusterNodes: () => cluster.membership.nodes().map(({ state }) => state),
        clusterLeaseHeld: () => cluster.membership.holdsLease,
        clusterRegistryBehind: () => cluster.registry.behind(),
      })
    },
    // Last of all that runs: what this host owns is owned until then.
    onStop: ({ cluster }) => cluster?.membership.leave(),
    async dispose({ cluster }) {
      await cluster?.membership.leave()
      await cluster?.registry.close()
    },
  }),
  provide(PART.registry, {
    inject: [PART.localRegistry, PART.cluster, PART.config, PART.nats],
    async useFactory(local, { cluster }, config, { nats }) {
      const registry = cluster?.registry ?? withErasing(local)
      const patience = nats?.state === 'connected' ? SYNC_MS : LEAST_SYNC_MS
      const inLine = cluster === null || (await cluster.registry.sync(patience))
      // Before its first cluster a host makes a token of its own, and brings it along.
      await ensureFirstToken(inLine ? registry : local, config.data, process.env['VELA_ADMIN_TOKEN'])
      return registry
    },
    dispose: null,
  }),
]

/** After the entrances: this host is announced when it serves, and takes its leave before it stops to. */
export const presenceParts: readonly Provider[] = [
  provide(PART.presence, {
    inject: [PART.cluster, PART.services, PART.tenantData, PART.log],
    after: [PART.gateway, PART.admin, PART.alarms, PART.scheduler, PART.eventDelivery],
    useFactory: (): { sweeper?: NodeJS.Timeout } => ({}),
    onInit(_presence, { cluster }, { follower }, tenantData) {
      cluster?.registry.follow({
        ...follower,
        async dropTenant(tenant) {
          await follower.dropTenant(tenant)
          await tenantData.forget(tenant)
        },
        erase: (tenant, service) =>
          service === null ? tenantData.delete(tenant) : follower.erase(tenant, service),
      })
    },
    onReady(presence, _signal, { cluster }, _services, _tenantData, log) {
      if (cluster === null) return
      const { membership, registry } = cluster
      membership.ready()
      const sweep = async (): Promise<void> => {
        if (membership.isMine('registry/sweep')) await registry.sweep()
      }
      presence.sweeper = setInterval(() => {
        sweep().catch((error: unknown) => log.debug('registry not swept', { error }))
      }, SWEEP_MS).unref()
    },
    async onDrain(presence, _signal, { cluster }) {
      clearInterval(presence.sweeper)
      await cluster?.registry.pause()
      await cluster?.membership.drain()
    },
  }),
]

/** CPU of the machine between two heartbeats. */
function createLoad(
  gauges: () => { readonly turnsInFlight?: () => number; readonly queueLength?: () => number },
): () => NodeLoad {
  let before = cpuTimes()
  return () => {
    const now = cpuTimes()
    const allMs = now.allMs - before.allMs
    const cpu = allMs <= 0 ? 0 : Math.max(0, 1 - (now.idleMs - before.idleMs) / allMs)
    before = now
    try {
      const { turnsInFlight, queueLength } = gauges()
      return { cpu: Math.round(cpu * 100) / 100, turns: turnsInFlight?.() ?? 0, queue: queueLength?.() ?? 0 }
    } catch {
      // The services are not made yet.
      return { cpu, turns: 0, queue: 0 }
    }
  }
}

function cpuTimes(): { readonly idleMs: number; readonly allMs: number } {
  let idleMs = 0
  let allMs = 0
  for (const { times } of cpus()) {
    idleMs += times.idle
    allMs += times.user + times.nice + times.sys + times.idle + times.irq
  }
  return { idleMs, allMs }
}
