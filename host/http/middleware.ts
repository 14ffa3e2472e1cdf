/**
 * Middleware of embedders: functions around the dispatch of each request that matched a service. One may answer by
 * itself and not call `next`; what it throws becomes 500 VELA_GATEWAY_INTERNAL. Without middleware it costs nothing.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'

export interface GatewayContext {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  readonly requestId: string
  readonly tenant: string
  readonly service: string
}

/** `next` resolves when the response has been sent or the client has gone. */
export type Middleware = (context: GatewayContext, next: () => Promise<void>) => void | Promise<void>

export function runMiddleware(
  middleware: readonly Middleware[],
  context: GatewayContext,
  dispatch: () => void,
  onError: (thrown: unknown) => void,
): void {
  const finished = new Promise<void>((resolve) => context.response.once('close', () => resolve()))
  const step = async (index: number): Promise<void> => {
    const current = middleware[index]
    if (current !== undefined) {
      await current(context, () => step(index + 1))
      return
    }
    dispatch()
    await finished
  }
  step(0).catch(onError)
}
