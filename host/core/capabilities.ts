/** Part of the composition root: which kinds of capability this host has, what they stand on, and the broker that grants them. */
import { createActorsKind } from '../capabilities/actors.ts'
import type { Kinds } from '../capabilities/asks.ts'
import { createBroker } from '../capabilities/broker.ts'
import type { CapabilityKind } from '../capabilities/capability.ts'
import { createChannelsKind } from '../capabilities/channels.ts'
import { openDecisions } from '../capabilities/decisions.ts'
import { createEventsKind } from '../capabilities/events.ts'
import { createFetchKind } from '../capabilities/fetch.ts'
import { createKvKind } from '../capabilities/kv.ts'
import { readPolicy } from '../capabilities/policy.ts'
import { createServicesKind } from '../capabilities/services.ts'
import { createWorkersKind } from '../capabilities/workers.ts'
import { createChannelHub, type ChannelDirectory } from '../concurrency/channels/hub.ts'
import { provide, type Provider } from '../di/provider.ts'
import { createHttpClient } from '../http/client/client.ts'
import { openKv } from '../kv/store.ts'
import type { KvStore } from '../kv/types.ts'
import type { Registry } from '../registry/types.ts'
import { createServiceTargets } from '../services/targets.ts'
import { createHostActors } from './actors.ts'
import { PART, type Parts } from './parts.ts'
import { trafficOf } from './peers.ts'
import { createTasks } from './tasks.ts'
import { createTenantData } from './tenant-data.ts'

/** How long a start waits for what the others have written meanwhile. */
const CATCH_UP_MS = 10_000

export const capabilityParts: readonly Provider[] = [
  provide(PART.http, {
    inject: [PART.urls],
    useFactory: (urls) => createHttpClient({ ownPorts: () => portsOf(urls) }),
    dispose: (client) => client.close(),
  }),
  provide(PART.kv, {
    inject: [PART.config, PART.log, PART.registry, PART.cluster],
    async useFactory(config, log, _registry, { cluster }): Promise<KvStore> {
      const onLog = (level: 'info' | 'warn' | 'error', message: string): void => log[level]('kv', { message })
      const local = await openKv({ dataDir: config.data, onLog })
      if (cluster === null) return local
      const { createClusterKv } = await import('../cluster/kv/store.ts')
      const { nats, membership } = cluster
      return createClusterKv({ nats, local, log, isMine: (key) => membership.isMine(key) })
    },
    // Of a cluster this host may know less than the others.
    onInit: (kv, _config, _log, registry, { cluster }) =>
      cluster === null ? forgetStrangers(kv, registry) : undefined,
    onStart: (kv, _signal, _config, _log, _registry, { cluster }) =>
      cluster?.nats.state === 'connected' ? kv.whenCurrent(CATCH_UP_MS) : undefined,
    dispose: (kv) => kv.close(),
  }),
  provide(PART.channels, {
    inject: [PART.cluster, PART.peers, PART.log],
    async useFactory({ cluster }, { peers }, log): Promise<ChannelDirectory> {
      const local = createChannelHub()
      if (cluster === null || peers === null) return local
      const { createClusterChannels } = await import('../cluster/channels/channels.ts')
      return createClusterChannels({ ...cluster, local, peers, log })
    },
    dispose: (channels) => channels.close(),
  }),
  provide(PART.actors, {
    inject: [
      PART.config,
      PART.log,
      PART.registry,
      PART.catalog,
      PART.metrics,
      PART.cluster,
      PART.peers,
      PART.calls,
    ],
    useFactory: (config, log, registry, catalog, metrics, { cluster }, { peers }, { calls }) =>
      createHostActors({ config, log, registry, catalog, meter: metrics.actors, cluster, peers, calls }),
    onInit: (actors, _config, _log, _registry, _catalog, metrics, _cluster, { peers }, { calls }) =>
      metrics.observe({
        actorsActive: () => actors.activeCount(),
        ...(peers === null || calls === null
          ? {}
          : { clusterTraffic: () => trafficOf(actors, peers, calls) }),
      }),
    dispose: (actors) => actors.close(),
  }),
  provide(PART.tasks, {
    inject: [PART.config, PART.metrics, PART.log],
    useFactory: createTasks,
    onDrain: (tasks, _signal, config) => tasks.drain(config.drainMs),
    onStop: (tasks) => tasks.close(),
    dispose: (tasks) => tasks.close(),
  }),
  provide(PART.targets, {
    inject: [PART.catalog, PART.hosts],
    useFactory(catalog, hosts) {
      let requests = 0
      return createServiceTargets({
        catalog,
        hosts,
        nextRequestId: () => `rpc-${(++requests).toString(36)}`,
      })
    },
  }),
  provide(PART.kinds, {
    inject: [PART.channels, PART.targets, PART.http, PART.kv, PART.actors, PART.tasks, PART.events, PART.log],
    useFactory: (channels, targets, http, kv, actors, tasks, events, log) =>
      byName([
        createChannelsKind(channels),
        createServicesKind(targets),
        createFetchKind(http),
        createKvKind(kv),
        createActorsKind(actors),
        createWorkersKind(tasks),
        createEventsKind({
          bus: events,
          onFailure: ({ tenant, service }, error) => log.error('publish failed', { tenant, service, error }),
        }),
      ]),
  }),
  provide(PART.policy, {
    inject: [PART.kinds, PART.config],
    useFactory: (kinds, config) => readPolicy(kinds, config.policy),
  }),
  provide(PART.decisions, { inject: [PART.registry], useFactory: openDecisions }),
  provide(PART.broker, {
    inject: [PART.kinds, PART.policy, PART.decisions, PART.hosts, PART.log],
    useFactory: (kinds, policy, decisions, hosts, log) =>
      createBroker({
        kinds,
        policy,
        decisionOf: (tenant, service, binding) => decisions.of(tenant, service, binding),
        epoch: () => decisions.epoch,
        hosts: () => hosts.size,
        onFailure: ({ tenant, service }, kind, error) =>
          log.error('capability failed', { tenant, service, kind, error }),
      }),
  }),
  provide(PART.tenantData, {
    inject: [PART.kv, PART.actors, PART.channels, PART.events, PART.hosts],
    useFactory: createTenantData,
  }),
]

/** A host that ended between the two steps of deleting a tenant finishes it here. */
async function forgetStrangers(kv: KvStore, registry: Registry): Promise<void> {
  const known = new Set((await registry.listTenants()).map(({ name }) => name))
  for (const tenant of await kv.tenants()) if (!known.has(tenant)) await kv.deleteTenant(tenant)
}

/** The broker hands a kind only options that the kind itself has parsed. */
const byName = (kinds: readonly unknown[]): Kinds =>
  new Map((kinds as readonly CapabilityKind[]).map((kind) => [kind.kind, kind]))

const portsOf = (urls: Parts['urls']): number[] =>
  [urls.gateway, urls.admin].filter((url) => url !== '').map((url) => Number(new URL(url).port))
