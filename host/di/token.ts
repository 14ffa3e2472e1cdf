/**
 * Tokens: the names of what a container gives, with its type. A token is an identity, as a symbol is: two with the same name
 * are two. What can be injected is a token, or a token with a word on how (`optional`, `lazy`).
 */

declare const TYPE: unique symbol

/** What may stand in `inject`: of type T for whoever gets it. */
export interface Injectable<T> {
  readonly token: Token<unknown>
  readonly how: 'value' | 'optional' | 'lazy'
  /** For the compiler alone. */
  readonly [TYPE]?: () => T
}

export interface Token<T> extends Injectable<T> {
  readonly name: string
  readonly key: symbol
  readonly how: 'value'
}

export type TypeOf<I> = I extends Injectable<infer T> ? T : never

/** Tokens of all members of a record, by the same names. */
export type TokensOf<Parts> = { readonly [Name in keyof Parts]-?: Token<Parts[Name]> }

export function token<T>(name: string): Token<T> {
  return new Named<T>(name)
}

class Named<T> implements Token<T> {
  readonly how = 'value'
  readonly key: symbol
  readonly name: string
  constructor(name: string) {
    this.name = name
    this.key = Symbol(name)
  }
  get token(): Token<unknown> {
    return this
  }
}

export const isToken = (value: unknown): value is Token<unknown> => value instanceof Named

/** `undefined` if nobody provides it. */
export const optional = <T>(of: Token<T>): Injectable<T | undefined> => ({ token: of, how: 'optional' })

/** A function that gives it when it is called: for what is needed later, and to open a circle. */
export const lazy = <T>(of: Token<T>): Injectable<() => T> => ({ token: of, how: 'lazy' })

/** One token for each member of `Parts`, named `<prefix><name>`. The compiler sees that no name is missing. */
export function tokensFor<Parts>(
  prefix: string,
  names: Readonly<Record<keyof Parts & string, true>>,
): TokensOf<Parts> {
  const made = Object.keys(names).map((name) => [name, token(prefix + name)])
  return Object.fromEntries(made) as TokensOf<Parts>
}
