/** What is wrong with a composition, in words: every message has the path and says what to do. */
import { VelaError, type ErrorCode } from '../core/errors.ts'
import type { GraphProblem } from '../../guest-sdk/di/graph.ts'

const CODES: Readonly<Record<GraphProblem['kind'], ErrorCode>> = {
  unknown: 'VELA_DI_UNKNOWN_TOKEN',
  cycle: 'VELA_DI_CYCLE',
  captive: 'VELA_DI_CAPTIVE',
}

const printPath = (path: readonly string[]): string => path.join(' → ')

export interface ProblemFacts {
  /** The scope that the provider of this name asks for. */
  scopeOf(name: string): string
  /** Why a token that somebody provides is not seen from there. */
  hidden(path: readonly string[]): string | undefined
}

/** One error for all: its code is the first problem's, `details.problems` has each `{code, path}`. */
export function problemsError(problems: readonly GraphProblem[], facts: ProblemFacts): VelaError {
  const [first] = problems
  if (first === undefined) throw new TypeError('no problem')
  return new VelaError(CODES[first.kind], problems.map((problem) => describe(problem, facts)).join('; '), {
    details: { path: first.path, problems: problems.map(({ kind, path }) => ({ code: CODES[kind], path })) },
  })
}

function describe({ kind, path }: GraphProblem, facts: ProblemFacts): string {
  const way = printPath(path)
  const holder = path[0] ?? ''
  const held = path.at(-1) ?? ''
  if (kind === 'unknown') {
    const why =
      facts.hidden(path) ??
      `nobody provides ${held}; provide it, import the module that exports it, or inject optional(${held})`
    return `${way}: ${why}`
  }
  if (kind === 'cycle')
    return `${way}: they need each other to be made; let one of them inject lazy(…) of the next, or move what both need into a third`
  const [own, shorter] = [facts.scopeOf(holder), facts.scopeOf(held)]
  return (
    `${way}: ${holder} has scope ${own} and would keep one ${held} of scope ${shorter} for ever; ` +
    `give ${holder} the scope ${shorter}, or pass ${held} to its methods`
  )
}

/** Found while they are made: one of them asks the container itself, which no check sees. */
export const circleError = (path: readonly string[]): VelaError =>
  new VelaError(
    'VELA_DI_CYCLE',
    `${printPath(path)}: they wait for each other to be made; let one of them inject lazy(…) of the next, or ask for it later`,
    { details: { path } },
  )

export const unknownToken = (name: string): VelaError =>
  new VelaError('VELA_DI_UNKNOWN_TOKEN', `nobody provides ${name}`, { details: { token: name } })

export const outsideScope = (name: string, scope: string): VelaError =>
  new VelaError(
    'VELA_DI_CAPTIVE',
    `${name} lives in a ${scope} scope, or needs what does; resolve it from container.scope('${scope}')`,
    { details: { token: name, scope } },
  )

export const notGiven = (name: string, scope: string): VelaError =>
  new VelaError('VELA_DI_UNKNOWN_TOKEN', `${name} was not given when its ${scope} scope was opened`, {
    details: { token: name, scope },
  })

export const disposedError = (what: string): VelaError =>
  new VelaError('VELA_DI_DISPOSED', `${what} was disposed; what it made is gone`)

export function factoryFailed(name: string, cause: unknown): VelaError {
  const message = cause instanceof Error ? cause.message : String(cause)
  return new VelaError('VELA_DI_FACTORY_FAILED', `${name} could not be made: ${message}`, {
    cause,
    details: { token: name },
  })
}

export const madeLater = (name: string): VelaError =>
  new VelaError(
    'VELA_DI_FACTORY_FAILED',
    `${name} is made asynchronously; use resolveAsync, or make() the container first if it is a singleton`,
    { details: { token: name } },
  )

/** Of several that went wrong while things were ended; each is `[name, thrown]`. */
export function endingFailed(what: string, failures: readonly (readonly [string, unknown])[]): VelaError {
  const messages = failures.map(
    ([name, thrown]) => `${name}: ${thrown instanceof Error ? thrown.message : String(thrown)}`,
  )
  return new VelaError('VELA_LIFECYCLE_HOOK_FAILED', `${what}: ${messages.join('; ')}`, {
    cause: new AggregateError(
      failures.map(([, thrown]) => thrown),
      what,
    ),
    details: { causes: messages },
  })
}
