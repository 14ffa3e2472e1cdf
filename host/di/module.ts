/**
 * Modules: providers that belong together, and which of their tokens others may inject. Here they are made one list: every
 * token once, overrides in the place of what they replace.
 * Who sees what: a module its own tokens, what its imports export, and what the root provides itself; the root its own and what
 * the modules it was given export.
 */
import { VelaError } from '../core/errors.ts'
import type { Provider } from './provider.ts'
import type { Token } from './token.ts'

export interface Module {
  readonly name: string
  readonly providers: readonly Provider[]
  readonly imports: readonly Module[]
  /** Its own tokens, and those it hands on from its imports. */
  readonly exports: readonly Token<unknown>[]
}

export interface ModuleOptions {
  /** For messages. */
  readonly name: string
  readonly providers: readonly Provider[]
  readonly imports?: readonly Module[]
  /** Left out: all that it provides. */
  readonly exports?: readonly Token<unknown>[]
}

export function defineModule({ name, providers, imports = [], exports }: ModuleOptions): Module {
  return { name, providers, imports, exports: exports ?? providers.map((provider) => provider.provide) }
}

export interface Composition {
  readonly providers?: readonly Provider[]
  readonly modules?: readonly Module[]
  /** In the place of providers of the same tokens, wherever those stand: for tests. */
  readonly overrides?: readonly Provider[]
}

export interface Placed {
  readonly provider: Provider
  /** Null: the root. */
  readonly home: Module | null
}

export interface Collected {
  readonly placed: ReadonlyMap<symbol, Placed>
  /** Whether a provider at home there may inject it. */
  readonly sees: (home: Module | null, key: symbol) => boolean
}

/** Throws VELA_DI_DUPLICATE, and VELA_DI_UNKNOWN_TOKEN for an override of nothing or an export that a module does not have. */
export function collect({ providers = [], modules = [], overrides = [] }: Composition): Collected {
  const placed = new Map<symbol, Placed>()
  const all = new Set<Module>()
  const visit = (module: Module): void => {
    if (all.has(module)) return
    all.add(module)
    module.imports.forEach(visit)
    for (const provider of module.providers) place(placed, provider, module)
  }
  modules.forEach(visit)
  for (const provider of providers) place(placed, provider, null)
  replace(placed, overrides)

  const rootOwn = new Set(providers.map(({ provide }) => provide.key))
  const seen = new Map<Module | null, ReadonlySet<symbol>>([
    [null, new Set([...rootOwn, ...exportsOf(modules)])],
  ])
  for (const module of all) {
    const own = module.providers.map(({ provide }) => provide.key)
    const inside = new Set([...own, ...exportsOf(module.imports)])
    const missing = module.exports.find(({ key }) => !inside.has(key))
    if (missing !== undefined) {
      throw new VelaError(
        'VELA_DI_UNKNOWN_TOKEN',
        `the module ${module.name} exports ${missing.name}, which it neither provides nor imports`,
        { details: { module: module.name, token: missing.name } },
      )
    }
    seen.set(module, new Set([...inside, ...rootOwn]))
  }
  return { placed, sees: (home, key) => seen.get(home)?.has(key) === true }
}

const exportsOf = (modules: readonly Module[]): symbol[] =>
  modules.flatMap((module) => module.exports.map(({ key }) => key))

const nameOf = (home: Module | null): string => (home === null ? 'the container' : `the module ${home.name}`)

function place(placed: Map<symbol, Placed>, provider: Provider, home: Module | null): void {
  const { name, key } = provider.provide
  const other = placed.get(key)
  if (other !== undefined) {
    const where = [other.home, home].map(nameOf).join(' and by ')
    throw new VelaError(
      'VELA_DI_DUPLICATE',
      `${name} is provided twice, by ${where}: leave one out, or give it in overrides to replace the other`,
      { details: { token: name } },
    )
  }
  placed.set(key, { provider, home })
}

function replace(placed: Map<symbol, Placed>, overrides: readonly Provider[]): void {
  const replaced = new Set<symbol>()
  for (const provider of overrides) {
    const { name, key } = provider.provide
    const other = placed.get(key)
    if (other === undefined) {
      throw new VelaError(
        'VELA_DI_UNKNOWN_TOKEN',
        `the override of ${name} replaces nothing: nobody provides it`,
        { details: { token: name } },
      )
    }
    if (replaced.has(key)) {
      throw new VelaError('VELA_DI_DUPLICATE', `${name} is overridden twice`, { details: { token: name } })
    }
    replaced.add(key)
    placed.set(key, { provider, home: other.home })
  }
}
