/**
 * The capability `actors`: addressable objects with state of their own, one activation each, in whichever replica of their service.
 *
 * In a manifest: `"actors": {"CART": {"class": "Cart"}}` binds `env.CART` to the class `Cart` that this service exports, and is what makes
 * the class known to the host; its state goes through this binding. `{"CART": {"service": "shop", "class": "Cart"}}` binds to
 * that of another service of the tenant; `"globex/shop"` is another tenant's and needs a policy:
 * `{"quotaMb": 256, "services": ["globex/shop", "globex/*"]}`. The quota is the tenant's, over all its actors.
 */
import { z } from 'zod'
import type { Actors, Sender } from '../concurrency/actors/actors.ts'
import { checkActorName, DEFAULT_QUOTA_BYTES, isClassName, MEBIBYTE } from '../concurrency/actors/types.ts'
import type { ActorAddress, StateChange } from '../concurrency/actors/types.ts'
import { homeOf } from '../cells/home.ts'
import type { JsonValue, Manifest } from '../registry/types.ts'
import {
  readChangeBody,
  readChange,
  readEpoch,
  readKeys,
  readMessageOptions,
  readMethod,
  readRange,
  readText,
  refuse,
} from './actors-args.ts'
import { AskProblem } from './capability.ts'
import type {
  Binding,
  Capability,
  CapabilityCall,
  CapabilityKind,
  CapabilityResult,
  Place,
  Refusal,
} from './capability.ts'
import { deeper, isAllowed, isTarget, readTarget } from './target.ts'

export interface ActorsOptions {
  readonly class: string
  /** null: of the service itself; `name` or `tenant/name`. */
  readonly service: string | null
  /** Only a policy sets it; null: the default. */
  readonly quotaMb: number | null
}

const MOST_BINDINGS = 32
const WHO = 'Actors and services'

const CLASS = 'must be the name of an exported class'
const bindingSchema = z.strictObject({
  class: z.string(CLASS).refine(isClassName, CLASS),
  service: z.string().refine(isTarget, 'must be "service" or "tenant/service"').optional(),
})
const policySchema = z.strictObject({
  quotaMb: z
    .number()
    .positive()
    .max(1024 * 1024)
    .optional(),
  services: z.array(z.string()).optional(),
})

export function createActorsKind(actors: Actors): CapabilityKind<ActorsOptions> {
  return {
    kind: 'actors',
    defaultPolicy: {},
    checkPolicy: (policy) =>
      policySchema.safeParse(policy).success
        ? undefined
        : 'must be true, false or {"quotaMb": a number, "services": ["tenant/name" or "tenant/*"]}',
    parse,
    narrow,
    describe,
    open: (options, place) => createActorCalls(actors, options, place),
  }
}

/** Classes of actors that a service of this manifest has itself. */
export function actorClassesOf({ capabilities }: Pick<Manifest, 'capabilities'>): ReadonlySet<string> {
  const asked = capabilities['actors']
  if (asked === undefined) return new Set()
  return new Set(parse(asked).flatMap(({ options }) => (options.service === null ? [options.class] : [])))
}

function parse(asked: JsonValue): readonly Binding<ActorsOptions>[] {
  if (typeof asked !== 'object' || asked === null || Array.isArray(asked))
    throw new AskProblem([], 'must be an object of bindings, such as {"CART": {"class": "Cart"}}')
  const bindings = Object.entries(asked)
  if (bindings.length > MOST_BINDINGS) throw new AskProblem([], `must have at most ${MOST_BINDINGS} bindings`)
  return bindings.map(([name, value]) => {
    const read = bindingSchema.safeParse(value)
    if (!read.success) {
      const issue = read.error.issues[0]
      const path = (issue?.path ?? []).map((step) => (typeof step === 'symbol' ? String(step) : step))
      const message = 'must be an object with "class" and, for another service\'s, "service"'
      throw new AskProblem([name, ...path], path.length > 0 ? (issue?.message ?? message) : message)
    }
    const { class: className, service = null } = read.data
    return {
      name,
      options: { class: className, service, quotaMb: null },
      guest: { class: className, own: service === null },
    }
  })
}

function targetOf(
  { service }: ActorsOptions,
  place: Place,
): { readonly tenant: string; readonly service: string } {
  if (service === null) return place
  const target = readTarget(service)
  return { tenant: target.tenant ?? place.tenant, service: target.service }
}

