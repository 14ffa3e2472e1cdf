/**
 * What a service can import from `@vela/guest-sdk`. Inside a guest the runtime provides this module
 * (guest-sdk/kernel/sdk.ts), so this file is for compilers and editors: it has the types, and running it anywhere
 * else says so at once instead of failing later in a stranger way.
 */
import type { Context } from './types/handlers.ts'

export type { VelaError, VelaErrorCode } from './types/errors.ts'
export type { Context, ExportedHandler, ScheduledController, StopReason } from './types/handlers.ts'
export type {
  KvEntry,
  KvGetOptions,
  KvKey,
  KvList,
  KvListOptions,
  KvNamespace,
  KvPutOptions,
  KvReader,
  KvType,
  KvTypes,
} from './types/kv.ts'
export type { Fetcher, MethodStub, RemoteMethod, ServiceStub } from './types/services.ts'
export type { Bytes, GuestRequest, GuestResponse, JsonValue } from './types/web.ts'
export type { ServerWebSocket, WebSocketEnd, WebSocketPair } from './types/websocket.ts'

/**
 * Base of a named entry, also of the default export; each call gets an instance of its own. Its methods are reached as
 * `Api.quote`: by `runtime.invoke`, by `vela invoke`, and by services that were granted `{"entrypoint": "Api"}`.
 *
 * @example
 * export class Api extends WorkerEntrypoint<Env> {
 *   quote(sku: string): number {
 *     return this.env.PRICES[sku] ?? 0
 *   }
 * }
 */
export abstract class WorkerEntrypoint<Env = Readonly<Record<string, unknown>>> {
  protected readonly ctx: Context
  protected readonly env: Env
  constructor(ctx: Context, env: Env) {
    this.ctx = ctx
    this.env = env
  }
}

/**
 * Vars, secrets and capabilities of the service, the same as the handlers' `env`, but of no turn in particular: what is
 * called through it is not ended with a request. Frozen.
 */
export const env: Readonly<Record<string, unknown>> = onlyInsideAGuest()

function onlyInsideAGuest(): never {
  throw new Error(
    '@vela/guest-sdk exists only inside a Vela service: deploy the service (`vela deploy`) or run it (`vela dev`) ' +
      'instead of importing it here. Types alone can be imported anywhere with `import type`.',
  )
}
