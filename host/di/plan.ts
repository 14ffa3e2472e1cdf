/**
 * From providers to plans: the graph is checked once, and all that a resolve needs to know is computed here, so that it asks
 * nothing at run time that was settled at start.
 */
import { checkGraph, type GraphEdge, type GraphNode } from '../../guest-sdk/di/graph.ts'
import type { Collected, Placed } from './module.ts'
import { problemsError } from './problems.ts'
import type { Provider } from './provider.ts'
import type { Injectable } from './token.ts'

/** Places in the row of scopes; awilix's singleton is 0, and each of the others is a container of its own. */
export const LIVES = { singleton: 0, tenant: 1, request: 2 } as const
export type Life = (typeof LIVES)[keyof typeof LIVES]
export type ScopeKind = 'tenant' | 'request'

export interface Plan {
  readonly name: string
  readonly key: symbol
  readonly cacheKey: symbol
  readonly life: Life | null
  /** Scopes without which it cannot be had, as bits `1 << life`. */
  readonly needs: number
  readonly provider: Provider
  readonly deps: Dep[]
  readonly properties: (readonly [string, Dep])[]
  /** What it waits for, in order. */
  readonly before: Plan[]
  /** Null: nothing is to be done. `ask`: whether the instance knows. */
  readonly ending: ((instance: unknown) => unknown) | null | 'ask'
  /** A singleton that was made; then nobody asks awilix for it. */
  kept: { readonly value: unknown } | null
}

export interface Dep {
  /** Null: optional, and nobody provides it. */
  readonly plan: Plan | null
  readonly lazy: boolean
}

export interface Plans {
  readonly byKey: ReadonlyMap<symbol, Plan>
  /** Each after what it depends on. */
  readonly order: readonly Plan[]
}

/** Throws VELA_DI_UNKNOWN_TOKEN, VELA_DI_CYCLE or VELA_DI_CAPTIVE with the path. */
export function plan({ placed, sees }: Collected): Plans {
  const all = [...placed.values()]
  const nodes = all.map((one) => nodeOf(one, sees))
  const { problems, order, needs } = checkGraph(nodes)
  if (problems.length > 0) {
    const byName = new Map(all.map((one) => [one.provider.provide.name, one]))
    throw problemsError(problems, {
      scopeOf: (name) => byName.get(name)?.provider.scope ?? 'singleton',
      hidden: (path) => whyHidden(byName.get(path[0] ?? ''), byName.get(path.at(-1) ?? '')),
    })
  }
  return link(order, needs, { placed, sees })
}

/** Plans that know each other. An alias has none of its own: its token leads to the plan of what it stands for. */
function link(
  order: readonly GraphNode<symbol>[],
  needs: ReadonlyMap<symbol, number>,
  { placed, sees }: Collected,
): Plans {
  const byKey = new Map<symbol, Plan>()
  const plans: Plan[] = []
  for (const { key, life, edges } of order) {
    const provider = placed.get(key)?.provider
    if (provider === undefined) throw new TypeError('a node without a provider')
    const alias = provider.make.by === 'alias' ? byKey.get(provider.make.of.key) : undefined
    const one = alias ?? planOf(provider, life as Life | null, needs.get(key) ?? 0)
    byKey.set(key, one)
    if (alias !== undefined) continue
    plans.push(one)
    for (const { kind, to } of edges) {
      // What comes before is there already, by the order.
      const before = kind === 'lazy' ? undefined : byKey.get(to)
      if (before !== undefined) one.before.push(before)
    }
  }
  for (const one of plans) {
    const home = placed.get(one.key)?.home ?? null
    // What is hidden in a module is not there for others: it was not looked at when the graph was checked.
    const depOf = ({ token, how }: Injectable<unknown>): Dep => ({
      plan: sees(home, token.key) ? (byKey.get(token.key) ?? null) : null,
      lazy: how === 'lazy',
    })
    one.deps.push(...one.provider.inject.map(depOf))
    for (const [property, injectable] of one.provider.properties)
      one.properties.push([property, depOf(injectable)])
  }
  return { byKey, order: plans }
}

function planOf(provider: Provider, life: Life | null, needs: number): Plan {
  const { make, cacheKey, dispose, provide } = provider
  const { name, key } = provide
  return {
    name,
    key,
    cacheKey,
    life,
    needs,
    provider,
    deps: [],
    properties: [],
    before: [],
    // Instances of a class all have the same methods; of the others each is asked.
    ending:
      dispose ?? (dispose === null ? null : make.by === 'class' ? disposerIn(make.of.prototype) : 'ask'),
    kept: null,
  }
}

/** How an object with `Symbol.asyncDispose` or `Symbol.dispose` is ended. */
export function disposerIn(object: unknown): ((instance: unknown) => unknown) | null {
  if (typeof object !== 'object' || object === null) return null
  const own: unknown = Reflect.get(object, Symbol.asyncDispose) ?? Reflect.get(object, Symbol.dispose)
  return typeof own === 'function' ? (instance) => Reflect.apply(own, instance, []) as unknown : null
}

/** A token that the provider's module does not see is an edge to nowhere. */
function nodeOf({ provider, home }: Placed, sees: Collected['sees']): GraphNode<symbol> {
  const edge = (token: Injectable<unknown>['token'], kind: GraphEdge<symbol>['kind'], optional: boolean) => ({
    to: sees(home, token.key) ? token.key : Symbol(token.name),
    name: token.name,
    kind,
    optional,
  })
  const injected = [...provider.inject, ...provider.properties.map(([, injectable]) => injectable)]
  const edges: GraphEdge<symbol>[] = injected.map(({ token, how }) =>
    edge(token, how === 'lazy' ? 'lazy' : 'holds', how === 'optional'),
  )
  for (const token of provider.after) edges.push(edge(token, 'after', false))
  if (provider.make.by === 'alias') edges.push(edge(provider.make.of, 'holds', false))
  const { name, key } = provider.provide
  return { key, name, life: lifeOf(provider), edges }
}

function lifeOf({ make, scope }: Provider): Life | null {
  return make.by === 'alias' || scope === 'transient' ? null : LIVES[scope]
}

function whyHidden(from: Placed | undefined, to: Placed | undefined): string | undefined {
  if (to?.home == null) return undefined
  const { name } = to.provider.provide
  const importer = from?.home == null ? 'give it to the container' : `import it in ${from.home.name}`
  return `the module ${to.home.name} provides ${name}, but it is not seen from here; export it there, and ${importer}`
}