function narrow(options: ActorsOptions, policy: JsonValue, place: Place): ActorsOptions | Refusal {
  if (policy === true) return options
  const read = policySchema.safeParse(policy)
  if (!read.success) return { refused: "the operator's policy of actors is not understood" }
  const { quotaMb = null, services = [] } = read.data
  const { tenant, service } = targetOf(options, place)
  if (tenant !== place.tenant && !isAllowed(services, tenant, service)) {
    return {
      refused: `the operator's policy does not grant actors of ${tenant}/${service}, another tenant's service`,
    }
  }
  return { ...options, quotaMb }
}

function describe({ class: className, service, quotaMb }: ActorsOptions): string {
  const most = quotaMb === null ? '' : `, up to ${quotaMb} MiB for the tenant`
  return service === null
    ? `actors of its own class ${className}${most}`
    : `actors of the class ${className} of the service ${service}`
}

function createActorCalls(actors: Actors, options: ActorsOptions, place: Place): Capability {
  const { tenant, service } = targetOf(options, place)
  const isOwn = options.service === null
  const quotaBytes = options.quotaMb === null ? DEFAULT_QUOTA_BYTES : Math.floor(options.quotaMb * MEBIBYTE)

  const addressOf = (call: CapabilityCall): ActorAddress => ({
    tenant,
    service,
    class: options.class,
    name: checkActorName(call.args[0]),
  })

  const senderOf = (call: CapabilityCall, isTell = false): Sender => ({
    caller: isOwn ? homeOf(call.origin) : undefined,
    requestId: call.requestId,
    // A tell holds nobody up: actors may tell each other things for ever.
    depth: isTell ? call.depth : deeper(call.depth, WHO),
    deadlineMs: call.deadlineMs,
    signal: isTell ? undefined : call.signal,
  })

  const send = async (kind: 'ask' | 'tell', call: CapabilityCall): Promise<CapabilityResult> => {
    const letter = {
      kind,
      method: readMethod(call.args[1]),
      argsText: readText('The arguments', call.args[2]),
      ...readMessageOptions(call.args[3]),
    }
    return { value: json(await actors.send(addressOf(call), letter, senderOf(call, kind === 'tell'))) }
  }

  const change = async (call: CapabilityCall): Promise<CapabilityResult> => {
    const given = call.args[2]
    const read: StateChange =
      given === null || given === undefined ? await readChangeBody(call.body) : readChange(given)
    await actors.write(addressOf(call), homeOf(call.origin), readEpoch(call.args[1]), read, quotaBytes)
    return { value: true }
  }

  const shared: Handlers = {
    ask: (call) => send('ask', call),
    tell: (call) => send('tell', call),
    locate: async (call) => ({ value: json(await actors.locate(addressOf(call), senderOf(call))) }),
    fetch: (call) => {
      deeper(call.depth, WHO)
      return actors.fetch(addressOf(call), call, call.args[1])
    },
    depth: async (call) => ({ value: await actors.depth(addressOf(call), senderOf(call)) }),
  }

  /** Only of one's own classes. */
  const own: Handlers = {
    read: async (call) => ({
      value: json(
        await actors.read(
          addressOf(call),
          homeOf(call.origin),
          readEpoch(call.args[1]),
          readKeys(call.args[2]),
        ),
      ),
    }),
    list: async (call) => ({
      value: json(
        await actors.list(
          addressOf(call),
          homeOf(call.origin),
          readEpoch(call.args[1]),
          readRange(call.args[2]),
        ),
      ),
    }),
    write: change,
    released: (call) => ({
      value: { released: actors.released(addressOf(call), homeOf(call.origin), readEpoch(call.args[1])) },
    }),
    dead: async (call) => {
      const method = readText('The method', call.args[1])
      const reason = readText('The reason', call.args[2])
      await actors.addDead(addressOf(call), {
        method: wellFormed(method),
        reason: wellFormed(reason),
        args: typeof call.args[3] === 'string' ? wellFormed(call.args[3]) : null,
      })
      return { value: true }
    },
  }
  const handlers: Handlers = isOwn ? { ...shared, ...own } : shared

  return {
    call(call) {
      if (!Object.hasOwn(handlers, call.method))
        refuse(`Actors have no operation ${call.method.slice(0, 40)}`)
      return handlers[call.method]?.(call) ?? {}
    },
    close: () => undefined,
  }
}

type Handlers = Readonly<
  Record<string, (call: CapabilityCall) => CapabilityResult | Promise<CapabilityResult>>
>

/** What SQLite can keep as text. */
const wellFormed = (text: string): string => text.toWellFormed().replaceAll('\u0000', '\ufffd')

/** Interfaces without an index signature are JSON all the same. */
const json = (value: object): JsonValue => value as unknown as JsonValue
