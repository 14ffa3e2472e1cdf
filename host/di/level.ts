/**
 * A level: the container itself, or a scope of a tenant or a request in it. Instances stand in awilix's cache of the level that
 * owns them: singletons in the root's, a tenant's in the tenant's, a request's in the request's; transients are their holder's.
 * Invariants: an instance is made once for its level, whoever asks and however many at once; what a level made is disposed in
 * reverse order, each awaited, after the levels opened within it.
 */
import type { AsyncLocalStorage } from 'node:async_hooks'
import { types } from 'node:util'
import type { AwilixContainer } from 'awilix'
import { Endings } from './endings.ts'
import { disposerIn, LIVES, type Dep, type Plan, type Plans, type ScopeKind } from './plan.ts'
import {
  circleError,
  disposedError,
  endingFailed,
  factoryFailed,
  madeLater,
  notGiven,
  outsideScope,
  unknownToken,
} from './problems.ts'
import type { Token } from './token.ts'
import type { VelaError } from '../core/errors.ts'

const LEVEL: unique symbol = Symbol('level')

/** What all levels of a container share; plans are replaced when providers are added. */
export interface Shared {
  plans(): Plans
  /** What singletons with hooks got: hooks get it again. */
  readonly injected: Map<symbol, Values>
  /** For whom what is asked for now is wanted, the first that was begun first: a factory may ask the container itself. */
  readonly making: AsyncLocalStorage<readonly Making[]>
}

export interface Making {
  readonly plan: Plan
  readonly level: Level
}

/** A token and what it is, within a scope that is being opened; see `given`. */
export interface Given {
  readonly token: Token<unknown>
  readonly value: unknown
}

export const given = <T>(token: Token<T>, value: NoInfer<T>): Given => ({ token, value })

type Kind = ScopeKind | 'container'
type Values = readonly unknown[]

export class Level {
  readonly kind: Kind
  readonly #awilix: AwilixContainer
  readonly #shared: Shared
  readonly #parent: Level | null
  readonly #root: Level
  readonly #tenant: Level | null
  readonly #offers: number
  #endings: Endings | undefined
  #children: Set<Level> | undefined
  #pending: Map<symbol, Promise<unknown>> | undefined
  #isOver = false
  #disposing: Promise<void> | undefined

  constructor(kind: Kind, awilix: AwilixContainer, shared: Shared, parent: Level | null) {
    this.kind = kind
    this.#awilix = awilix
    this.#shared = shared
    this.#parent = parent
    this.#root = parent === null ? this : parent.#root
    this.#tenant = kind === 'tenant' ? this : parent === null ? null : parent.#tenant
    this.#offers = parent === null ? 0 : parent.#offers | (kind === 'container' ? 0 : 1 << LIVES[kind])
    ;(awilix as Leveled)[LEVEL] = this
  }

  has(token: Token<unknown>): boolean {
    return this.#shared.plans().byKey.has(token.key)
  }

  /** Throws VELA_DI_FACTORY_FAILED also for what is made asynchronously and is not there yet. */
  resolve<T>(token: Token<T>): T {
    const plan = this.#reach(token)
    return plan.kept === null ? this.#awilix.resolve<T>(plan.key) : (plan.kept.value as T)
  }

