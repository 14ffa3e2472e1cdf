/** Random graphs: what the checks find is what a slow and simple search finds, and the orders are orders of dependencies. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { checkGraph, type GraphEdge, type GraphNode } from '../../guest-sdk/di/graph.ts'
import { createContainer } from '../../host/di/container.ts'
import { given } from '../../host/di/level.ts'
import { provide, type Scope } from '../../host/di/provider.ts'
import { lazy, optional, token } from '../../host/di/token.ts'

const SIZE = 7

interface RandomEdge {
  readonly from: number
  readonly to: number
  readonly kind: GraphEdge<number>['kind']
}

const edges = (size: number): fc.Arbitrary<readonly RandomEdge[]> =>
  fc.uniqueArray(
    fc.record({
      from: fc.nat(size - 1),
      to: fc.nat(size - 1),
      kind: fc.constantFrom('holds', 'holds', 'holds', 'lazy', 'after'),
    }),
    { maxLength: 12, selector: ({ from, to }) => from * size + to },
  )

const graphs = fc.record({
  lives: fc.array(fc.constantFrom(0, 1, 2, null), { minLength: SIZE, maxLength: SIZE }),
  edges: edges(SIZE),
})

const nodesOf = (lives: readonly (number | null)[], all: readonly RandomEdge[]): GraphNode<number>[] =>
  lives.map((life, key) => ({
    key,
    name: `${key}`,
    life,
    edges: all
      .filter(({ from }) => from === key)
      .map(({ to, kind }) => ({ to, name: `${to}`, kind, optional: false })),
  }))

/** Who reaches whom in one step or more, if only steps that `may` be taken are. */
function reach(all: readonly RandomEdge[], may: (edge: RandomEdge) => boolean): boolean[][] {
  const matrix = Array.from({ length: SIZE }, () => Array.from({ length: SIZE }, () => false))
  const cell = (from: number, to: number): boolean => matrix[from]?.[to] === true
  for (const edge of all.filter(may)) matrix[edge.from]?.splice(edge.to, 1, true)
  for (let through = 0; through < SIZE; through++)
    for (let from = 0; from < SIZE; from++)
      for (let to = 0; to < SIZE; to++)
        if (cell(from, through) && cell(through, to)) matrix[from]?.splice(to, 1, true)
  return matrix
}

const isPath = (path: readonly string[], all: readonly RandomEdge[]): boolean =>
  path
    .slice(1)
    .every((to, index) => all.some((edge) => `${edge.from}` === path[index] && `${edge.to}` === to))

const byNumber = (one: number, other: number): number => one - other

describe('checkGraph', () => {
  test('finds a cycle exactly when there is one, and its path is one', () => {
    fc.assert(
      fc.property(graphs, ({ edges: all }) => {
        const { problems } = checkGraph(
          nodesOf(
            Array.from({ length: SIZE }, () => 0),
            all,
          ),
        )
        const eager = all.filter(({ kind }) => kind !== 'lazy')
        const isCyclic = reach(eager, () => true).some((row, index) => row[index] === true)
        expect(problems.map(({ kind }) => kind)).toEqual(isCyclic ? ['cycle'] : [])
        for (const { path } of problems) {
          expect(path.length).toBeGreaterThan(1)
          expect(path.at(-1)).toBe(path[0])
          expect(new Set(path).size).toBe(path.length - 1)
          expect(isPath(path, eager)).toBe(true)
        }
      }),
      { numRuns: 500 },
    )
  })

  test('finds captives exactly where somebody holds what lives shorter, itself or through what has no life', () => {
    fc.assert(
      fc.property(graphs, ({ lives, edges: all }) => {
        const { problems } = checkGraph(nodesOf(lives, all))
        fc.pre(!problems.some(({ kind }) => kind === 'cycle'))
        const kept = all.filter(({ kind }) => kind !== 'after')
        const through = reach(kept, ({ from }) => lives[from] === null)
        const expected = new Set<string>()
        for (const [holder, life] of lives.entries()) {
          for (const { from, to } of kept) {
            if (life == null || from !== holder) continue
            for (const [held, short] of lives.entries()) {
              const holds = held === to || (lives[to] === null && through[to]?.[held] === true)
              if (holds && short != null && short > life) expected.add(`${holder} ${held}`)
            }
          }
        }
        expect(new Set(problems.map(({ path }) => `${path[0]} ${path.at(-1)}`))).toEqual(expected)
        for (const { kind, path } of problems) {
          expect(kind).toBe('captive')
          expect(isPath(path, kept)).toBe(true)
          expect(path.slice(1, -1).every((name) => lives[Number(name)] === null)).toBe(true)
        }
      }),
      { numRuns: 500 },
    )
  })

  test('orders each after what it depends on, and keeps the given order where nothing else says so', () => {
    fc.assert(
      fc.property(graphs, ({ edges: all }) => {
        const { problems, order } = checkGraph(
          nodesOf(
            Array.from({ length: SIZE }, () => 0),
            all,
          ),
        )
        fc.pre(problems.length === 0)
        const place = order.map(({ key }) => key)
        expect(place.toSorted(byNumber)).toEqual(Array.from({ length: SIZE }, (_, index) => index))
        for (const { from, to, kind } of all)
          if (kind !== 'lazy') expect(place.indexOf(to)).toBeLessThan(place.indexOf(from))
        if (all.every(({ kind }) => kind === 'lazy')) expect(place).toEqual(place.toSorted(byNumber))
      }),
    )
  })

  test('says which scopes each needs: its own, and those of all it reaches', () => {
    fc.assert(
      fc.property(graphs, ({ lives, edges: all }) => {
        const { problems, needs } = checkGraph(nodesOf(lives, all))
        fc.pre(problems.length === 0)
        const reached = reach(all, ({ kind }) => kind !== 'after')
        for (const [key, life] of lives.entries()) {
          const met = [key, ...lives.keys().filter((to) => reached[key]?.[to] === true)]
          const bits = met.reduce(
            (sum, one) => sum | ((lives[one] ?? 0) === 0 ? 0 : 1 << (lives[one] ?? 0)),
            0,
          )
          expect([key, needs.get(key)]).toEqual([key, life === 0 ? 0 : bits])
        }
      }),
    )
  })
})

