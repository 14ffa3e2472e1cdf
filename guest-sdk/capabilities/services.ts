/**
 * The guest's half of the `services` capability: `env.mailer.send(…)` calls the method `send` of another service or of a
 * service of the host; `env.mailer.fetch(request)` sends it an HTTP request. Arguments and results are JSON.
 */
import type { CapabilityFactory } from '../kernel/capabilities.ts'

interface Answer {
  readonly status: number
  readonly headers: readonly string[]
}

export const create: CapabilityFactory =
  ({ web }) =>
  (power, options) => {
    const { fetch: hasFetch } = (options ?? {}) as { fetch?: boolean }
    const methods = { __proto__: null } as unknown as Record<string, unknown>
    if (hasFetch === true) {
      methods['fetch'] = async (input: unknown, init?: unknown): Promise<object> => {
        const { method, url, headers, body, signal } = web.readRequest(input, init)
        const {
          id,
          value,
          body: answered,
        } = await power.call('fetch', [{ method, url, headers }], body, signal)
        const { status, headers: list } = value as Answer
        const relay = status === 101 ? id : undefined
        return web.createResponse(
          { status, statusText: '', headers: list, url, redirected: false, relay },
          answered,
        )
      }
    }
    // Any name may be a method of the other side; only the host knows. `then` is none, or awaiting it would call it.
    return new Proxy(Object.freeze({ __proto__: null }), {
      // Traps that are not here must not be found on Object.prototype, where the guest could put some.
      __proto__: null,
      get(_target, name) {
        if (typeof name !== 'string' || name === 'then') return undefined
        return (methods[name] ??= async (...args: unknown[]) => (await power.call(name, args)).value)
      },
    } as ProxyHandler<object>)
  }
