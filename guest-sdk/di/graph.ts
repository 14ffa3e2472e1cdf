/**
 * What depends on what, checked before anything is made: the same for the containers of hosts and of guests. Pure: from nodes
 * to problems and an order; it makes nothing and throws nothing.
 * A *life* is a place in the row of scopes, the longest-lived first. A node without one (a transient, an alias) lives as long as
 * whoever holds it, so that a captive dependency is looked for through it.
 */

export interface GraphEdge<Key> {
  readonly to: Key
  readonly name: string
  /** `holds`: made before and kept. `lazy`: asked for later, so that no order follows. `after`: an order and nothing else. */
  readonly kind: 'holds' | 'lazy' | 'after'
  /** May be absent. */
  readonly optional: boolean
}

export interface GraphNode<Key> {
  readonly key: Key
  readonly name: string
  readonly life: number | null
  readonly edges: readonly GraphEdge<Key>[]
}

/** `path` is of names, from who asks to what is asked for; of a cycle, the first and the last are the same. */
export interface GraphProblem {
  readonly kind: 'unknown' | 'cycle' | 'captive'
  readonly path: readonly string[]
}

export interface GraphReport<Key> {
  /** Every unknown token; if there is none, a cycle; if there is none, every captive. */
  readonly problems: readonly GraphProblem[]
  /** Each after what it depends on, else as given; empty if there is a problem. */
  readonly order: readonly GraphNode<Key>[]
  /** Lives without which a node cannot be had, as bits (`1 << life`); the longest life is always there and is no bit. */
  readonly needs: ReadonlyMap<Key, number>
}

export function checkGraph<Key>(nodes: readonly GraphNode<Key>[]): GraphReport<Key> {
  const byKey = new Map(nodes.map((node) => [node.key, node]))
  const problems = findUnknown(nodes, byKey)
  if (problems.length > 0) return failed(problems)
  const { order, cycle } = sort(nodes, byKey)
  if (cycle !== null) return failed([cycle])
  const captives = nodes.flatMap((node) => findCaptives(node, byKey))
  if (captives.length > 0) return failed(captives)
  return { problems: [], order, needs: countNeeds(nodes, byKey) }
}

const failed = <Key>(problems: readonly GraphProblem[]): GraphReport<Key> => ({
  problems,
  order: [],
  needs: new Map(),
})

type ByKey<Key> = ReadonlyMap<Key, GraphNode<Key>>

function findUnknown<Key>(nodes: readonly GraphNode<Key>[], byKey: ByKey<Key>): GraphProblem[] {
  return nodes.flatMap((node) =>
    node.edges
      .filter((edge) => !edge.optional && !byKey.has(edge.to))
      .map((edge): GraphProblem => ({ kind: 'unknown', path: [node.name, edge.name] })),
  )
}

interface Visit<Key> {
  readonly node: GraphNode<Key>
  next: number
}

/** Depth first with a stack of its own: a chain of any length is no danger to the engine's. */
function sort<Key>(
  nodes: readonly GraphNode<Key>[],
  byKey: ByKey<Key>,
): { readonly order: GraphNode<Key>[]; readonly cycle: GraphProblem | null } {
  const order: GraphNode<Key>[] = []
  const done = new Set<Key>()
  const open = new Set<Key>()
  for (const first of nodes) {
    const stack: Visit<Key>[] = done.has(first.key) ? [] : [{ node: first, next: 0 }]
    open.add(first.key)
    for (let top = stack.at(-1); top !== undefined; top = stack.at(-1)) {
      const { node } = top
      const edge = node.edges[top.next++]
      if (edge === undefined) {
        stack.pop()
        open.delete(node.key)
        done.add(node.key)
        order.push(node)
        continue
      }
      const to = edge.kind === 'lazy' ? undefined : byKey.get(edge.to)
      if (to === undefined || done.has(to.key)) continue
      if (open.has(to.key)) {
        const from = stack.findIndex((visit) => visit.node.key === to.key)
        const path = [...stack.slice(from).map((visit) => visit.node.name), to.name]
        return { order: [], cycle: { kind: 'cycle', path } }
      }
      open.add(to.key)
      stack.push({ node: to, next: 0 })
    }
    open.delete(first.key)
  }
  return { order, cycle: null }
}

/** Whoever holds something of a shorter life than its own, itself or through what has no life of its own. */
function findCaptives<Key>(holder: GraphNode<Key>, byKey: ByKey<Key>): GraphProblem[] {
  const { life } = holder
  if (life === null) return []
  const found: GraphProblem[] = []
  const seen = new Set<Key>()
  const paths: { readonly node: GraphNode<Key>; readonly path: readonly string[] }[] = [
    { node: holder, path: [holder.name] },
  ]
  for (let here = paths.pop(); here !== undefined; here = paths.pop()) {
    for (const edge of here.node.edges) {
      const to = edge.kind === 'after' ? undefined : byKey.get(edge.to)
      if (to === undefined || seen.has(to.key)) continue
      seen.add(to.key)
      const path = [...here.path, to.name]
      if (to.life === null) paths.push({ node: to, path })
      else if (to.life > life) found.push({ kind: 'captive', path })
    }
  }
  return found
}

function countNeeds<Key>(nodes: readonly GraphNode<Key>[], byKey: ByKey<Key>): ReadonlyMap<Key, number> {
  const needs = new Map<Key, number>()
  const own = ({ life }: GraphNode<Key>): number => (life === null || life === 0 ? 0 : 1 << life)
  for (const node of nodes) {
    let bits = own(node)
    const seen = new Set<Key>([node.key])
    const open = [node]
    for (let here = open.pop(); here !== undefined; here = open.pop()) {
      for (const edge of here.edges) {
        const to = edge.kind === 'after' ? undefined : byKey.get(edge.to)
        if (to === undefined || seen.has(to.key)) continue
        seen.add(to.key)
        bits |= own(to)
        // The longest-lived need nothing, and a circle of lazy ones is walked once.
        if (to.life !== 0) open.push(to)
      }
    }
    needs.set(node.key, node.life === 0 ? 0 : bits)
  }
  return needs
}
