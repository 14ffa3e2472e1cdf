/**
 * A level: the container itself, or what it has made for one turn or one instance of an actor. Instances stand in awilix's cache of
 * the level that owns them; transients are their holder's.
 * Invariants: an instance is made once for its level, also asynchronously and whoever asks meanwhile; what a level made is disposed
 * in reverse order, each awaited, as the last thing of its life.
 */
import type { AwilixContainer } from 'awilix/browser'
import type { Life, WiringKit } from './kit.ts'
import { Pending, settled, whenAll } from './pending.ts'
import type { Entry, Plan } from './plan.ts'
import type { Kind, Problems } from './problems.ts'
import type { Provider } from './provider.ts'
import type { Injectable, Token } from './token.ts'

export interface Shared {
  readonly kit: WiringKit
  readonly problems: Problems
  readonly plan: Plan
}

interface Made {
  readonly instance: unknown
  readonly dispose: (instance: unknown) => unknown
}

const LEVEL = Symbol('level')

export class Level {
  readonly kind: Kind
  readonly #awilix: AwilixContainer
  readonly #shared: Shared
  readonly #life: Life | undefined
  readonly #root: Level
  #bindings: Map<Token, unknown> | undefined
  #made: Made[] | undefined
  #isDisposed = false

  constructor(awilix: AwilixContainer, shared: Shared, of?: { readonly life: Life; readonly root: Level }) {
    this.kind = of === undefined ? 'container' : of.life.kind
    this.#awilix = awilix
    this.#shared = shared
    this.#life = of?.life
    this.#root = of === undefined ? this : of.root
    Reflect.set(awilix, LEVEL, this)
  }

  static of(awilix: AwilixContainer): Level {
    return Reflect.get(awilix, LEVEL) as Level
  }

  within(life: Life): Level {
    return new Level(this.#awilix.createScope(), this.#shared, { life, root: this })
  }

  has({ key, bound }: Token): boolean {
    return this.#shared.plan.entries.has(key) || (bound !== undefined && this.#shared.kit.has(bound.name))
  }

  resolve(token: Token): unknown {
    const value = this.take(token)
    if (value instanceof Pending) throw this.#shared.problems.later(token.name)
    return value
  }

  async resolveAsync(token: Token): Promise<unknown> {
    const value = this.take(token)
    return value instanceof Pending ? await value.promise : value
  }

  /** The instance, or that it is being made. */
  take({ token, how }: Injectable): unknown {
    const { problems, plan } = this.#shared
    if (how === 'lazy') return () => this.resolve(token)
    const root = this.#root
    if (root.#isDisposed) throw problems.disposed('container')
    if (this.#isDisposed || this.#life?.isOver === true) throw problems.disposed(this.kind)
    const entry = plan.entries.get(token.key)
    if (entry?.provider === undefined) return this.#given(token, entry, how === 'optional')
    const missing = entry.needs.find((kind) => kind !== this.kind)
    if (missing !== undefined) throw problems.outside(token.name, missing, this.kind)
    return settled(this.#awilix.resolve(token.key))
  }

  /** Makes it for the level that shall own it; awilix calls this for what it does not have yet. */
  make(provider: Provider): unknown {
    const { make } = provider
    if (make.by === 'alias') return this.take(make.of)
    // Whoever asks first: what a singleton holds is never of a scope, and what it begins not of a turn.
    if (provider.scope !== 'singleton') return this.#make(provider)
    const root = this.#root
    let made: unknown
    this.#shared.kit.outside(() => {
      made = root.#make(provider)
    })
    return made
  }

  #make(provider: Provider): unknown {
    const { inject, properties } = provider
    const count = inject.length
    const values = whenAll([...inject, ...properties.map(([, item]) => item)].map((item) => this.take(item)))
    const build = (ready: readonly unknown[]): unknown =>
      this.#build(provider, ready.slice(0, count), ready.slice(count))
    return values instanceof Promise
      ? this.#pending(
          provider,
          values.then((ready) => later(build(ready))),
        )
      : build(values)
  }

