/** Part of the composition root: which kinds of capability this host has, and the broker that grants them. */
import { createActorsKind } from '../capabilities/actors.ts'
import type { Kinds } from '../capabilities/asks.ts'
import { createBroker, type Broker } from '../capabilities/broker.ts'
import type { CapabilityKind } from '../capabilities/capability.ts'
import { createChannelsKind } from '../capabilities/channels.ts'
import { openDecisions, type Decisions } from '../capabilities/decisions.ts'
import { createFetchKind } from '../capabilities/fetch.ts'
import { createKvKind } from '../capabilities/kv.ts'
import { readPolicy, type Policy } from '../capabilities/policy.ts'
import { createServicesKind } from '../capabilities/services.ts'
import { createWorkersKind } from '../capabilities/workers.ts'
import type { HostTasks } from '../async/host-tasks.ts'
import type { Actors } from '../concurrency/actors/actors.ts'
import { hostChannels, type OpenChannel } from '../concurrency/channels/host-channel.ts'
import { createChannelHub } from '../concurrency/channels/hub.ts'
import { createHttpClient } from '../http/client/client.ts'
import { openKv } from '../kv/store.ts'
import type { KvStore } from '../kv/types.ts'
import type { Registry } from '../registry/types.ts'
import type { Catalog } from '../services/catalog.ts'
import { createServiceTargets } from '../services/targets.ts'
import { createHostActors } from './actors.ts'
import type { Config } from './config.ts'
import type { Log } from './log.ts'
import type { Metrics } from './metrics.ts'
import { createTasks } from './tasks.ts'

export interface CapabilitiesDeps {
  readonly config: Config
  readonly log: Log
  readonly metrics: Metrics
  readonly registry: Registry
  readonly catalog: Catalog
  /** The host's own services by name. */
  readonly hosts: ReadonlyMap<string, object>
  /** Where this host listens itself, once it does. */
  readonly ownPorts: () => readonly number[]
}

export interface HostCapabilities {
  readonly broker: Broker
  readonly decisions: Decisions
  readonly actors: Actors
  readonly openChannel: OpenChannel
  readonly tasks: HostTasks
  /** What the tenant stored is gone when it resolves. */
  deleteTenant(tenant: string): Promise<void>
  close(): Promise<void>
}

export async function createHostCapabilities(deps: CapabilitiesDeps): Promise<HostCapabilities> {
  const { config, log, metrics, registry, catalog, hosts, ownPorts } = deps
  let requests = 0
  const targets = createServiceTargets({
    catalog,
    hosts,
    nextRequestId: () => `rpc-${(++requests).toString(36)}`,
  })
  const tasks = createTasks(config, metrics, log)
  const client = createHttpClient({ ownPorts })
  const kv = await openKv({
    dataDir: config.data,
    onLog: (level, message) => log[level]('kv', { message }),
  })
  const actors = await createHostActors({ config, log, registry, catalog, meter: metrics.actors }).catch(
    async (thrown: unknown) => {
      await kv.close()
      throw thrown
    },
  )
  const channels = createChannelHub()
  const kinds = byName([
    createChannelsKind(channels),
    createServicesKind(targets),
    createFetchKind(client),
    createKvKind(kv),
    createActorsKind(actors),
    createWorkersKind(tasks),
  ])
  let policy: Policy
  let decisions: Decisions
  try {
    policy = readPolicy(kinds, config.policy)
    await forgetStrangers(kv, registry)
    decisions = await openDecisions(registry)
  } catch (thrown) {
    await Promise.all([actors.close(), kv.close()])
    throw thrown
  }
  const broker = createBroker({
    kinds,
    policy,
    decisionOf: (tenant, service, binding) => decisions.of(tenant, service, binding),
    epoch: () => decisions.epoch,
    hosts: () => hosts.size,
    onFailure: ({ tenant, service }, kind, error) =>
      log.error('capability failed', { tenant, service, kind, error }),
  })
  return {
    broker,
    decisions,
    actors,
    openChannel: hostChannels(channels),
    tasks,
    async deleteTenant(tenant) {
      channels.deleteTenant(tenant)
      await Promise.all([kv.deleteTenant(tenant), actors.drop(tenant)])
    },
    async close() {
      await Promise.all([client.close(), kv.close(), actors.close(), tasks.close()])
    },
  }
}

/** A host that ended between the two steps of deleting a tenant finishes it here. */
async function forgetStrangers(kv: KvStore, registry: Registry): Promise<void> {
  const known = new Set((await registry.listTenants()).map(({ name }) => name))
  for (const tenant of await kv.tenants()) if (!known.has(tenant)) await kv.deleteTenant(tenant)
}

/** The broker hands a kind only options that the kind itself has parsed. */
const byName = (kinds: readonly unknown[]): Kinds =>
  new Map((kinds as readonly CapabilityKind[]).map((kind) => [kind.kind, kind]))