  async resolveAsync<T>(token: Token<T>): Promise<T> {
    return (await this.#obtain(this.#reach(token))) as T
  }

  /** A scope in this one; whoever opened it disposes it (`await using`). */
  scope(kind: ScopeKind, values: readonly Given[] = []): Level {
    if (this.#isOver) throw disposedError(this.#title())
    if (this.kind === 'request' || this.kind === kind)
      throw new TypeError(`a ${this.kind} scope has no ${kind} scopes in it`)
    const level = new Level(kind, this.#awilix.createScope(), this.#shared, this)
    if (values.length > 0) level.#give(values)
    ;(this.#children ??= new Set()).add(level)
    return level
  }

  /** Idempotent. Rejects after the last one if any could not be disposed. */
  dispose(): Promise<void> {
    this.#isOver = true
    return (this.#disposing ??= this.#dispose())
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose()
  }

  #reach(token: Token<unknown>): Plan {
    if (this.#isOver) throw disposedError(this.#title())
    const plan = this.#shared.plans().byKey.get(token.key)
    if (plan === undefined) throw unknownToken(token.name)
    const missing = plan.needs & ~this.#offers
    if (missing !== 0)
      throw outsideScope(token.name, (missing & (1 << LIVES.request)) !== 0 ? 'request' : 'tenant')
    return plan
  }

  #give(values: readonly Given[]): void {
    for (const { token, value } of values) {
      const plan = this.#reach(token)
      if (plan.provider.make.by !== 'scope' || plan.provider.scope !== this.kind)
        throw new TypeError(`${token.name} is not given by ${this.kind} scopes (useScope)`)
      this.#keep(plan, value)
    }
  }

  #keep(plan: Plan, value: unknown): void {
    if (plan.life === LIVES.singleton) plan.kept = { value }
    if (plan.life !== null)
      this.#awilix.cache.set(plan.cacheKey, { resolver: { resolve: () => value }, value })
  }

  #ownerOf(plan: Plan): Level {
    if (plan.life === LIVES.singleton) return this.#root
    return plan.life === LIVES.tenant ? (this.#tenant ?? this) : this
  }

  /** As `resolve`, waiting for what is not there yet. */
  async #obtain(plan: Plan): Promise<unknown> {
    const owner = this.#ownerOf(plan)
    const there = plan.kept ?? owner.#awilix.cache.get(plan.cacheKey)
    if (plan.life !== null && there !== undefined) return there.value
    const { making } = this.#shared
    const chain = making.getStore() ?? []
    const at = chain.findIndex((one) => one.plan.key === plan.key && one.level === owner)
    if (at >= 0) throw circleError([...chain.slice(at).map((one) => one.plan.name), plan.name])
    const make = (): Promise<unknown> =>
      making.run([...chain, { plan, level: owner }], () => owner.#make(plan))
    if (plan.life === null) return await owner.#track(Symbol(plan.name), make)
    return await (owner.#pending?.get(plan.key) ?? owner.#track(plan.key, make))
  }

  /** It is pending from here on, also for what the work itself asks for. Who disposes the level waits for it. */
  #track(key: symbol, work: () => Promise<unknown>): Promise<unknown> {
    const pending = (this.#pending ??= new Map())
    const { promise, resolve } = Promise.withResolvers<unknown>()
    pending.set(key, promise)
    resolve(work().finally(() => pending.delete(key)))
    return promise
  }

  async #make(plan: Plan): Promise<unknown> {
    const read = async (dep: Dep): Promise<unknown> =>
      dep.plan === null || dep.lazy ? this.#read(dep) : await this.#obtain(dep.plan)
    const injected: unknown[] = []
    for (const dep of plan.deps) injected.push(await read(dep))
    const properties: unknown[] = []
    for (const [, dep] of plan.properties) properties.push(await read(dep))
    if (this.#isOver) throw disposedError(this.#title())
    return await this.#complete(plan, this.#create(plan, injected), injected, properties)
  }

  async #complete(plan: Plan, made: unknown, injected: Values, properties: Values): Promise<unknown> {
    let instance: unknown
    try {
      instance = plan.provider.make.by === 'factory' ? await made : made
    } catch (thrown) {
      throw factoryFailed(plan.name, thrown)
    }
    await this.#settle(plan, instance, () => this.#finish(plan, instance, injected, properties))
    return instance
  }

  async #settle(plan: Plan, instance: unknown, finish: () => unknown): Promise<void> {
    try {
      await finish()
    } catch (thrown) {
      await this.#endings?.end(instance)
      throw factoryFailed(plan.name, thrown)
    }
    this.#keep(plan, instance)
  }

  /** What awilix calls for what it does not have; `container` is the one that shall own it. */
  static build(plan: Plan, container: AwilixContainer): unknown {
    const level = levelOf(container)
    if (level.#pending?.has(plan.key) === true) throw madeLater(plan.name)
    const injected: unknown[] = []
    for (const dep of plan.deps) injected.push(level.#read(dep))
    const properties: unknown[] = []
    for (const [, dep] of plan.properties) properties.push(level.#read(dep))
    const instance = level.#create(plan, injected)
    if (types.isPromise(instance) && plan.provider.make.by === 'factory')
      throw level.#later(plan, () => level.#complete(plan, instance, injected, properties))
    let finished: unknown
    try {
      finished = level.#finish(plan, instance, injected, properties)
    } catch (thrown) {
      void level.#track(Symbol(plan.name), async () => await level.#endings?.end(instance))
      throw factoryFailed(plan.name, thrown)
    }
    if (types.isPromise(finished))
      throw level.#later(plan, () => level.#settle(plan, instance, () => finished))
    if (plan.life === LIVES.singleton) plan.kept = { value: instance }
    return instance
  }

  /** Nobody waits for it; who asks when it is there gets it. */
  #later(plan: Plan, work: () => Promise<unknown>): VelaError {
    this.#track(plan.key, work).catch(() => undefined)
    return madeLater(plan.name)
  }

  /** A tenant's instance, from whichever scope it is asked for. */
  static buildOfTenant(plan: Plan, container: AwilixContainer): unknown {
    const level = levelOf(container)
    return (level.#tenant ?? level).#awilix.resolve(plan.cacheKey)
  }

  #read({ plan, lazy }: Dep): unknown {
    if (plan === null) return undefined
    if (lazy) return () => this.resolve(plan.provider.provide)
    return plan.kept === null ? this.#awilix.resolve(plan.key) : plan.kept.value
  }

  #create({ provider: { make }, name }: Plan, injected: Values): unknown {
    try {
      switch (make.by) {
        case 'class':
          return new make.of(...injected)
        case 'factory':
          return make.of(...injected)
        case 'value':
          return make.of
        default:
      }
    } catch (thrown) {
      throw factoryFailed(name, thrown)
    }
    throw notGiven(name, this.kind)
  }

  /** From here on it is the level's, whatever happens next. */
  #finish(plan: Plan, instance: unknown, injected: Values, properties: Values): unknown {
    const { ending, life, provider } = plan
    const dispose = ending === 'ask' ? disposerIn(instance) : ending
    if (dispose !== null) (this.#endings ??= new Endings()).add({ name: plan.name, instance, end: dispose })
    if (life === LIVES.singleton) this.#shared.injected.set(plan.key, injected)
    for (const [index, [property]] of plan.properties.entries())
      Reflect.set(instance as object, property, properties[index])
    return provider.onInit?.(instance, ...injected)
  }

  async #dispose(): Promise<void> {
    const failures: (readonly [string, unknown])[] = []
    for (const child of [...(this.#children ?? [])].reverse()) {
      await child.dispose().catch((thrown: unknown) => failures.push([child.#title(), thrown]))
    }
    if (this.#pending !== undefined) await Promise.allSettled(this.#pending.values())
    if (this.#endings !== undefined) failures.push(...(await this.#endings.endAll()))
    this.#awilix.cache.clear()
    if (this.#parent !== null) this.#parent.#children?.delete(this)
    if (failures.length > 0) throw endingFailed(`${this.#title()} could not be disposed of whole`, failures)
  }

  #title(): string {
    return this.kind === 'container' ? 'the container' : `a ${this.kind} scope`
  }
}

interface Leveled extends AwilixContainer {
  [LEVEL]?: Level
}

function levelOf(container: Leveled): Level {
  const level = container[LEVEL]
  if (level === undefined) throw new TypeError('a scope that is not ours')
  return level
}
