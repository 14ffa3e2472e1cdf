/**
 * The `services` capability: methods and HTTP of other services, and methods of the host's own.
 *
 * In a manifest: `"services": {"mailer": ["send"]}` binds `env.mailer` with the method `send` of the host's service of that
 * name, or else of the tenant's own; `{"mail": {"service": "globex/mail", "entrypoint": "Api", "methods": ["send"]}}` and
 * `{"mail": {"host": "mailer"}}` say it in full. Without methods all are meant, and `fetch`.
 * A policy: `{"host": ["mailer"], "services": ["globex/mail", "globex/*"]}`; a tenant's own services need none.
 */
import { EventEmitter } from 'node:events'
import { z } from 'zod'
import { VelaError } from '../core/errors.ts'
import { isName } from '../registry/names.ts'
import type { JsonValue } from '../registry/types.ts'
import {
  AskProblem,
  GuestFacingError,
  type Binding,
  type Capability,
  type CapabilityCall,
  type CapabilityKind,
  type CapabilityResult,
  type Place,
  type Refusal,
} from './capability.ts'
import { deeper, isAllowed, isTarget, readTarget } from './target.ts'

export interface ServiceOptions {
  /** `name`: of the host if it has one, else of the tenant. */
  readonly target:
    | { readonly name: string }
    | { readonly host: string }
    | { readonly tenant: string | null; readonly service: string }
  readonly entrypoint?: string
  /** Left out: all. */
  readonly methods?: readonly string[]
}

/** A service of the host, for one caller. */
export interface HostService {
  /** Hands over the object whose methods this caller may use, which may be made for this call and end with it. */
  use<R>(call: CapabilityCall, run: (host: object) => Promise<R>): Promise<R>
}

/** The other side of a call; declared here, implemented where services are known. */
export interface ServiceTargets {
  hasHost(name: string): boolean
  /** Throws GuestFacingError if there is none. */
  openHost(name: string, caller: Place): HostService
  method(
    tenant: string,
    service: string,
    method: string,
    call: CapabilityCall,
  ): Promise<JsonValue | undefined>
  fetch(tenant: string, service: string, call: CapabilityCall): Promise<CapabilityResult>
  /** Methods that a service has, `fetch` among them; undefined: there is no such service. null: nobody can tell. */
  methodsOf(tenant: string, service: string): Promise<ReadonlySet<string> | null | undefined>
}

const METHOD = /^[A-Za-z_$][A-Za-z0-9_$]{0,127}$/
const methods = z.array(z.string().regex(METHOD, 'names of methods'), 'a list of names of methods').max(256)
const full = z.union(
  [
    z.strictObject({
      host: z.string().refine((name) => isName('service', name)),
      methods: methods.optional(),
    }),
    z.strictObject({
      service: z.string().refine(isTarget),
      entrypoint: z.string().regex(METHOD).optional(),
      methods: methods.optional(),
    }),
    methods,
  ],
  'a list of methods, {"service": "name" or "tenant/name", "entrypoint"?, "methods"?} or {"host": "name", "methods"?}',
)

export function createServicesKind(targets: ServiceTargets): CapabilityKind<ServiceOptions> {
  /** Where a call goes, seen from a tenant. */
  const resolve = (
    { target }: ServiceOptions,
    place: Place,
  ): { readonly host: string } | { readonly tenant: string; readonly service: string } => {
    if ('host' in target) return target
    if ('service' in target) return { tenant: target.tenant ?? place.tenant, service: target.service }
    if (targets.hasHost(target.name)) return { host: target.name }
    return { tenant: place.tenant, service: target.name }
  }

  return {
    kind: 'services',
    defaultPolicy: {},
    takesDeadline: true,
    checkPolicy: (policy) =>
      policySchema.safeParse(policy).success
        ? undefined
        : 'must be true, false or {"host": [names], "services": ["tenant/name" or "tenant/*"]}',
    parse(asked) {
      if (typeof asked !== 'object' || asked === null || Array.isArray(asked))
        throw new AskProblem([], 'an object of services by binding, such as {"mailer": ["send"]}')
      return Object.entries(asked).map(([name, value]) => parseBinding(name, value))
    },
    narrow(options, policy, place): ServiceOptions | Refusal {
      const target = resolve(options, place)
      if (policy === true) return options
      const rules = policySchema.parse(policy)
      if ('host' in target) {
        if (rules.host?.includes(target.host) === true) return options
        return { refused: `the operator's policy does not grant the host's service ${target.host}` }
      }
      if (target.tenant === place.tenant) return options
      const { tenant, service } = target
      if (isAllowed(rules.services ?? [], tenant, service)) return options
      return {
        refused: `the operator's policy does not grant ${tenant}/${service}, another tenant's service`,
      }
    },
    describe,
    async lacks(options, place) {
      const target = resolve(options, place)
      if ('host' in target) {
        if (targets.hasHost(target.host)) return undefined
        return `the host has no service ${target.host}; let the operator register it (runtime.registerService)`
      }
      const { tenant, service } = target
      // The service itself is on its way.
      if (tenant === place.tenant && service === place.service) return undefined
      const known = await targets.methodsOf(tenant, service)
      if (known === undefined) return `there is no service ${tenant}/${service}; deploy it first`
      return known === null ? undefined : lackOf(options, `${tenant}/${service}`, known)
    },
    open(options, place): Capability {
      const target = resolve(options, place)
      const allowed = options.methods === undefined ? undefined : new Set(options.methods)
      const host = 'host' in target ? targets.openHost(target.host, place) : undefined
      return {
        call(call) {
          if (allowed !== undefined && !allowed.has(call.method)) {
            throw new GuestFacingError(
              'Error',
              `${call.method} is not among the methods asked for: ${[...allowed].join(', ')}`,
              'VELA_CAPABILITY_DENIED',
            )
          }
          if (host !== undefined) return host.use(call, (object) => callHost(object, call))
          if (!('service' in target))
            throw new VelaError('VELA_SERVICE_NOT_FOUND', 'There is no such service')
          deeper(call.depth, 'Services')
          if (call.method === 'fetch') return targets.fetch(target.tenant, target.service, call)
          const method =
            options.entrypoint === undefined ? call.method : `${options.entrypoint}.${call.method}`
          return targets.method(target.tenant, target.service, method, call).then((value) => ({ value }))
        },
        close: () => undefined,
      }
    },
  }
}

