/**
 * The container: providers by token, made in the order of their dependencies, on awilix, which keeps registrations, scopes and
 * instances. All that can be wrong with a composition is found by `check`, before the first thing is made.
 */
import { AsyncLocalStorage } from 'node:async_hooks'
import { createContainer as createAwilix, type AwilixContainer, type Resolver } from 'awilix'
import { hookedParts, startHooks, stopHooks, type HookedPart } from './hooks.ts'
import { Level, type Given, type Making, type Shared } from './level.ts'
import { collect, type Composition } from './module.ts'
import { LIVES, plan, type Plan, type Plans, type ScopeKind } from './plan.ts'
import { unknownToken } from './problems.ts'
import type { Provider, Scope } from './provider.ts'
import type { Token, TokensOf } from './token.ts'

/** What both the container and its scopes do. */
export interface Resolving extends AsyncDisposable {
  has(token: Token<unknown>): boolean
  resolve<T>(token: Token<T>): T
  resolveAsync<T>(token: Token<T>): Promise<T>
  dispose(): Promise<void>
}

export interface ContainerScope extends Resolving {
  readonly kind: ScopeKind
  /** A request of this tenant. */
  scope(kind: 'request', values?: readonly Given[]): ContainerScope
}

export interface Container extends Resolving {
  /** Throws VELA_DI_UNKNOWN_TOKEN, VELA_DI_CYCLE or VELA_DI_CAPTIVE with the path. Makes nothing. */
  check(): void
  /** More of them, at any time; what is made stays. */
  add(...providers: readonly Provider[]): void
  /** Takes back a provider that was added and of which nothing was made. */
  remove(token: Token<unknown>): void
  /** Of an alias, that of its target. */
  scopeOf(token: Token<unknown>): Scope
  /** Makes every singleton that is not there yet, in the order of dependencies; disposes all when one fails. */
  make(): Promise<void>
  resolveAll<Parts>(tokens: TokensOf<Parts>): Parts
  scope(kind: ScopeKind, values?: readonly Given[]): ContainerScope
  /** Singletons that have hooks, with the names of those they depend on: for a lifecycle that runs them. `also`: some without. */
  hooked(also?: (token: Token<unknown>) => boolean): readonly HookedPart[]
  /** `make`, then `onStart` and `onReady` of each in order. Undoes all when one fails. */
  start(): Promise<void>
  /** `onDrain` and `onStop` of each in reverse, then `dispose`. */
  stop(): Promise<void>
}

export function createContainer(composition: Composition = {}): Container {
  const awilix = createAwilix({ strict: false })
  const added: Provider[] = []
  let plans: Plans | undefined
  const planned = (): Plans => {
    if (plans === undefined) {
      plans = plan(collect({ ...composition, providers: [...(composition.providers ?? []), ...added] }))
      for (const one of plans.order) {
        register(awilix, one)
        one.kept = one.life === LIVES.singleton ? (awilix.cache.get(one.key) ?? null) : null
      }
    }
    return plans
  }
  const injected = new Map<symbol, readonly unknown[]>()
  const shared: Shared = { plans: planned, injected, making: new AsyncLocalStorage<readonly Making[]>() }
  const root = new Level('container', awilix, shared, null)
  const singletons = (): Plan[] => planned().order.filter(({ life }) => life === LIVES.singleton)
  const hooked = (also: (token: Token<unknown>) => boolean = () => false): HookedPart[] =>
    hookedParts(planned(), (token) => root.resolve(token), injected, also)
  const scopeOf = (token: Token<unknown>): Scope => {
    const provider = planned().byKey.get(token.key)?.provider
    if (provider === undefined) throw unknownToken(token.name)
    return provider.scope
  }
  const begun: HookedPart[] = []
  let started = false

  const container: Container = {
    check: () => void planned(),
    add(...providers) {
      added.push(...providers)
      plans = undefined
      try {
        planned()
      } catch (thrown) {
        added.length -= providers.length
        throw thrown
      }
    },
    remove(token) {
      const at = added.findIndex(({ provide }) => provide.key === token.key)
      if (at >= 0) added.splice(at, 1)
      plans = undefined
    },
    scopeOf,
    async make() {
      try {
        for (const { provider } of singletons()) await root.resolveAsync(provider.provide)
      } catch (thrown) {
        await root.dispose().catch(() => undefined)
        throw thrown
      }
    },
    has: (token) => root.has(token),
    resolve: (token) => root.resolve(token),
    resolveAsync: (token) => root.resolveAsync(token),
    resolveAll<Parts>(tokens: TokensOf<Parts>): Parts {
      const all = Object.entries<Token<unknown>>(tokens).map(([name, token]) => [name, root.resolve(token)])
      return Object.fromEntries(all) as Parts
    },
    scope: (kind, values) => root.scope(kind, values) as ContainerScope,
    hooked,
    async start() {
      await container.make()
      const parts = hooked()
      try {
        await startHooks('onStart', parts, begun)
        started = true
        await startHooks('onReady', parts)
      } catch (thrown) {
        await container.stop().catch(() => undefined)
        throw thrown
      }
    },
    async stop() {
      // What was not ready has nothing in flight.
      const hooks = started ? (['onDrain', 'onStop'] as const) : (['onStop'] as const)
      try {
        await stopHooks(hooks, begun.splice(0))
      } finally {
        await root.dispose()
      }
    },
    dispose: () => root.dispose(),
    [Symbol.asyncDispose]: () => root.dispose(),
  }
  return container
}

function register(awilix: AwilixContainer, one: Plan): void {
  const { key, cacheKey, life, provider } = one
  const { make } = provider
  if (make.by === 'alias') {
    const target = make.of.key
    awilix.register(
      key,
      resolver('TRANSIENT', (from) => from.resolve(target)),
    )
  } else if (life === LIVES.singleton) {
    // Made in the root whoever asks first, so that what it holds is never of a scope.
    awilix.register(
      key,
      resolver('SINGLETON', () => Level.build(one, awilix)),
    )
  } else if (life === LIVES.tenant) {
    awilix.register(
      key,
      resolver('TRANSIENT', (from) => Level.buildOfTenant(one, from)),
    )
    awilix.register(
      cacheKey,
      resolver('SCOPED', (from) => Level.build(one, from)),
    )
  } else {
    const lifetime = life === null ? 'TRANSIENT' : 'SCOPED'
    awilix.register(
      key,
      resolver(lifetime, (from) => Level.build(one, from)),
    )
  }
}

/** awilix's resolvers are objects; ours need neither its parsing of parameters nor its proxies. */
const resolver = (
  lifetime: 'SINGLETON' | 'SCOPED' | 'TRANSIENT',
  resolve: (container: AwilixContainer) => unknown,
): Resolver<unknown> => ({ lifetime, resolve })
