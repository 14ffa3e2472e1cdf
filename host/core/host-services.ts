/**
 * Trusted services of the host (`runtime.registerService`): made by the container, part of the runtime's lifecycle, and what
 * guests reach by capability. A singleton serves all callers; one of scope `tenant` has an instance for each tenant that calls,
 * one of scope `request` (or `transient`) for each call, which is ended with it.
 */
import type { CapabilityCall, Place } from '../capabilities/capability.ts'
import type { HostService as HostServiceTarget } from '../capabilities/services.ts'
import type { Container, ContainerScope } from '../di/container.ts'
import { given } from '../di/level.ts'
import { provide, type How, type Provider, type Scope } from '../di/provider.ts'
import { token, type Injectable, type Token } from '../di/token.ts'
import { VelaError } from './errors.ts'
import type { Hook, HookName } from './lifecycle.ts'

/** What a host service may have; each hook gets a signal that aborts at its deadline. */
export type HostService = object & { readonly [Name in HookName]?: Hook }

/** A class, a factory, or the service itself. */
export type HostServiceProvider = (new () => object) | (() => object | Promise<object>) | object

/** Any object but one that says how it is made: that one is checked by its types. */
export type Plain<P extends object> = keyof P & (typeof KEYS)[number] extends never ? P : never

/** As `provide` takes it: with what is injected, and a scope. */
export type InjectedService<T extends object, Deps extends readonly Injectable<unknown>[]> = How<T, Deps>

export interface HostServiceOptions {
  /** Names of services that start before and stop after this one. */
  readonly dependsOn?: readonly string[]
  readonly timeoutMs?: Partial<Record<HookName, number>>
}

/** Who calls, for what lives in a request scope of a host service. */
export interface Caller extends Place {
  /** `''` if it is not known. */
  readonly requestId: string
  /** Aborts when the caller no longer wants the answer. */
  readonly signal: AbortSignal
}

/** Injectable in scope `request`: the caller of a host service. */
export const CALLER: Token<Caller> = token<Caller>('CALLER')
/** Injectable in scopes `tenant` and `request`: the name of the calling tenant. */
export const TENANT: Token<string> = token<string>('TENANT')

export const scopeParts: readonly Provider[] = [
  provide(TENANT, { useScope: 'tenant' }),
  provide(CALLER, { useScope: 'request' }),
]

export interface HostServices {
  readonly size: number
  has(name: string): boolean
  names(): readonly string[]
  /** Undefined: the token is none of theirs. */
  optionsOf(of: Token<unknown>): HostServiceOptions | undefined
  /** Resolves to the instance of a singleton, else to undefined. Throws VELA_DI_DUPLICATE, and what making it throws. */
  register(
    of: string | Token<object>,
    provider: object,
    options: HostServiceOptions,
  ): Promise<object | undefined>
  /** Undefined: there is none. */
  open(name: string, caller: Place): HostServiceTarget | undefined
  /** Ends what a tenant's own instances are. */
  deleteTenant(tenant: string): Promise<void>
}

interface Entry {
  readonly token: Token<object>
  readonly scope: Scope
  readonly options: HostServiceOptions
}

export function createHostServices(container: Container, onFailure: (error: unknown) => void): HostServices {
  const entries = new Map<string, Entry>()
  /** Those that are being made are not there yet. */
  const claimed = new Set<string>()
  const tenants = new Map<string, ContainerScope>()

  const tenantScope = (tenant: string): ContainerScope => {
    const scope = tenants.get(tenant) ?? container.scope('tenant', [given(TENANT, tenant)])
    tenants.set(tenant, scope)
    return scope
  }

  /** What a factory threw goes on as that: whether a guest may see it is the broker's to say. */
  const make = async (scope: ContainerScope, { token: of }: Entry): Promise<object> => {
    try {
      return await scope.resolveAsync(of)
    } catch (thrown) {
      const isFactory = thrown instanceof VelaError && thrown.code === 'VELA_DI_FACTORY_FAILED'
      throw isFactory ? (thrown.cause ?? new Error(thrown.message)) : thrown
    }
  }

  const perTenant = (entry: Entry, caller: Place): HostServiceTarget => {
    let from: ContainerScope | undefined
    let host: Promise<object> | undefined
    return {
      async use(_call, run) {
        const scope = tenantScope(caller.tenant)
        // The tenant was deleted meanwhile, and has come again under its name.
        if (from !== scope) host = undefined
        from = scope
        const mine = (host ??= make(scope, entry).then((instance) => forCaller(instance, caller)))
        let instance: object
        try {
          instance = await mine
        } catch (thrown) {
          if (host === mine) host = undefined
          throw thrown
        }
        return await run(instance)
      },
    }
  }

  const perCall = (entry: Entry, caller: Place): HostServiceTarget => ({
    async use(call, run) {
      const scope = tenantScope(caller.tenant).scope('request', [given(CALLER, callerOf(caller, call))])
      try {
        return await run(forCaller(await make(scope, entry), caller))
      } finally {
        await scope.dispose().catch(onFailure)
      }
    },
  })

  return {
    get size() {
      return entries.size
    },
    has: (name) => entries.has(name),
    names: () => [...entries.keys()],
    optionsOf(of) {
      const entry = entries.get(of.name)
      return entry?.token === of ? entry.options : undefined
    },
    async register(of, provider, options) {
      const service = typeof of === 'string' ? token<object>(of) : of
      const { name } = service
      if (claimed.has(name)) {
        throw new VelaError('VELA_DI_DUPLICATE', `there is a host service ${name} already`, {
          details: { token: name },
        })
      }
      container.add(provide(service, howOf(provider)))
      claimed.add(name)
      try {
        const scope = container.scopeOf(service)
        const instance = scope === 'singleton' ? await container.resolveAsync(service) : undefined
        entries.set(name, { token: service, scope, options })
        return instance
      } catch (thrown) {
        claimed.delete(name)
        container.remove(service)
        throw thrown
      }
    },
    open(name, caller) {
      const entry = entries.get(name)
      if (entry === undefined) return undefined
      if (entry.scope === 'tenant') return perTenant(entry, caller)
      if (entry.scope !== 'singleton') return perCall(entry, caller)
      const host = forCaller(container.resolve(entry.token), caller)
      return { use: (_call, run) => run(host) }
    },
    async deleteTenant(tenant) {
      const scope = tenants.get(tenant)
      tenants.delete(tenant)
      await scope?.dispose().catch(onFailure)
    },
  }
}

/** A host service that wants to know who calls has `forGuest(caller)`, whose result is what the guest reaches. */
function forCaller(host: object, caller: Place): object {
  const forGuest: unknown = Reflect.get(host, 'forGuest')
  if (typeof forGuest !== 'function') return host
  return Reflect.apply(forGuest, host, [{ ...caller }]) as object
}

const callerOf = ({ tenant, service, version }: Place, call: CapabilityCall): Caller => ({
  tenant,
  service,
  version,
  requestId: call.requestId,
  get signal() {
    return call.signal
  },
})

const KEYS = ['useClass', 'useFactory', 'useValue', 'useExisting'] as const

function howOf(provider: object): How<object, readonly Injectable<unknown>[]> {
  if (KEYS.some((key) => Object.hasOwn(provider, key))) return provider as How<object, []>
  if (typeof provider !== 'function') return { useValue: provider }
  const isClass = /^class\b/.test(Function.prototype.toString.call(provider))
  if (isClass) return { useClass: provider as new () => object }
  return { useFactory: provider as () => object | Promise<object> }
}
