/** Providers, checked: authors of JavaScript have no compiler that does it for them. From there on a provider is data. */
import { checkInjectable, checkInjectables, checkToken, type Injectable, type Token } from './token.ts'

export type Scope = 'singleton' | 'request' | 'actor' | 'transient'
export const SCOPES: readonly Scope[] = ['singleton', 'request', 'actor', 'transient']

type Work = (...args: unknown[]) => unknown

export class Provider {
  readonly provide: Token
  readonly scope: Scope
  readonly make:
    | { readonly by: 'class'; readonly of: new (...injected: unknown[]) => unknown }
    | { readonly by: 'factory'; readonly of: Work }
    | { readonly by: 'value'; readonly of: unknown }
    | { readonly by: 'alias'; readonly of: Token }
  readonly inject: readonly Injectable[]
  readonly properties: readonly (readonly [string, Injectable])[]
  readonly onInit: Work | undefined
  /** Null: it is not ours to dispose. Undefined: as its own symbols say. */
  readonly dispose: Work | null | undefined

  constructor(token: unknown, options: unknown) {
    this.provide = checkToken('provide', token)
    const { name } = this.provide
    const where = `provide(${name})`
    if (typeof options !== 'object' || options === null)
      throw new TypeError(`${where}: an object that says how it is made is needed`)
    const how = options as Readonly<Record<string, unknown>>
    this.make = makeOf(where, how)
    const scope = scopeOf(where, how['scope'])
    this.scope = this.make.by === 'value' ? 'singleton' : scope
    this.inject = how['inject'] === undefined ? [] : checkInjectables(`${where} inject`, how['inject'])
    this.properties = Object.entries((how['properties'] ?? {}) as object).map(
      ([property, injectable]) =>
        [property, checkInjectable(`${where} properties.${property}`, injectable)] as const,
    )
    this.onInit = how['onInit'] === undefined ? undefined : checkWork(`${where} onInit`, how['onInit'])
    const { dispose } = how
    // A value belongs to whoever made it.
    if (dispose === undefined || dispose === null)
      this.dispose = dispose === undefined && this.make.by !== 'value' ? undefined : null
    else this.dispose = checkWork(`${where} dispose`, dispose)
    Object.freeze(this)
  }
}

export const provide = (token: unknown, options: unknown): Provider => new Provider(token, options)

export function checkProviders(where: string, value: unknown): readonly Provider[] {
  if (!Array.isArray(value)) throw new TypeError(`${where}: a list of providers is needed`)
  return Array.from(value as unknown[], (item) => {
    if (item instanceof Provider) return item
    throw new TypeError(`${where}: a provider is needed, as provide(TOKEN, { … }) makes it`)
  })
}

const WAYS = ['useClass', 'useFactory', 'useValue', 'useExisting'] as const

function makeOf(where: string, how: Readonly<Record<string, unknown>>): Provider['make'] {
  const [way, other] = WAYS.filter((key) => Object.hasOwn(how, key))
  if (way === undefined || other !== undefined)
    throw new TypeError(`${where}: exactly one of ${WAYS.join(', ')} is needed`)
  const of = how[way]
  if (way === 'useValue') return { by: 'value', of }
  if (way === 'useExisting') return { by: 'alias', of: checkToken(`${where} useExisting`, of) }
  const work = checkWork(`${where} ${way}`, of)
  return way === 'useFactory'
    ? { by: 'factory', of: work }
    : { by: 'class', of: work as unknown as new (...injected: unknown[]) => unknown }
}

function scopeOf(where: string, scope: unknown): Scope {
  if (scope === undefined) return 'singleton'
  const found = SCOPES.find((known) => known === scope)
  if (found === undefined) throw new TypeError(`${where}: scope is one of ${SCOPES.join(', ')}`)
  return found
}

function checkWork(where: string, value: unknown): Work {
  if (typeof value === 'function') return value as Work
  throw new TypeError(`${where}: a function is needed`)
}
