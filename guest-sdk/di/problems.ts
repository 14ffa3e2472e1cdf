/** What is wrong with a container, in words: every message has the path and says what to do. The codes are those of the host's containers. */
import type { GraphProblem } from './graph.ts'
import type { WiringKit } from './kit.ts'

export type Kind = 'container' | 'request' | 'actor'

export interface Problems {
  unknown(name: string): object
  unbound(name: string): object
  duplicate(name: string): object
  overridesNothing(name: string): object
  graph(problem: GraphProblem, scopeOf: (name: string) => string): object
  outside(name: string, scope: string, here: Kind): object
  disposed(kind: Kind): object
  failed(name: string, cause: unknown): object
  later(name: string): object
  notContext(): object
  ending(failures: readonly unknown[]): object
}

export function createProblems({ createError }: Pick<WiringKit, 'createError'>): Problems {
  const captive = (path: readonly string[], scopeOf: (name: string) => string): string => {
    const holder = path[0] ?? ''
    const held = path.at(-1) ?? ''
    return `${print(path)}: ${holder} has scope ${scopeOf(holder)} and would keep one ${held} of scope ${scopeOf(held)}; give ${holder} the scope ${scopeOf(held)}, or pass ${held} to its methods`
  }
  return {
    unknown: (name) => createError('VELA_DI_UNKNOWN_TOKEN', `nobody provides ${name}`),
    unbound: (name) =>
      createError(
        'VELA_DI_UNKNOWN_TOKEN',
        `env has no ${name}: bind it in the manifest, or inject optional(binding('${name}'))`,
      ),
    duplicate: (name) =>
      createError(
        'VELA_DI_DUPLICATE',
        `${name} is provided twice: leave one out, or give it to override(…) to replace the other`,
      ),
    overridesNothing: (name) =>
      createError('VELA_DI_UNKNOWN_TOKEN', `the override of ${name} replaces nothing: nobody provides it`),
    graph({ kind, path }, scopeOf) {
      const way = print(path)
      const last = path.at(-1) ?? ''
      if (kind === 'unknown')
        return createError(
          'VELA_DI_UNKNOWN_TOKEN',
          `${way}: nobody provides ${last}; provide it, or inject optional(${last})`,
        )
      if (kind === 'cycle')
        return createError(
          'VELA_DI_CYCLE',
          `${way}: they need each other to be made; let one of them inject lazy(…) of the next, or move what both need into a third`,
        )
      return createError('VELA_DI_CAPTIVE', captive(path, scopeOf))
    },
    outside: (name, scope, here) =>
      createError(
        'VELA_DI_CAPTIVE',
        `${name} has scope ${scope}, or needs what has, and there is no ${scope} ${here === 'container' ? 'here' : `in scope ${here}`}; resolve it with app.scope(ctx), or in a function that app.inject made`,
      ),
    disposed: (kind) =>
      createError(
        'VELA_DI_DISPOSED',
        kind === 'container'
          ? 'The container was disposed; what it made is gone'
          : `The ${kind} is over, and what was made for it is gone`,
      ),
    failed: (name, cause) =>
      createError('VELA_DI_FACTORY_FAILED', `${name} could not be made: ${messageOf(cause)}`, cause),
    later: (name) =>
      createError(
        'VELA_DI_FACTORY_FAILED',
        `${name} is made asynchronously; use resolveAsync, or let it be injected`,
      ),
    notContext: () => new TypeError('scope: the ctx of a handler or an actor is needed'),
    ending: (failures) => new AggregateError(failures, 'Something could not be disposed'),
  }
}

const print = (path: readonly string[]): string => path.join(' → ')

function messageOf(thrown: unknown): string {
  try {
    return thrown instanceof Error ? thrown.message : String(thrown)
  } catch {
    return 'what was thrown cannot be read'
  }
}
