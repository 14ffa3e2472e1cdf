/**
 * What a service can import from `@vela/guest-sdk`. Inside a guest the runtime provides this module
 * (guest-sdk/kernel/sdk.ts), so this file is for compilers and editors: it has the types, and running it anywhere
 * else says so at once instead of failing later in a stranger way.
 */

/** The compiler's own `Request`, from whichever library of types the service is checked with. */
type RequestOf<Scope> = Scope extends { Request: { prototype: infer Instance } } ? Instance : object
type ResponseOf<Scope> = Scope extends { Response: { prototype: infer Instance } } ? Instance : object

export type GuestRequest = RequestOf<typeof globalThis>
export type GuestResponse = ResponseOf<typeof globalThis>

/** What belongs to one turn: one request, or one call of a method. */
export interface Context {
  /** The id in the response's `x-request-id` header, in the access log and beside this turn's log lines. */
  readonly requestId: string
  /** Empty: there for Cloudflare-style code that reads it. */
  readonly props: Readonly<Record<string, unknown>>
  /**
   * Keeps the turn open until the promise settles, after the response has gone; at most 1,000 promises a turn, and no
   * longer than the service's `wallMs`. A rejection is logged.
   */
  waitUntil(promise: Promise<unknown>): void
  /** Does nothing: there is no origin to pass through to. */
  passThroughOnException(): void
}

/**
 * The default export of a service. Every part is optional, but a service must have a `fetch`, a `start` or a method.
 *
 * @example
 * export default {
 *   fetch: (request, env) => Response.json({ hello: env.NAME }),
 * } satisfies ExportedHandler<{ NAME: string }>
 */
export interface ExportedHandler<Env = Readonly<Record<string, unknown>>> {
  /** Answers the HTTP requests of this service. Its URL is without `/<tenant>/<service>`. */
  fetch?(request: GuestRequest, env: Env, ctx: Context): GuestResponse | Promise<GuestResponse>
  /** Runs once in each isolate, after the module and before the first call. What it throws refuses the deploy. */
  start?(env: Env): void | Promise<void>
  /**
   * Runs when the version is replaced or the host shuts down, with the reason (`replaced`, `deleted`, `shutdown`), for a
   * few seconds at most. Not before an idle isolate is unloaded, and never after a limit has ended it.
   */
  stop?(reason: string): void | Promise<void>
  /** Methods, for `runtime.invoke` and `vela invoke`: arguments and result are JSON. */
  readonly [method: string]: unknown
}

/**
 * Base of a named entry: `export class Api extends WorkerEntrypoint<Env> { quote(…) {…} }` makes the method `Api.quote`.
 * Also a base of the default export. Each call gets an instance of its own.
 */
export abstract class WorkerEntrypoint<Env = Readonly<Record<string, unknown>>> {
  protected readonly ctx: Context
  protected readonly env: Env
  constructor(ctx: Context, env: Env) {
    this.ctx = ctx
    this.env = env
  }
}

/** The vars and secrets of the service, the same values as the handlers' `env`. Frozen. */
export const env: Readonly<Record<string, unknown>> = onlyInsideAGuest()

function onlyInsideAGuest(): never {
  throw new Error(
    '@vela/guest-sdk exists only inside a Vela service: deploy the service (`vela deploy`) or run it (`vela dev`) ' +
      'instead of importing it here. Types alone can be imported anywhere with `import type`.',
  )
}
