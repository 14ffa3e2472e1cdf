/** Dependency injection inside a service: tokens, providers, containers. The host has the same words (docs/di.md). */
import type { ActorContext } from './actors.ts'
import type { Context } from './handlers.ts'

declare const TYPE: unique symbol

/** What may stand in `inject`: of type T for whoever gets it. */
export interface Injectable<T> {
  /** For the compiler alone. */
  readonly [TYPE]?: () => T
}

/** The name of what a container gives, with its type. An identity, as a symbol is: two with the same name are two. */
export interface Token<T> extends Injectable<T> {
  readonly name: string
  readonly how: 'value'
}

/** What a tuple of injectables is when it arrives. */
export type Injected<Deps extends readonly Injectable<unknown>[]> = {
  -readonly [Index in keyof Deps]: Deps[Index] extends Injectable<infer T> ? T : never
}

/**
 * `singleton` (default): one in this isolate. `request`: one for each turn (a request, a call of a method, a scheduled run, a batch of
 * events). `actor`: one for each instance of an actor. `transient`: one for each who asks.
 */
export type InjectionScope = 'singleton' | 'request' | 'actor' | 'transient'

interface Making<T, Deps extends readonly Injectable<unknown>[]> {
  readonly scope?: InjectionScope
  /** What the constructor or factory takes, in its order. */
  readonly inject?: Deps
  /** Set on what was made, before `onInit`. */
  readonly properties?: { readonly [Name in keyof T]?: Injectable<T[Name]> }
  /** Belongs to the making: whoever waits for the instance waits for this. */
  readonly onInit?: (instance: T, ...injected: Injected<Deps>) => void | Promise<void>
  /**
   * Run at the end of its scope, the last that was made first. Left out: the instance's own `Symbol.asyncDispose` or
   * `Symbol.dispose`, where the engine has them (V8 has). null: it is not the container's to dispose.
   */
  readonly dispose?: ((instance: T) => unknown) | null
}

interface None {
  readonly useClass?: never
  readonly useFactory?: never
  readonly useValue?: never
  readonly useExisting?: never
}

/** How what a token names is made; exactly one `use…`. */
export type ProviderOptions<T, Deps extends readonly Injectable<unknown>[]> =
  | (Omit<None, 'useClass'> & Making<T, Deps> & { readonly useClass: new (...injected: Injected<Deps>) => T })
  /** May be async: then it is had with `resolveAsync`, and by `inject`, which waits. */
  | (Omit<None, 'useFactory'> &
      Making<T, Deps> & { readonly useFactory: (...injected: Injected<Deps>) => T | Promise<T> })
  | (Omit<None, 'useValue'> & { readonly useValue: T } & Pick<Making<T, Deps>, 'dispose'>)
  /** Another name of the same. */
  | (Omit<None, 'useExisting'> & { readonly useExisting: Token<T> })

/** What `provide` gives: checked, and without its type. */
export interface Provider {
  readonly provide: Token<unknown>
}

export interface BindingOptions {
  /**
   * How long each call may take (milliseconds); then it rejects with `TimeoutError` (`VELA_TASK_TIMEOUT`) and the other side is
   * told that nobody waits. For bindings of services and of the key-value store.
   */
  readonly deadlineMs?: number
}

/** What containers and their scopes do. */
export interface Resolving {
  /** Whether it can give it at all. */
  has(token: Token<unknown>): boolean
  /**
   * Throws `VELA_DI_UNKNOWN_TOKEN`, `VELA_DI_CAPTIVE` for what lives in another scope, `VELA_DI_FACTORY_FAILED` (`cause` is what was
   * thrown, or it is made asynchronously and is not there yet), `VELA_DI_DISPOSED`.
   */
  resolve<T>(token: Token<T>): T
  /** The same, waiting for what is made asynchronously. */
  resolveAsync<T>(token: Token<T>): Promise<T>
}

export interface ContainerOptions {
  /** In the place of providers of the same tokens, or of bindings: for tests. */
  readonly overrides?: readonly Provider[]
}

/** What a function takes behind what is injected. */
export type OwnArguments<Run extends (...args: never) => unknown, Deps extends readonly unknown[]> =
  Parameters<Run> extends [...{ [Index in keyof Deps]: unknown }, ...infer Own] ? Own : []

export interface Container extends Resolving {
  /**
   * A function that is called with what it needs, first what is injected, then its arguments: a handler, an exported function. It
   * is of the turn in which it is called, and scope `request` is that turn's. If something is made asynchronously it waits for that.
   *
   * @example
   * export default {
   *   fetch: app.inject([ORDERS, LOG], async (orders, log, request: Request) => Response.json(await orders.list())),
   * }
   * export const quote = app.inject([PRICES], (prices, sku: string) => prices.of(sku))
   */
  inject<
    const Deps extends readonly Injectable<unknown>[],
    Run extends (...args: [...Injected<Deps>, ...never[]]) => unknown,
  >(
    tokens: Deps,
    run: Run,
  ): (...args: OwnArguments<Run, Deps>) => ReturnType<Run> | Promise<Awaited<ReturnType<Run>>>
  /**
   * The scope of a turn or an actor, by its `ctx`; always the same for the same. What was made in it is disposed after all that
   * was given to `waitUntil`, or when the actor leaves memory.
   *
   * @example
   * export class Cart extends Actor<Env> {
   *   readonly #prices = app.scope(this.ctx).resolve(PRICES)
   * }
   */
  scope(ctx: Context | ActorContext): Resolving
  /** Singletons, the last that was made first; for `stop`. Rejects after the last if any failed. */
  dispose(): Promise<void>
}

/**
 * Throws at once, and so at deploy if it is called at the top level, with the path: `VELA_DI_UNKNOWN_TOKEN`, `VELA_DI_CYCLE`,
 * `VELA_DI_CAPTIVE`, `VELA_DI_DUPLICATE`. What it needs of `env` and would not get is refused at deploy
 * (`VELA_DEPLOY_MISSING_DEPENDENCY`). It makes nothing yet.
 *
 * @example
 * const app = container([
 *   provide(ORDERS, { useClass: Orders, inject: [binding<KvNamespace>('KV'), CLOCK], scope: 'request' }),
 *   provide(CLOCK, { useValue: () => Date.now() }),
 * ])
 * export default { fetch: app.inject([ORDERS], (orders, request: Request) => orders.handle(request)) }
 */
export type ContainerFunction = (providers: readonly Provider[], options?: ContainerOptions) => Container

/**
 * The compiler checks that what is injected fits the constructor or the factory.
 *
 * @example
 * provide(MAILER, { useFactory: (mail, from) => new Mailer(mail, from), inject: [binding<MethodStub>('MAIL'), FROM] })
 */
export type ProvideFunction = <T, const Deps extends readonly Injectable<unknown>[] = readonly []>(
  token: Token<T>,
  how: ProviderOptions<NoInfer<T>, Deps>,
) => Provider

/**
 * On behalf of the turn or actor in whose scope it is injected, so that its calls end with that; in a singleton of nobody in
 * particular.
 *
 * @example
 * const MAIL = binding<ServiceStub<Mailer>>('MAIL', { deadlineMs: 500 })
 */
export type BindingFunction = <T>(name: string, options?: BindingOptions) => Token<T>

export type OptionalFunction = <T>(of: Token<T>) => Injectable<T | undefined>
export type LazyFunction = <T>(of: Token<T>) => Injectable<() => T>
