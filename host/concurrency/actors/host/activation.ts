/**
 * One of the host's own actors in memory: one message at a time from a bounded mailbox; what it answers waits for what it
 * wrote; what becomes of it after a failure its supervision says. The same mailbox and supervision serve actors of guests.
 */
import {
  createMailbox,
  type Mailbox,
  type MailboxOptions,
} from '../../../../guest-sdk/concurrency/mailbox.ts'
import {
  createSupervisor,
  type SupervisionOptions,
  type Supervisor,
} from '../../../../guest-sdk/concurrency/supervision.ts'
import { VelaError } from '../../../core/errors.ts'
import type { Loaded } from '../store/store.ts'
import type { HostStorage, OwnedStorage } from './storage.ts'

/** What an actor of the host is made with. */
export interface HostActorContext {
  readonly id: { readonly class: string; readonly name: string }
  readonly storage: HostStorage
  /** It is unloaded when the message at hand has been handled and nothing waits. */
  passivate(): void
}

/** May have `alarm({retryCount, scheduledTime})` and `onPassivate()`. Trusted code. */
export type HostActorClass = new (ctx: HostActorContext) => object

export interface HostActorOptions {
  readonly mailbox?: Pick<MailboxOptions<never>, 'capacity' | 'overflow'>
  /** There are no parents here: `escalate` is `stop`. */
  readonly supervision?: SupervisionOptions
  /** Unloaded after so long without a message; a minute if left out, 0: never. */
  readonly idleMs?: number
}

export interface HostMessage {
  readonly method: string
  readonly args: readonly unknown[]
  /** Epoch milliseconds. */
  readonly untilMs: number | undefined
  resolve(value: unknown): void
  reject(error: unknown): void
}

export interface HostActivationDeps {
  readonly class: HostActorClass
  readonly id: HostActorContext['id']
  readonly options: HostActorOptions
  readonly load: () => Promise<Loaded>
  readonly createStorage: (loaded: Loaded) => OwnedStorage
  readonly now: () => number
  /** Nothing waits and nothing is held: whoever comes next makes another. */
  readonly onEnd: (activation: HostActivation) => void
}

/** Called by the runtime on other occasions, or of every object. */
const RESERVED: ReadonlySet<string> = new Set(['constructor', 'onPassivate', 'alarm'])
const IDLE_MS = 60_000

export class HostActivation {
  readonly #deps: HostActivationDeps
  readonly #mailbox: Mailbox<HostMessage>
  readonly #supervisor: Supervisor
  #instance: object | undefined
  #storage: OwnedStorage | undefined
  #running = false
  #leaving = false
  #ended = false
  readonly #left = Promise.withResolvers<void>()
  #idle: NodeJS.Timeout | undefined

