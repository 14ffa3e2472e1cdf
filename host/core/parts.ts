/**
 * Part of the composition root: the host's parts by name. Each is a token here and a provider in `assemble.ts` or in one of the
 * modules it lists.
 */
import type { AdminServer } from '../admin/server.ts'
import type { HostTasks } from '../async/host-tasks.ts'
import type { Kinds } from '../capabilities/asks.ts'
import type { Broker } from '../capabilities/broker.ts'
import type { Decisions } from '../capabilities/decisions.ts'
import type { Policy } from '../capabilities/policy.ts'
import type { ServiceTargets } from '../capabilities/services.ts'
import type { CellPool } from '../cells/cell-pool.ts'
import type { Actors } from '../concurrency/actors/actors.ts'
import type { ChannelDirectory } from '../concurrency/channels/hub.ts'
import type { Container } from '../di/container.ts'
import { tokensFor, type Token, type TokensOf } from '../di/token.ts'
import type { HttpClient } from '../http/client/client.ts'
import type { DurableEngine } from '../events/durable/engine.ts'
import type { DurableLog } from '../events/durable/log.ts'
import type { EventBus } from '../events/types.ts'
import type { Gateway } from '../http/gateway.ts'
import type { Middleware } from '../http/middleware.ts'
import type { KvStore } from '../kv/types.ts'
import type { LocalRegistry } from '../registry/registry.ts'
import type { Registry } from '../registry/types.ts'
import type { Catalog } from '../services/catalog.ts'
import type { EventSubscriptions } from '../services/event-subscriptions.ts'
import type { Scheduler } from '../services/scheduler.ts'
import type { Services } from '../services/services.ts'
import type { HostCluster } from './cluster.ts'
import type { Config } from './config.ts'
import type { Control } from './control.ts'
import type { HostServices } from './host-services.ts'
import type { HostCalls, HostPeers } from './peers.ts'
import type { Lifecycle } from './lifecycle.ts'
import type { Log } from './log.ts'
import type { Metrics } from './metrics.ts'
import type { HostNats } from './nats.ts'
import type { TenantData } from './tenant-data.ts'

export interface Parts {
  readonly config: Config
  /** The runtime itself, as the control API sees it. */
  readonly control: Control
  readonly log: Log
  readonly metrics: Metrics
  readonly nats: HostNats
  /** This host's own store of it; in a cluster a copy of the cluster's. */
  readonly localRegistry: LocalRegistry
  readonly registry: Registry
  /** The other hosts, if there may be some. */
  readonly cluster: HostCluster
  readonly peers: HostPeers
  readonly calls: HostCalls
  /** The services follow what others change; this host is one of those that serve. */
  readonly presence: { sweeper?: NodeJS.Timeout }
  /** What is deployed, by name; versions in operation put themselves there. */
  readonly catalog: Catalog
  /** The container itself. */
  readonly container: Container
  /** The embedder's services, as guests reach them. */
  readonly hosts: HostServices
  /** Where it listens; empty until it does. */
  readonly urls: { gateway: string; admin: string }

  readonly http: HttpClient
  readonly kv: KvStore
  readonly channels: ChannelDirectory
  readonly actors: Actors
  readonly events: EventBus
  /** Where durable events are kept. */
  readonly eventLog: DurableLog
  readonly durableEvents: DurableEngine
  readonly tasks: HostTasks
  readonly targets: ServiceTargets
  /** Kinds of capability by name. */
  readonly kinds: Kinds
  readonly policy: Policy
  readonly decisions: Decisions
  readonly broker: Broker
  readonly tenantData: TenantData
  /** What the services that are deployed subscribe to. */
  readonly eventSubscriptions: EventSubscriptions

  readonly cells: CellPool
  readonly services: Services
  readonly scheduler: Scheduler
  /** Actors' alarms, which need services to ring in. */
  readonly alarms: object
  /** The delivery of events to services. */
  readonly eventDelivery: object
  readonly middleware: Middleware[]
  readonly gateway: Gateway
  readonly admin: AdminServer
  readonly lifecycle: Lifecycle
}

/** `PART.log` is the token of the log, and so on. */
export const PART: TokensOf<Parts> = tokensFor<Parts>('vela:', {
  config: true,
  control: true,
  container: true,
  log: true,
  metrics: true,
  nats: true,
  registry: true,
  localRegistry: true,
  cluster: true,
  peers: true,
  calls: true,
  presence: true,
  events: true,
  eventLog: true,
  durableEvents: true,
  eventSubscriptions: true,
  eventDelivery: true,
  catalog: true,
  hosts: true,
  urls: true,
  http: true,
  kv: true,
  channels: true,
  actors: true,
  tasks: true,
  targets: true,
  kinds: true,
  policy: true,
  decisions: true,
  broker: true,
  tenantData: true,
  cells: true,
  services: true,
  scheduler: true,
  alarms: true,
  middleware: true,
  gateway: true,
  admin: true,
  lifecycle: true,
})

/** What of it an embedder's parts may inject. */
export const HOST: Pick<
  TokensOf<Parts>,
  'config' | 'control' | 'log' | 'registry' | 'events' | 'tasks' | 'container'
> = PART

const OWN: ReadonlySet<Token<unknown>> = new Set(Object.values<Token<unknown>>(PART))

/** Not the embedder's. */
export const isOwnPart = (token: Token<unknown>): boolean => OWN.has(token)