  #build(provider: Provider, injected: readonly unknown[], properties: readonly unknown[]): unknown {
    if (this.#isDisposed) throw this.#shared.problems.disposed(this.kind)
    const { make } = provider
    let made: unknown
    try {
      if (make.by === 'class') made = new make.of(...injected)
      else made = make.by === 'factory' ? make.of(...injected) : make.of
    } catch (thrown) {
      throw this.#failed(provider, thrown)
    }
    if (make.by !== 'factory' || !isThenable(made)) return this.#finish(provider, made, injected, properties)
    const making = Promise.resolve(made).then(
      (instance) => later(this.#finish(provider, instance, injected, properties)),
      (thrown: unknown) => {
        throw this.#failed(provider, thrown)
      },
    )
    return this.#pending(provider, making)
  }

  /** From here on it is the level's, whatever happens next. */
  #finish(
    provider: Provider,
    instance: unknown,
    injected: readonly unknown[],
    properties: readonly unknown[],
  ): unknown {
    this.#own(provider, instance)
    let done: unknown
    try {
      for (const [index, [name]] of provider.properties.entries())
        Reflect.set(instance as object, name, properties[index])
      done = provider.onInit?.(instance, ...injected)
    } catch (thrown) {
      throw this.#failed(provider, thrown)
    }
    if (!isThenable(done)) return instance
    const making = Promise.resolve(done).then(
      () => instance,
      (thrown: unknown) => {
        throw this.#failed(provider, thrown)
      },
    )
    return this.#pending(provider, making)
  }

  #own({ dispose }: Provider, instance: unknown): void {
    const how = dispose === undefined ? ownDispose(instance) : dispose
    if (how === null) return
    const made = { instance, dispose: how }
    // It came when its life was over: nobody will end it later.
    if (this.#isDisposed || this.#life?.isOver === true) {
      void this.#end([made]).then((failures) => failures.forEach(this.#shared.kit.reportError))
      throw this.#shared.problems.disposed(this.kind)
    }
    if (this.#made === undefined) {
      this.#made = []
      this.#life?.atEnd(async () => {
        for (const failure of await this.#disposeAll()) this.#shared.kit.reportError(failure)
      })
    }
    this.#made.push(made)
  }

  /** Rejects, after the last one, if any could not be disposed. */
  async dispose(): Promise<void> {
    const failures = await this.#disposeAll()
    if (failures.length > 0) throw this.#shared.problems.ending(failures)
  }

  async #disposeAll(): Promise<readonly unknown[]> {
    this.#isDisposed = true
    const made = this.#made ?? []
    this.#made = undefined
    return await this.#end(made)
  }

  async #end(made: readonly Made[]): Promise<readonly unknown[]> {
    const failures: unknown[] = []
    for (const { instance, dispose } of made.toReversed()) {
      try {
        await dispose(instance)
      } catch (thrown) {
        failures.push(thrown)
      }
    }
    return failures
  }

  #pending(provider: Provider, promise: Promise<unknown>): Pending {
    return new Pending(promise, () => this.#awilix.cache.delete(provider.provide.key))
  }

  #failed({ provide }: Provider, thrown: unknown): object {
    return this.#shared.problems.failed(provide.name, thrown)
  }

  /** What no provider makes: a binding, the `ctx` of this level. */
  #given(token: Token, entry: Entry | undefined, isOptional: boolean): unknown {
    const { kit, problems } = this.#shared
    if (token.bound !== undefined) {
      const bindings = (this.#bindings ??= new Map())
      if (!bindings.has(token)) {
        const { name, deadlineMs } = token.bound
        bindings.set(token, (this.#life ?? kit).binding(name, deadlineMs))
      }
      const value = bindings.get(token)
      if (value === undefined && !isOptional) throw problems.unbound(token.name)
      return value
    }
    if (entry === undefined) {
      if (isOptional) return undefined
      throw problems.unknown(token.name)
    }
    const [kind] = entry.needs
    if (kind !== this.kind) throw problems.outside(token.name, kind ?? 'request', this.kind)
    return this.#life?.context
  }
}

const isThenable = (value: unknown): value is PromiseLike<unknown> =>
  typeof value === 'object' &&
  value !== null &&
  typeof (value as { readonly then?: unknown }).then === 'function'

const later = (value: unknown): unknown => (value instanceof Pending ? value.promise : value)

/** QuickJS has neither symbol. */
const KEYS: readonly (symbol | undefined)[] = [Symbol.asyncDispose, Symbol.dispose]

function ownDispose(instance: unknown): Made['dispose'] | null {
  if ((typeof instance !== 'object' && typeof instance !== 'function') || instance === null) return null
  for (const key of KEYS) {
    const dispose: unknown = key === undefined ? undefined : Reflect.get(instance, key)
    if (typeof dispose === 'function') return (of) => Reflect.apply(dispose, of, []) as unknown
  }
  return null
}
