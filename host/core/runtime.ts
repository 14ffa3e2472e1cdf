/**
 * The runtime: a host as those see it who embed it. The composition root is this file, `assemble.ts`, which makes the parts and
 * joins them, and what stands beside it in its row of the table of imports; no other file knows every part.
 */
import type { HostWork, RegisteredTask, SpawnOptions, Task } from '../async/host-tasks.ts'
import { openGuestActor, type GuestActor } from '../concurrency/actors/guest-actor.ts'
import type { HostActorClass, HostActorOptions } from '../concurrency/actors/host/activation.ts'
import type { HostActors } from '../concurrency/actors/host/host-actors.ts'
import { MAX_DEAD_LETTERS } from '../concurrency/actors/types.ts'
import type { OpenChannel } from '../concurrency/channels/host-channel.ts'
import type { Middleware } from '../http/middleware.ts'
import type { Deployment, JsonValue, Registry, ServiceRecord } from '../registry/types.ts'
import { assemble } from './assemble.ts'
import { addComponents, type Parts } from './components.ts'
import type { ConfigInput } from './config.ts'
import type {
  ActorsStatus,
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
import { deployPath, type DeployPath } from './deploy-path.ts'
import { runDoctor } from './doctor.ts'
import {
  componentOf,
  instantiate,
  type HostServiceOptions,
  type HostServiceProvider,
} from './host-services.ts'

export interface RuntimeUrls {
  readonly gateway: string
  readonly admin: string
}

export type { DeployPath } from './deploy-path.ts'

export class Runtime implements Control {
  readonly #parts: Parts

  private constructor(parts: Parts) {
    this.#parts = parts
  }

  /** Opens the store and starts spare cells; serves nothing yet. `deploy` and `invoke` work from here on. */
  static async create(input: ConfigInput = {}): Promise<Runtime> {
    return new Runtime(await assemble(input))
  }

  get registry(): Registry {
    return this.#parts.registry
  }

  /** Trusted host code with lifecycle hooks; before `start`. Resolves to the service. */
  async registerService(
    name: string,
    provider: HostServiceProvider,
    options: HostServiceOptions = {},
  ): Promise<object> {
    const instance = await instantiate(provider)
    this.#parts.lifecycle.add(componentOf(name, instance, options))
    this.#parts.hosts.set(name, instance)
    return instance
  }

  /** Around the dispatch of every request that matched a service; in the order of the calls. */
  use(middleware: Middleware): this {
    this.#parts.middleware.push(middleware)
    return this
  }

  /** Runs the lifecycle up to ready: host services, services, control API, gateway. */
  async start(): Promise<RuntimeUrls> {
    try {
      if (this.#parts.lifecycle.state === 'new') addComponents(this.#parts, this)
      await this.#parts.lifecycle.start()
    } catch (thrown) {
      await this.#close()
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
    this.#parts.capabilities.tasks.register(name, task)
    return this
  }

  /** Runs trusted work beside the guests': a function on the event loop, `{module, input}` or `{task, input}` on a thread. */
  spawn<Result>(work: HostWork<Result>, options?: SpawnOptions): Task<Result> {
    return this.#parts.capabilities.tasks.spawn(work, options)
  }

  /** A trusted class whose instances are actors of the host; before `start`. Throws TypeError for a name or options that are not valid. */
  registerActor(name: string, actorClass: HostActorClass, options?: HostActorOptions): this {
    this.#parts.capabilities.actors.host.register(name, actorClass, options)
    return this
  }

  /** The host's own actors: `runtime.actors.get<Counter>('Counter', 'a').add(1)`. */
  get actors(): HostActors {
    return this.#parts.capabilities.actors.host
  }

  /** An actor of a guest: `runtime.actor('acme/shop', 'Cart', 'ann').ask('total')`. */
  actor(target: `${string}/${string}`, className: string, name: string): GuestActor {
    return openGuestActor(this.#parts.capabilities.actors, target, className, name)
  }

  listActors(tenant: string, service: string): Promise<ActorsStatus> {
    return this.#parts.capabilities.actors.status(tenant, service)
  }

  async deadLetters(tenant: string, service: string): Promise<readonly DeadLetter[]> {
    return await this.#parts.capabilities.actors.deadLetters(tenant, service, MAX_DEAD_LETTERS)
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
    await this.#parts.services.deleteTenant(tenant, force)
    await this.#parts.capabilities.deleteTenant(tenant)
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
    return this.#parts.capabilities.openChannel
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

  doctor(): Promise<DoctorCheck[]> {
    return runDoctor(this.#parts.config, this.#parts.cells)
  }

  metrics(): Promise<string> {
    return this.#parts.metrics.render()
  }

  health(): { status: 'ok' | 'starting' | 'draining'; services: number; cells: number } {
    const { lifecycle, services, cells } = this.#parts
    const { state } = lifecycle
    const status =
      state === 'ready' ? 'ok' : state === 'new' || state === 'starting' ? 'starting' : 'draining'
    return { status, services: services.size, cells: cells.supervisor.count().assigned }
  }

  #gatewayUrl(): string {
    return this.#parts.urls.gateway
  }

  #closed = false
  async #close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    const { cells, registry, log, services, capabilities } = this.#parts
    services.close()
    await cells.close()
    await capabilities.close()
    await registry.close()
    await log.close()
  }
}
