/**
 * From providers to a plan: who is provided once, what depends on what, which bindings are needed. All that can be wrong is
 * found here, when the container is made: at deploy, if that is at the top level of the module.
 */
import { checkGraph, type GraphEdge, type GraphNode } from './graph.ts'
import type { Problems } from './problems.ts'
import type { Provider, Scope } from './provider.ts'
import type { Injectable, Token } from './token.ts'

export interface Entry {
  readonly token: Token
  /** Undefined: a binding, or a token of the library's own. */
  readonly provider: Provider | undefined
  /** Scopes without which it cannot be had. */
  readonly needs: readonly ('request' | 'actor')[]
}

export interface Plan {
  readonly entries: ReadonlyMap<symbol, Entry>
  /** By whom each binding is needed: `orders → MAIL`. Optional ones are not. */
  readonly bindings: readonly { readonly path: string; readonly token: Token }[]
}

/** What the library itself gives, by scope. */
export interface Builtin {
  readonly token: Token
  readonly scope: 'request' | 'actor'
}

export function plan(providers: readonly Provider[], builtins: readonly Builtin[], problems: Problems): Plan {
  const byKey = new Map<symbol, Provider>()
  for (const provider of providers) {
    const { key, name } = provider.provide
    if (byKey.has(key)) throw problems.duplicate(name)
    byKey.set(key, provider)
  }
  const free = freeTokens(providers, byKey)
  const nodes = (requestLife: number): GraphNode<symbol>[] => [
    ...builtins.map(({ token, scope }) => nodeOf(token, livesOf(requestLife)[scope], [])),
    ...free.map((token) => nodeOf(token, null, [])),
    ...providers.map((provider) =>
      nodeOf(provider.provide, livesOf(requestLife)[lifeOf(provider)], edgesOf(provider)),
    ),
  ]
  // Neither of the two outlives the other, and the graph has them in a row: so it is looked at from both sides.
  const report = checkGraph(nodes(1))
  const [problem] = [...report.problems, ...checkGraph(nodes(2)).problems]
  if (problem !== undefined) {
    const scopes = new Map(providers.map(({ provide, scope }) => [provide.name, scope as string]))
    for (const { token, scope } of builtins) scopes.set(token.name, scope)
    throw problems.graph(problem, (name) => scopes.get(name) ?? 'singleton')
  }
  const entries = new Map<symbol, Entry>()
  const needsOf = (key: symbol): Entry['needs'] => {
    const bits = report.needs.get(key) ?? 0
    return [
      ...((bits & 2) === 0 ? [] : ['request' as const]),
      ...((bits & 4) === 0 ? [] : ['actor' as const]),
    ]
  }
  for (const { token, scope } of builtins)
    entries.set(token.key, { token, provider: undefined, needs: [scope] })
  for (const token of free) entries.set(token.key, { token, provider: undefined, needs: [] })
  for (const provider of providers) {
    const { provide: token } = provider
    entries.set(token.key, { token, provider, needs: needsOf(token.key) })
  }
  return { entries, bindings: neededBindings(providers, byKey) }
}

type Life = Exclude<Scope, 'transient'> | 'none'

const livesOf = (request: number): Readonly<Record<Life, number | null>> => ({
  singleton: 0,
  request,
  actor: 3 - request,
  none: null,
})

const lifeOf = ({ make, scope }: Provider): Life =>
  make.by === 'alias' || scope === 'transient' ? 'none' : scope

const nodeOf = (
  { key, name }: Token,
  life: number | null,
  edges: readonly GraphEdge<symbol>[],
): GraphNode<symbol> => ({ key, name, life, edges })

const injectedInto = ({ inject, properties }: Provider): readonly Injectable[] => [
  ...inject,
  ...properties.map(([, injectable]) => injectable),
]

function edgesOf(provider: Provider): GraphEdge<symbol>[] {
  const edges = injectedInto(provider).map(({ token, how }): GraphEdge<symbol> => ({
    to: token.key,
    name: token.name,
    kind: how === 'lazy' ? 'lazy' : 'holds',
    optional: how === 'optional',
  }))
  const { make } = provider
  if (make.by === 'alias') edges.push({ to: make.of.key, name: make.of.name, kind: 'holds', optional: false })
  return edges
}

/** Bindings that somebody injects and nobody provides: `env` does. */
function freeTokens(providers: readonly Provider[], byKey: ReadonlyMap<symbol, Provider>): Token[] {
  const free = new Set<Token>()
  for (const provider of providers) {
    const { make } = provider
    const tokens = injectedInto(provider).map(({ token }) => token)
    if (make.by === 'alias') tokens.push(make.of)
    for (const token of tokens) if (token.bound !== undefined && !byKey.has(token.key)) free.add(token)
  }
  return [...free]
}

function neededBindings(
  providers: readonly Provider[],
  byKey: ReadonlyMap<symbol, Provider>,
): { path: string; token: Token }[] {
  return providers.flatMap((provider) => {
    const { make, provide } = provider
    const needed = injectedInto(provider)
      .filter(({ how }) => how !== 'optional')
      .map(({ token }) => token)
    if (make.by === 'alias') needed.push(make.of)
    return needed
      .filter((token) => token.bound !== undefined && !byKey.has(token.key))
      .map((token) => ({ path: `${provide.name} → ${token.name}`, token }))
  })
}