const policySchema = z.strictObject({
  host: z.array(z.string()).optional(),
  services: z.array(z.string()).optional(),
})

function parseBinding(name: string, asked: JsonValue): Binding<ServiceOptions> {
  const read = full.safeParse(asked)
  if (!read.success) throw new AskProblem([name], 'must be ' + (read.error.issues[0]?.message ?? 'valid'))
  const value = read.data
  const options: ServiceOptions = Array.isArray(value)
    ? { target: { name }, methods: value }
    : 'host' in value
      ? { target: { host: value.host }, ...list(value.methods) }
      : {
          target: readTarget(value.service),
          ...(value.entrypoint === undefined ? {} : { entrypoint: value.entrypoint }),
          ...list(value.methods),
        }
  const fetches = options.methods === undefined || options.methods.includes('fetch')
  return { name, options, guest: { fetch: fetches && !('host' in options.target) } }
}

/** What the other side does not export of what is bound. */
function lackOf(
  { entrypoint, methods: names = [] }: ServiceOptions,
  target: string,
  known: ReadonlySet<string>,
): string | undefined {
  const prefix = entrypoint === undefined ? '' : `${entrypoint}.`
  if (entrypoint !== undefined && ![...known].some((name) => name.startsWith(prefix)))
    return `${target} exports no class ${entrypoint} with methods; correct "entrypoint", or deploy a version of it that has the class`
  const missing = names.find((name) => !known.has(name === 'fetch' ? name : prefix + name))
  if (missing === undefined) return undefined
  return `${target} has no method ${prefix}${missing}; correct "methods", or deploy a version of it that has the method`
}

const list = (names: readonly string[] | undefined): { readonly methods?: readonly string[] } =>
  names === undefined ? {} : { methods: names }

function describe({ target, entrypoint, methods: names }: ServiceOptions): string {
  const what =
    'host' in target
      ? `the host's service ${target.host}`
      : 'name' in target
        ? `the service ${target.name}`
        : `the service ${target.tenant === null ? '' : `${target.tenant}/`}${target.service}`
  const entry = entrypoint === undefined ? '' : `, entry ${entrypoint}`
  return `${what}${entry}: ${names === undefined ? 'all methods' : names.join(', ')}`
}

/** Only what the class or object itself defines: nothing that every object has, no hooks of its lifecycle. */
async function callHost(host: object, call: CapabilityCall): Promise<CapabilityResult> {
  const method = findMethod(host, call.method)
  if (method === undefined)
    throw new GuestFacingError(
      'TypeError',
      `${call.method} is no method of this service`,
      'VELA_METHOD_NOT_FOUND',
    )
  const value: unknown = await Reflect.apply(method, host, call.args as unknown[])
  if (value === undefined) return {}
  // What is no JSON must not reach the guest half-way; a copy also keeps later changes of the host's object out.
  return { value: JSON.parse(JSON.stringify(value)) as JsonValue }
}

const HOOKS: ReadonlySet<string> = new Set([
  'onStart',
  'onReady',
  'onDrain',
  'onStop',
  'forGuest',
  'constructor',
])

/** Prototypes that came with the platform: whoever extends Map or EventEmitter did not mean to offer guests their methods. */
function isForeign(level: object): boolean {
  if (level === EventEmitter.prototype) return true
  const constructor: unknown = Object.getOwnPropertyDescriptor(level, 'constructor')?.value
  if (typeof constructor !== 'function' || constructor.prototype !== level) return false
  return /\{\s*\[native code\]\s*\}$/.test(Function.prototype.toString.call(constructor))
}

function findMethod(host: object, name: string): ((...args: unknown[]) => unknown) | undefined {
  if (HOOKS.has(name) || name.startsWith('_')) return undefined
  for (
    let level: object | null = host;
    level !== null && !isForeign(level);
    level = Object.getPrototypeOf(level) as object | null
  ) {
    const descriptor = Object.getOwnPropertyDescriptor(level, name)
    if (descriptor !== undefined) {
      const value: unknown = descriptor.value
      return typeof value === 'function' ? (value as (...args: unknown[]) => unknown) : undefined
    }
  }
  return undefined
}
