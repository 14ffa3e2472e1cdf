/**
 * The runtime: a host as those see it who embed it. The composition root is this file, `assemble.ts`, which makes the parts and
 * joins them, and what stands beside it in its row of the table of imports; no other file knows every part.
 */
import type { HostWork, RegisteredTask, SpawnOptions, Task } from '../async/host-tasks.ts'
import { openGuestActor, type GuestActor } from '../concurrency/actors/guest-actor.ts'
import type { HostActorClass, HostActorOptions } from '../concurrency/actors/host/activation.ts'
import type { HostActors } from '../concurrency/actors/host/host-actors.ts'
import { MAX_DEAD_LETTERS } from '../concurrency/actors/types.ts'
import { hostChannels, type OpenChannel } from '../concurrency/channels/host-channel.ts'
import type { Container } from '../di/container.ts'
import type { HostEvents } from '../events/types.ts'
import type { Composition } from '../di/module.ts'
import type { Injectable, Token } from '../di/token.ts'
import type { Middleware } from '../http/middleware.ts'
import type { Deployment, JsonValue, Registry, ServiceRecord } from '../registry/types.ts'
import { assemble } from './assemble.ts'
import { clusterHealth, clusterStatus } from './cluster-status.ts'
import { addComponents } from './components.ts'
import type { ConfigInput } from './config.ts'
import type {
  ActorsStatus,
  ClusterStatus,
  Control,
  DeadLetter,
  Decision,
  DeployRequest,
  DeployResult,
  DoctorCheck,
  EngineStatus,
  GrantStatus,
  InvokeOptions,
  LogEntry,
  ScheduledRun,
  ServiceStatus,
} from './control.ts'
import { PART, type Parts } from './parts.ts'
import type { EventsControl } from './control-events.ts'
import { createEventsControl } from './events-control.ts'
import { deployPath, type DeployPath } from './deploy-path.ts'
import { VelaError } from './errors.ts'
import { runDoctor } from './doctor.ts'
import type { HostServiceOptions, HostServiceProvider, InjectedService, Plain } from './host-services.ts'

export interface RuntimeUrls {
  readonly gateway: string
  readonly admin: string
}

export type { DeployPath } from './deploy-path.ts'

export class Runtime implements Control {
  #container!: Container
  #parts!: Parts
  #channel!: OpenChannel

  private constructor() {}

  /**
   * Opens the store and starts spare cells; serves nothing yet. `deploy` and `invoke` work from here on.
   * `composition`: parts of the embedder's own, in the same container as the host's (docs/di.md).
   */
  static async create(input: ConfigInput = {}, composition: Composition = {}): Promise<Runtime> {
    const runtime = new Runtime()
    runtime.#container = await assemble(input, runtime, composition)
    runtime.#parts = runtime.#container.resolveAll<Parts>(PART)
    runtime.#channel = hostChannels(runtime.#parts.channels)
    return runtime
  }

  /** The host's parts and the embedder's. */
  get container(): Container {
    return this.#container
  }

  get registry(): Registry {
    return this.#parts.registry
  }

  /**
   * Trusted host code with lifecycle hooks; before `start`. Resolves to the service. With `useClass`, `useFactory` … it is made
   * by the container, with what it injects and in the scope it names; one that is no singleton resolves to undefined.
   */
  registerService<T extends object, const Deps extends readonly Injectable<unknown>[] = readonly []>(
    of: string | Token<T>,
    provider: InjectedService<T, Deps>,
    options?: HostServiceOptions,
  ): Promise<T | undefined>
  registerService<P extends HostServiceProvider>(
    name: string,
    provider: Plain<P>,
    options?: HostServiceOptions,
  ): Promise<object>
  async registerService(
    of: string | Token<object>,
    provider: object,
    options: HostServiceOptions = {},
  ): Promise<object | undefined> {
    const { lifecycle, hosts } = this.#parts
    if (lifecycle.state !== 'new')
      throw new VelaError('VELA_LIFECYCLE_HOOK_FAILED', 'host services are registered before the start')
    return await hosts.register(of, provider, options)
  }

  /** Around the dispatch of every request that matched a service; in the order of the calls. */
  use(middleware: Middleware): this {
    this.#parts.middleware.push(middleware)
    return this
  }