describe('a container of a random graph without problems', () => {
  const SCOPES: readonly Scope[] = ['singleton', 'tenant', 'request', 'transient']
  /** Edges lead to what comes later in the list and lives at least as long: no cycles, no captives. */
  const sound = fc.record({
    scopes: fc.array(fc.constantFrom(...SCOPES), { minLength: SIZE, maxLength: SIZE }),
    edges: edges(SIZE),
    delays: fc.array(fc.boolean(), { minLength: SIZE, maxLength: SIZE }),
    asked: fc.array(fc.nat(SIZE - 1), { minLength: 1, maxLength: 6 }),
  })

  test('makes each after what it holds, once for its scope, and ends all in exactly the reverse order', async () => {
    await fc.assert(
      fc.asyncProperty(sound, async ({ scopes, edges: all, delays, asked }) => {
        const tokens = scopes.map((_, index) => token<{ readonly id: string }>(`${index}`))
        const TENANT = token<string>('tenant')
        const made: string[] = []
        const ended: string[] = []
        let count = 0
        const rank = (index: number): number => SCOPES.indexOf(scopes[index] ?? 'transient')
        const depsOf = (index: number) =>
          all.filter(({ from, to }) => from === index && to > from && rank(to) <= rank(from))
        const providers = tokens.map((own, index) =>
          provide(own, {
            scope: scopes[index] ?? 'transient',
            inject: depsOf(index).map(({ to, kind }) => {
              const other = tokens[to] ?? own
              return kind === 'lazy' ? lazy(other) : kind === 'after' ? optional(other) : other
            }),
            useFactory(...injected) {
              for (const one of injected)
                if (typeof one === 'object' && one !== null) expect(made).toContain(Reflect.get(one, 'id'))
              const id = `${index}#${count++}`
              const make = (): { id: string } => {
                made.push(id)
                return { id }
              }
              return delays[index] === true ? Promise.resolve().then(make) : make()
            },
            dispose: ({ id }) => ended.push(id),
          }),
        )
        const container = createContainer({
          providers: [...providers, provide(TENANT, { useScope: 'tenant' })],
        })
        await container.make()
        const request = container.scope('tenant', [given(TENANT, 't')]).scope('request')
        for (const index of asked) {
          const own = tokens[index]
          if (own === undefined) continue
          const [first, second] = await Promise.all([request.resolveAsync(own), request.resolveAsync(own)])
          expect(first === second).toBe(scopes[index] !== 'transient')
        }
        await container.dispose()
        expect(ended.toSorted()).toEqual(made.toSorted())
        const scopeOf = (id: string): Scope => scopes[Number(id.split('#')[0])] ?? 'transient'
        for (const scope of ['singleton', 'tenant', 'request'] as const) {
          const own = (ids: readonly string[]): string[] => ids.filter((id) => scopeOf(id) === scope)
          expect(own(ended)).toEqual(own(made).toReversed())
        }
      }),
      { numRuns: 200 },
    )
  })
})
