/** Services as other services reach them by capability: finds the one that serves now and hands it the call. */
import { GuestFacingError, type CapabilityCall, type Place } from '../capabilities/capability.ts'
import type { HostService, ServiceTargets } from '../capabilities/services.ts'
import { VelaError } from '../core/errors.ts'
import type { Catalog } from './catalog.ts'
import { createMethodCall } from './method-call.ts'
import type { Service } from './service.ts'
import { createServiceFetch } from './service-fetch.ts'

export interface TargetsDeps {
  readonly catalog: Catalog
  /** The services of the host by name (`runtime.registerService`). */
  readonly hosts: {
    has(name: string): boolean
    open(name: string, caller: Place): HostService | undefined
  }
  readonly nextRequestId: () => string
}

export function createServiceTargets({ catalog, hosts, nextRequestId }: TargetsDeps): ServiceTargets {
  const find = (tenant: string, name: string): Service => {
    const service = catalog.get(tenant, name)
    if (service !== undefined) return service
    throw new GuestFacingError('Error', `There is no service ${name}`, 'VELA_SERVICE_NOT_FOUND')
  }

  /** The caller's request id if it has one, so that one request is one id in all logs. */
  const idOf = (call: CapabilityCall): string => (call.requestId === '' ? nextRequestId() : call.requestId)

  return {
    hasHost: (name) => hosts.has(name),
    openHost(name, caller) {
      const host = hosts.open(name, caller)
      if (host === undefined)
        throw new GuestFacingError('Error', `The host has no service ${name}`, 'VELA_SERVICE_NOT_FOUND')
      return host
    },
    async methodsOf(tenant, name) {
      const service = catalog.get(tenant, name)
      if (service === undefined) return undefined
      try {
        const { fetch, methods } = await service.active.live.start()
        // A description names so many and no more.
        if (methods.length >= MOST_METHODS) return null
        return new Set(fetch ? [...methods, 'fetch'] : methods)
      } catch {
        // It does not start just now, which is its own trouble.
        return null
      }
    },
    async method(tenant, name, method, from) {
      const service = find(tenant, name)
      const { call, result } = createMethodCall(method, from.args, {
        requestId: idOf(from),
        mapStack: (stack) => stack,
        depth: from.depth + 1,
        signal: from.signal,
      })
      service.dispatch(call)
      try {
        return await service.counted(result)
      } catch (thrown) {
        throw asThrown(service, call.requestId, thrown)
      }
    },
    async fetch(tenant, name, from) {
      const service = find(tenant, name)
      const requestId = idOf(from)
      const { call, result } = createServiceFetch(from, requestId, (error) => service.threw(error, requestId))
      service.dispatch(call)
      return await service.counted(result)
    },
  }
}

/** As guest-sdk/kernel/exports.ts has it. */
const MOST_METHODS = 256

/** What a method of a guest threw reaches the caller by name and message, and the callee's own log with its stack. */
function asThrown(service: Service, requestId: string, thrown: unknown): unknown {
  if (!(thrown instanceof VelaError)) return thrown
  const error = thrown.details['thrown'] as { readonly name: string; readonly message: string } | undefined
  if (error === undefined || thrown.code !== 'VELA_GUEST_THREW') return thrown
  const { stack } = thrown.details
  service.threw({ ...error, ...(typeof stack === 'string' ? { stack } : {}) }, requestId)
  return new GuestFacingError(error.name, error.message, thrown.code)
}