  /** Runs the lifecycle up to ready: host services, services, control API, gateway. */
  async start(): Promise<RuntimeUrls> {
    try {
      if (this.#parts.lifecycle.state === 'new')
        addComponents(this.#container, this.#parts.lifecycle, this.#parts.hosts)
      await this.#parts.lifecycle.start()
    } catch (thrown) {
      // What did not start is what must be told.
      await this.#close().catch(() => undefined)
      throw thrown
    }
    return { ...this.#parts.urls }
  }

  /** Drains and stops everything; idempotent. */
  async stop(): Promise<void> {
    try {
      await this.#parts.lifecycle.stop()
    } finally {
      await this.#close()
    }
  }

  /** A trusted module whose function runs on threads: for `spawn`, and for guests that are granted it. */
  registerTask(name: string, task: RegisteredTask): this {
    this.#parts.tasks.register(name, task)
    return this
  }

  /** Runs trusted work beside the guests': a function on the event loop, `{module, input}` or `{task, input}` on a thread. */
  spawn<Result>(work: HostWork<Result>, options?: SpawnOptions): Task<Result> {
    return this.#parts.tasks.spawn(work, options)
  }

  /** A trusted class whose instances are actors of the host; before `start`. Throws TypeError for a name or options that are not valid. */
  registerActor(name: string, actorClass: HostActorClass, options?: HostActorOptions): this {
    this.#parts.actors.host.register(name, actorClass, options)
    return this
  }

  /** The event bus: `runtime.events.subscribe('acme', 'orders.*', async (event) => …)`. docs/events.md. */
  get events(): HostEvents {
    return this.#parts.events
  }

  /** The host's own actors: `runtime.actors.get<Counter>('Counter', 'a').add(1)`. */
  get actors(): HostActors {
    return this.#parts.actors.host
  }

  /** An actor of a guest: `runtime.actor('acme/shop', 'Cart', 'ann').ask('total')`. */
  actor(target: `${string}/${string}`, className: string, name: string): GuestActor {
    return openGuestActor(this.#parts.actors, target, className, name)
  }

  listActors(tenant: string, service: string): Promise<ActorsStatus> {
    return this.#parts.actors.status(tenant, service)
  }

  async deadLetters(tenant: string, service: string): Promise<readonly DeadLetter[]> {
    return await this.#parts.actors.deadLetters(tenant, service, MAX_DEAD_LETTERS)
  }

  async deploy(request: DeployRequest | DeployPath): Promise<DeployResult> {
    if ('path' in request) return await deployPath(this.#parts, request)
    return await this.#parts.services.deploy(request, this.#gatewayUrl())
  }

  rollback(tenant: string, service: string, version?: string): Promise<ServiceRecord> {
    return this.#parts.services.rollback(tenant, service, version)
  }

  deleteService(tenant: string, service: string): Promise<void> {
    return this.#parts.services.deleteService(tenant, service)
  }

  async deleteTenant(tenant: string, force = false): Promise<void> {
    const { registry, services, tenantData } = this.#parts
    const work = async (): Promise<void> => {
      await services.deleteTenant(tenant, force)
      await tenantData.delete(tenant)
    }
    await (registry.erasing?.(tenant, null, work) ?? work())
  }

  async services(tenant?: string): Promise<ServiceStatus[]> {
    return this.#parts.services.list(this.#gatewayUrl(), tenant)
  }

  async versions(tenant: string, service: string): Promise<Deployment[]> {
    return await this.#parts.registry.listVersions(tenant, service)
  }

  putSecret(tenant: string, service: string, key: string, value: string): Promise<void> {
    return this.#parts.services.putSecret(tenant, service, key, value)
  }

  deleteSecret(tenant: string, service: string, key: string): Promise<void> {
    return this.#parts.services.deleteSecret(tenant, service, key)
  }

  setEngine(tenant: string, service: string, engine: EngineStatus['engine'] | null): Promise<EngineStatus> {
    return this.#parts.services.setEngine(tenant, service, engine)
  }

  async grants(tenant: string, service: string): Promise<readonly GrantStatus[]> {
    return this.#parts.services.grants(tenant, service)
  }

  decideGrant(
    tenant: string,
    service: string,
    binding: string,
    decision: Decision,
  ): Promise<readonly GrantStatus[]> {
    return this.#parts.services.decide(tenant, service, binding, decision)
  }

  /** The host's end of a channel of a tenant: `runtime.channel('acme', 'jobs', { capacity: 100 })`. */
  get channel(): OpenChannel {
    return this.#channel
  }

  /** Calls an exported method of a deployed service. Arguments and result are JSON. */
  invoke(
    target: `${string}/${string}`,
    method: string,
    args: readonly JsonValue[] = [],
    options: InvokeOptions = {},
  ): Promise<JsonValue | undefined> {
    return this.#parts.services.invoke(target, method, args, options)
  }

  runSchedule(tenant: string, service: string, cron?: string): Promise<ScheduledRun> {
    return this.#parts.scheduler.run(tenant, service, cron)
  }

  tail(tenant: string, service: string, listener: (entry: LogEntry) => void): () => void {
    return this.#parts.services.tail(tenant, service, listener)
  }

  /** Durable consumers and dead letters of a tenant, and events from outside. */
  get eventsControl(): EventsControl {
    return createEventsControl({ bus: this.#parts.events, engine: this.#parts.durableEvents })
  }

  doctor(): Promise<DoctorCheck[]> {
    return runDoctor(this.#parts)
  }

  async nodes(): Promise<ClusterStatus> {
    return clusterStatus(this.#parts.cluster)
  }

  metrics(): Promise<string> {
    return this.#parts.metrics.render()
  }

  health(): ReturnType<Control['health']> {
    const { lifecycle, services, cells, nats, cluster } = this.#parts
    const { state } = lifecycle
    const link = nats.nats?.health()
    const own = clusterHealth(cluster)
    const ready = link === undefined ? 'ok' : own?.holdsLease === false ? 'degraded' : link.status
    const status =
      state === 'ready' ? ready : state === 'new' || state === 'starting' ? 'starting' : 'draining'
    const counts = { status, services: services.size, cells: cells.supervisor.count().assigned } as const
    if (link === undefined) return counts
    const { nats: linkState, problem } = link
    return {
      ...counts,
      ...(own === undefined ? {} : { cluster: own }),
      nats: { state: linkState, ...(problem === undefined ? {} : { problem }) },
    }
  }

  #gatewayUrl(): string {
    return this.#parts.urls.gateway
  }

  async #close(): Promise<void> {
    // A host that was never started has guests all the same; they end before anything they may use.
    this.#parts.services.close()
    await this.#parts.cells.close()
    await this.#container.dispose()
  }
}
