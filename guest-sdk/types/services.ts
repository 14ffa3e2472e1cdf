/**
 * Types of the `services` capability: another service (or one of the host) as its caller sees it. Every method answers
 * a promise, whatever it is over there, since arguments and results cross as JSON.
 */
import type { GuestRequest, GuestRequestInit, GuestResponse } from './web.ts'

/** A method of which only the name is known. */
export type RemoteMethod = (...args: readonly unknown[]) => Promise<unknown>

/** Called by the runtime on other occasions, so never methods for others. */
type Reserved =
  | 'fetch'
  | 'scheduled'
  | 'queue'
  | 'start'
  | 'stop'
  | 'alarm'
  | 'tail'
  | 'email'
  | 'constructor'
  | 'default'
  | 'then'

type MethodNames<Target> = {
  [Name in keyof Target]: Target[Name] extends (...args: never) => unknown
    ? Name extends Reserved
      ? never
      : Name
    : never
}[keyof Target]

/** The methods of a service, without its `fetch`: a service of the host, or a grant that names its methods. */
export type MethodStub<Target = Readonly<Record<string, RemoteMethod>>> = {
  readonly [Name in MethodNames<Target>]: Target[Name] extends (...args: infer Args) => infer Result
    ? (...args: Args) => Promise<Awaited<Result>>
    : never
}

/** The HTTP side of a service. */
export interface Fetcher {
  /**
   * Sends the other service an HTTP request; only path, method, headers and body matter, so that the host in the URL may be
   * anything. Rejects with the codes of a call.
   *
   * @example
   * const response = await env.search.fetch('http://search/?q=tea', { signal: request.signal })
   */
  fetch(input: string | URLLike | GuestRequest, init?: GuestRequestInit): Promise<GuestResponse>
}

interface URLLike {
  readonly href: string
}

/**
 * Another service: `"capabilities": {"services": {"mail": {"service": "mailer", "entrypoint": "Api"}}}` is `env.mail`.
 * A call counts on the callee's limits, has the caller's deadline and is cancelled with it; a chain may be 8 services deep
 * (`VELA_CAPABILITY_TOO_DEEP`). It rejects with what the method threw (name and message, `VELA_GUEST_THREW`), with
 * `VELA_METHOD_NOT_FOUND`, `VELA_CELL_*`, `VELA_TURN_*`, or `VELA_CAPABILITY_*`.
 *
 * `Target` is the class of the entry, the type of the module, or an interface with its methods.
 *
 * @example
 * interface Mailer { send(to: string, text: string): { id: string } }
 * interface Env { readonly mail: ServiceStub<Mailer> }
 * const { id } = await env.mail.send('ada@example.com', 'hello')
 */
export type ServiceStub<Target = Readonly<Record<string, RemoteMethod>>> = MethodStub<Target> & Fetcher