  constructor(deps: HostActivationDeps) {
    this.#deps = deps
    this.#mailbox = createMailbox<HostMessage>({
      ...deps.options.mailbox,
      onDropped: (message) => message.reject(full('It made room for a later message')),
    })
    this.#supervisor = createSupervisor(deps.options.supervision)
  }

  get depth(): number {
    return this.#mailbox.depth
  }

  send(message: HostMessage, priority: number | undefined): void {
    clearTimeout(this.#idle)
    if (this.#mailbox.push(message, priority) === undefined)
      return message.reject(full(`${this.#mailbox.capacity} messages wait for the actor already`))
    if (!this.#running) void this.#run()
  }

  /** Unloads it, unless somebody writes to it meanwhile; what it has in its mailbox is handled first. Resolves when it is unloaded. */
  async leave(): Promise<void> {
    this.#leaving = true
    if (!this.#running && !this.#ended) void this.#run()
    await this.#left.promise
  }

  async #run(): Promise<void> {
    this.#running = true
    for (;;) {
      const message = this.#mailbox.take()
      if (message !== undefined) await this.#handle(message)
      else if (this.#leaving && !this.#ended) await this.#passivate()
      if (this.#ended || (this.#mailbox.depth === 0 && !this.#leaving)) break
    }
    this.#running = false
    if (!this.#ended) this.#rest()
  }

  #rest(): void {
    const { idleMs = IDLE_MS } = this.#deps.options
    if (idleMs > 0) this.#idle = setTimeout(() => void this.leave(), idleMs).unref()
  }

  async #handle(message: HostMessage): Promise<void> {
    const { untilMs, method, args } = message
    if (untilMs !== undefined && untilMs <= this.#deps.now())
      return message.reject(
        new VelaError('VELA_ACTOR_DEADLINE', 'The deadline passed while the message waited'),
      )
    try {
      const instance = await this.#activate()
      if (method === ALARM) this.#storage?.alarmRings()
      const value: unknown = await Reflect.apply(methodOf(instance, method), instance, [...args])
      await this.#storage?.settle()
      message.resolve(value)
    } catch (thrown) {
      message.reject(thrown)
      if (!(thrown instanceof VelaError && thrown.code === 'VELA_METHOD_NOT_FOUND'))
        await this.#failed(thrown)
    }
  }

  async #activate(): Promise<object> {
    if (this.#instance !== undefined) return this.#instance
    const storage = this.#deps.createStorage(await this.#deps.load())
    this.#storage = storage
    const context: HostActorContext = {
      id: this.#deps.id,
      storage: storage.storage,
      passivate: () => {
        this.#leaving = true
      },
    }
    return (this.#instance = new this.#deps.class(context))
  }

  async #failed(thrown: unknown): Promise<void> {
    const strategy = isLost(thrown) ? 'restart' : this.#supervisor.strategy
    if (strategy === 'resume') return
    await this.#storage?.settle().catch(() => undefined)
    this.#instance = undefined
    if (strategy !== 'restart') return this.#stop()
    const delayMs = this.#supervisor.restart(this.#deps.now())
    if (delayMs === undefined) return this.#stop()
    if (delayMs > 0) await new Promise((resolve) => setTimeout(resolve, delayMs))
  }

  #stop(): void {
    const stopped = new VelaError(
      'VELA_ACTOR_STOPPED',
      'The actor failed too often, or is to stop when it fails',
    )
    for (let message = this.#mailbox.take(); message !== undefined; message = this.#mailbox.take())
      message.reject(stopped)
    this.#end()
  }

  async #passivate(): Promise<void> {
    const hook: unknown = this.#instance && Reflect.get(this.#instance, 'onPassivate')
    try {
      if (typeof hook === 'function') await Reflect.apply(hook, this.#instance, [])
      await this.#storage?.settle()
    } catch {
      // It leaves all the same; what was acknowledged is stored.
    }
    // Whoever wrote to it meanwhile finds it still here.
    if (this.#mailbox.depth > 0) this.#leaving = false
    else this.#end()
  }

  #end(): void {
    this.#ended = true
    clearTimeout(this.#idle)
    this.#left.resolve()
    this.#deps.onEnd(this)
  }
}

/** The name of the method that an alarm calls; no message can have it. */
export const ALARM = 'alarm()'

function methodOf(instance: object, name: string): (...args: unknown[]) => unknown {
  const isOpen = !RESERVED.has(name) && !name.startsWith('_')
  const method: unknown =
    name === ALARM
      ? Reflect.get(instance, 'alarm')
      : isOpen && !(name in Object.prototype) && Reflect.get(instance, name)
  if (typeof method === 'function') return method as (...args: unknown[]) => unknown
  throw new VelaError('VELA_METHOD_NOT_FOUND', `The actor has no method ${name}`)
}

/** Its cache says what the store does not. */
const isLost = (thrown: unknown): boolean =>
  thrown instanceof VelaError && thrown.code === 'VELA_ACTOR_STORAGE_FAILED'

const full = (message: string): VelaError => new VelaError('VELA_ACTOR_MAILBOX_FULL', message)
