/**
 * The container of a service, on awilix, which keeps registrations, scopes and instances. It has no power: what it injects is what
 * `env` and `ctx` give, so a service that patches what is used here confuses itself and nobody else.
 */
import { createContainer as createAwilix, type AwilixContainer, type Resolver } from 'awilix/browser'
import type { Life, WiringKit } from './kit.ts'
import { Level } from './level.ts'
import { whenAll } from './pending.ts'
import { plan, type Builtin } from './plan.ts'
import { createProblems, type Problems } from './problems.ts'
import { checkProviders, type Provider } from './provider.ts'
import { Token, checkInjectables, checkToken, type Injectable } from './token.ts'

export interface Resolving {
  has(token: unknown): boolean
  resolve(token: unknown): unknown
  resolveAsync(token: unknown): Promise<unknown>
}

export interface Container extends Resolving {
  inject(tokens: unknown, run: unknown): (...args: unknown[]) => unknown
  scope(context: unknown): Resolving
  dispose(): Promise<void>
}

export interface Containers {
  readonly container: (providers: unknown, options?: unknown) => Container
  /** The `ctx` of the turn, in scope `request`. */
  readonly CONTEXT: Token
  /** The `ctx` of the actor, in scope `actor`. */
  readonly ACTOR: Token
}

export function createContainers(kit: WiringKit): Containers {
  const problems = createProblems(kit)
  const CONTEXT = new Token('CONTEXT')
  const ACTOR = new Token('ACTOR')
  const builtins: readonly Builtin[] = [
    { token: CONTEXT, scope: 'request' },
    { token: ACTOR, scope: 'actor' },
  ]
  return {
    CONTEXT,
    ACTOR,
    container(given, options = undefined) {
      const { overrides } = (options ?? {}) as { readonly overrides?: unknown }
      const providers = checkProviders('container', given)
      const replaced =
        overrides === undefined
          ? providers
          : override(providers, checkProviders('container overrides', overrides), problems)
      return createContainer(kit, problems, replaced, builtins)
    },
  }
}

function override(
  providers: readonly Provider[],
  overrides: readonly Provider[],
  problems: Problems,
): readonly Provider[] {
  const byKey = new Map(overrides.map((provider) => [provider.provide.key, provider]))
  const all = [...providers]
  for (const [key, provider] of byKey) {
    const at = all.findIndex(({ provide }) => provide.key === key)
    if (at >= 0) all[at] = provider
    else if (provider.provide.bound !== undefined) all.push(provider)
    else throw problems.overridesNothing(provider.provide.name)
  }
  return all
}

function createContainer(
  kit: WiringKit,
  problems: Problems,
  providers: readonly Provider[],
  builtins: readonly Builtin[],
): Container {
  const planned = plan(providers, builtins, problems)
  const awilix = createAwilix({ strict: false })
  for (const provider of providers) register(awilix, provider)
  const root = new Level(awilix, { kit, problems, plan: planned })
  const levels = new WeakMap<Life, Level>()

  const need = (path: string, { name, bound }: Token): void => {
    if (bound === undefined || kit.need(path, bound.name, bound.deadlineMs !== undefined)) return
    if (!kit.has(bound.name)) throw problems.unbound(name)
  }
  for (const { path, token } of planned.bindings) need(path, token)

  const levelOf = (life: Life): Level => {
    let level = levels.get(life)
    if (level === undefined) levels.set(life, (level = root.within(life)))
    return level
  }
  const check = ({ token, how }: Injectable): void => {
    if (planned.entries.has(token.key) || how === 'optional') return
    if (token.bound === undefined) throw problems.unknown(token.name)
    need(`inject → ${token.name}`, token)
  }

  return Object.freeze({
    ...resolving(root),
    inject(tokens: unknown, run: unknown) {
      const deps = checkInjectables('inject', tokens)
      if (typeof run !== 'function')
        throw new TypeError('inject: a function that takes what is injected is needed')
      deps.forEach(check)
      return function (this: unknown, ...args: unknown[]): unknown {
        const life = kit.currentLife()
        const level = life === undefined ? root : levelOf(life)
        const values = whenAll(deps.map((dep) => level.take(dep)))
        const call = (ready: readonly unknown[]): unknown =>
          Reflect.apply(run, this, [...ready, ...args]) as unknown
        if (!(values instanceof Promise)) return call(values)
        return values.then((ready) => {
          let result: unknown
          if (life === undefined) return call(ready)
          life.within(() => {
            result = call(ready)
          })
          return result
        })
      }
    },
    scope(context: unknown) {
      const life = kit.lifeOf(context)
      if (life === undefined) throw problems.notContext()
      return Object.freeze(resolving(levelOf(life)))
    },
    dispose: () => root.dispose(),
  })
}

const resolving = (level: Level): Resolving => ({
  has: (token) => level.has(checkToken('has', token)),
  resolve: (token) => level.resolve(checkToken('resolve', token)),
  resolveAsync: async (token) => await level.resolveAsync(checkToken('resolveAsync', token)),
})

function register(awilix: AwilixContainer, provider: Provider): void {
  const { provide, make, scope } = provider
  const lifetime =
    make.by === 'alias' || scope === 'transient'
      ? 'TRANSIENT'
      : scope === 'singleton'
        ? 'SINGLETON'
        : 'SCOPED'
  awilix.register(
    provide.key,
    resolver(lifetime, (from) => Level.of(from).make(provider)),
  )
}

/** awilix's resolvers are objects; ours need neither its parsing of parameters nor its proxies. */
const resolver = (
  lifetime: 'SINGLETON' | 'SCOPED' | 'TRANSIENT',
  resolve: (container: AwilixContainer) => unknown,
): Resolver<unknown> => ({ lifetime, resolve: (container) => resolve(container as AwilixContainer) })
