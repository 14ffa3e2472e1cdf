/**
 * Providers: how what a token names is made, how long it lives, and what happens to it. `provide` checks by types that what is
 * injected fits the constructor's or factory's parameters; from there on a provider is data.
 */
import type { Injectable, Token, TypeOf } from './token.ts'

/** `singleton` (default): one. `tenant`, `request`: one for each scope of that kind. `transient`: one for each who asks. */
export type Scope = 'singleton' | 'tenant' | 'request' | 'transient'

export type HookName = 'onStart' | 'onReady' | 'onDrain' | 'onStop'
export const HOOKS: readonly HookName[] = ['onStart', 'onReady', 'onDrain', 'onStop']

/** What a tuple of injectables is when it arrives. */
export type Injected<Deps extends readonly Injectable<unknown>[]> = {
  -readonly [Index in keyof Deps]: TypeOf<Deps[Index]>
}

/** Hooks get what was injected, as `onInit` does, after the instance and the signal. */
type HookOf<T, Deps extends readonly Injectable<unknown>[]> = (
  instance: T,
  signal: AbortSignal,
  ...injected: Injected<Deps>
) => void | Promise<void>

export type LooseHook = (instance: unknown, signal: AbortSignal, ...injected: unknown[]) => unknown

interface Common<T, Deps extends readonly Injectable<unknown>[]> {
  readonly scope?: Scope
  /** What the constructor or factory takes, in its order. */
  readonly inject?: Deps
  /** Set on what was made, before `onInit`. */
  readonly properties?: { readonly [Name in keyof T]?: Injectable<T[Name]> }
  /** Made and started before this one, without being given to it. */
  readonly after?: readonly Token<unknown>[]
  /** Belongs to the making: whoever waits for the instance waits for this. Gets what was injected too. */
  readonly onInit?: (instance: T, ...injected: Injected<Deps>) => void | Promise<void>
  /** Hooks of singletons, in the order of dependencies. Left out: the instance's own methods of these names. */
  readonly onStart?: HookOf<T, Deps>
  readonly onReady?: HookOf<T, Deps>
  readonly onDrain?: HookOf<T, Deps>
  readonly onStop?: HookOf<T, Deps>
  /** Left out: `Symbol.asyncDispose` or `Symbol.dispose` of the instance; null: it is not ours to dispose. */
  readonly dispose?: ((instance: T) => unknown) | null
}

interface None {
  readonly useClass?: never
  readonly useFactory?: never
  readonly useValue?: never
  readonly useExisting?: never
  readonly useScope?: never
}

export type How<T, Deps extends readonly Injectable<unknown>[]> =
  | (Omit<None, 'useClass'> & Common<T, Deps> & { readonly useClass: new (...injected: Injected<Deps>) => T })
  | (Omit<None, 'useFactory'> &
      Common<T, Deps> & { readonly useFactory: (...injected: Injected<Deps>) => T | Promise<T> })
  | (Omit<None, 'useValue'> & { readonly useValue: T } & Pick<
        Common<T, Deps>,
        HookName | 'dispose' | 'after'
      >)
  /** Another name of the same. */
  | (Omit<None, 'useExisting'> & { readonly useExisting: Token<T> })
  /** Given by whoever opens a scope of this kind: the tenant's name, the request. */
  | (Omit<None, 'useScope'> & { readonly useScope: 'tenant' | 'request' })

/** What `provide` gives: checked, and without its type. */
export interface Provider {
  readonly provide: Token<unknown>
  /** Under which the instance is kept; a tenant's not under the token's own key, which leads to it from any scope. */
  readonly cacheKey: symbol
  readonly scope: Scope
  readonly make:
    | { readonly by: 'class'; readonly of: new (...injected: unknown[]) => unknown }
    | { readonly by: 'factory'; readonly of: (...injected: unknown[]) => unknown }
    | { readonly by: 'value'; readonly of: unknown }
    | { readonly by: 'alias'; readonly of: Token<unknown> }
    | { readonly by: 'scope' }
  readonly inject: readonly Injectable<unknown>[]
  readonly properties: readonly (readonly [string, Injectable<unknown>])[]
  readonly after: readonly Token<unknown>[]
  readonly onInit: ((instance: unknown, ...injected: unknown[]) => unknown) | undefined
  readonly hooks: Readonly<Partial<Record<HookName, LooseHook>>>
  readonly dispose: ((instance: unknown) => unknown) | null | undefined
}

/** @example provide(MAILER, { useClass: Mailer, inject: [SMTP, LOG], scope: 'tenant' }) */
export function provide<T, const Deps extends readonly Injectable<unknown>[] = readonly []>(
  token: Token<T>,
  how: How<NoInfer<T>, Deps>,
): Provider {
  return providerOf(token, how as Loose)
}

/** What `provide` takes, as it is without types. */
export interface Loose {
  readonly scope?: Scope
  readonly inject?: readonly Injectable<unknown>[]
  readonly properties?: Readonly<Record<string, Injectable<unknown>>>
  readonly after?: readonly Token<unknown>[]
  readonly onInit?: Provider['onInit']
  readonly onStart?: LooseHook
  readonly onReady?: LooseHook
  readonly onDrain?: LooseHook
  readonly onStop?: LooseHook
  readonly dispose?: Provider['dispose']
  readonly useClass?: new (...injected: unknown[]) => unknown
  readonly useFactory?: (...injected: unknown[]) => unknown
  readonly useValue?: unknown
  readonly useExisting?: Token<unknown>
  readonly useScope?: 'tenant' | 'request'
}

function providerOf(token: Token<unknown>, how: Loose): Provider {
  const make = makeOf(token, how)
  const hooks: Partial<Record<HookName, LooseHook>> = {}
  for (const name of HOOKS) {
    const hook = how[name]
    if (hook !== undefined) hooks[name] = hook
  }
  const scope = make.by === 'scope' ? (how.useScope ?? 'request') : (how.scope ?? 'singleton')
  return {
    provide: token,
    cacheKey: scope === 'tenant' ? Symbol(token.name) : token.key,
    scope,
    make,
    inject: how.inject ?? [],
    properties: Object.entries(how.properties ?? {}),
    after: how.after ?? [],
    onInit: how.onInit,
    hooks,
    // A value belongs to whoever made it.
    dispose: how.dispose === undefined && make.by === 'value' ? null : how.dispose,
  }
}

function makeOf(token: Token<unknown>, how: Loose): Provider['make'] {
  if (how.useClass !== undefined) return { by: 'class', of: how.useClass }
  if (how.useFactory !== undefined) return { by: 'factory', of: how.useFactory }
  if (how.useExisting !== undefined) return { by: 'alias', of: how.useExisting }
  if (how.useScope !== undefined) return { by: 'scope' }
  if ('useValue' in how) return { by: 'value', of: how.useValue }
  throw new TypeError(
    `the provider of ${token.name} needs useClass, useFactory, useValue, useExisting or useScope`,
  )
}
