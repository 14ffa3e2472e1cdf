/**
 * The powers of a guest as it sees them: an object in `env` for each binding, and the global `fetch`. Handlers get an
 * `env` made for their turn, so that what they call is ended with the turn and inherits its deadline; how a power looks
 * to guests is in guest-sdk/capabilities/, loaded when a deployment has it.
 */
import type { Calls, CallBody, CallResult } from './calls.ts'
import type { ActorsKit, Scope } from './actors/port.ts'
import type { Codec, LateCodec } from './late-codec.ts'
import type { EventsKit } from './event-port.ts'
import type { BindingConfig } from './native.ts'
import { ReflectOwnKeys, defineProperty, freeze } from './primordials.ts'
import type { WebHooks } from './web-contract.ts'

/** One binding, on behalf of one turn. */
export interface Power {
  /** `signal`: aborts the call, and a body that came with its answer. */
  call(method: string, args: readonly unknown[], body?: CallBody, signal?: object): Promise<CallResult>
  /** The same at once: for those who have waited for the writes before it, and must keep their order. */
  callNow(method: string, args: readonly unknown[], body?: CallBody, signal?: object): Promise<CallResult>
  /** A call of the kernel's own: on nobody's behalf, and waiting for nothing. */
  raw(method: string, args: readonly unknown[], body?: CallBody): Promise<CallResult>
  /** On whose behalf `call` is. */
  readonly scope: Scope
}

/** What each part in guest-sdk/capabilities/ exports as `create`. */
export type CapabilityFactory = (kit: CapabilityKit) => Maker

interface CapabilityPart {
  readonly create: CapabilityFactory
  /** It takes and gives values in the form of the codec. */
  readonly usesCodec?: boolean
}

export interface CapabilityKit extends Codec {
  readonly web: WebHooks
  readonly createError: (name: string, message: string, code: string | undefined) => unknown
  /** Once, when the microtasks of this entry are done and before it leaves: what was gathered in it can go as one call. */
  readonly atEntryEnd: (callback: () => void) => void
  /** The same, but also before any turn settles: what was gathered then leaves while its turn is known to the host. */
  readonly beforeSettle: (callback: () => void) => void
  /** Calls back once, when the turn is over; returns what ends that. */
  readonly onTurnEnd: (turn: number, callback: (reason: unknown) => void) => () => void
  /** Epoch milliseconds of this entry. */
  readonly now: () => number
  readonly actors: ActorsKit
  readonly events: EventsKit
}

export interface Capabilities {
  /** The `env` of no turn in particular: what `import { env }` gives. */
  configure(vars: Readonly<Record<string, unknown>>, bindings: readonly BindingConfig[]): object
  /** The `env` for a turn; 0 is none. */
  envOf(turn: number): object
  /** The `env` of what outlives turns. */
  envIn(scope: Scope): object
  /**
   * One binding of it; undefined: there is none. `deadlineMs`: each call of it rejects with TimeoutError (VELA_TASK_TIMEOUT) when it
   * has taken so long.
   */
  bindingIn(scope: Scope, name: string, deadlineMs: number | undefined): unknown
  bindingOf(turn: number, name: string, deadlineMs: number | undefined): unknown
  has(name: string): boolean
  isVar(name: string): boolean
  readonly fetch: (input: unknown, init?: unknown) => Promise<unknown>
}

export interface CapabilitiesDeps extends Omit<CapabilityKit, keyof Codec> {
  readonly codec: LateCodec
  readonly calls: Calls
  readonly loadPart: (name: string) => unknown
  /** The turn whose synchronous part runs now; 0: none. */
  readonly currentTurn: () => number
  /** What calls that nobody is known to make have to wait for. */
  readonly gate: () => Promise<void> | undefined
}

type Maker = (power: Power, options: unknown) => unknown

interface Bound {
  readonly name: string
  readonly grant: number
  readonly make: Maker
  readonly options: unknown
}

const noGate = (): undefined => undefined

/** The kind whose one binding is not in `env` but the global of that name. */
const GLOBAL_FETCH = 'fetch'

export function createCapabilities(deps: CapabilitiesDeps): Capabilities {
  const { calls, web } = deps
  let vars: Readonly<Record<string, unknown>> = freeze({})
  let varNames: readonly string[] = []
  let bound: readonly Bound[] = []
  let shared: object = vars
  let fetchGrant: number | undefined
  let fetchMaker: Maker | undefined

  const makerOf = (kind: string): Maker => {
    const part = deps.loadPart(`capability-${kind}`) as CapabilityPart
    if (part.usesCodec === true) deps.codec.load()
    return part.create({
      web,
      createError: deps.createError,
      atEntryEnd: deps.atEntryEnd,
      beforeSettle: deps.beforeSettle,
      onTurnEnd: deps.onTurnEnd,
      now: deps.now,
      actors: deps.actors,
      events: deps.events,
      encodeValue: deps.codec.encodeValue,
      decodeValue: deps.codec.decodeValue,
      cloneValue: deps.codec.cloneValue,
    })
  }

  const powerOf = (grant: number, scope: Scope, deadlineMs?: number): Power => {
    const callNow: Power['callNow'] = async (method, args, body = null, signal = undefined) => {
      if (signal !== undefined) web.throwIfAborted(signal)
      const { result, cancel, onOver } = calls.start(grant, scope.turn(), method, args, body)
      const late = deadlineMs === undefined ? undefined : endAfter(deadlineMs, method, cancel)
      // Also while a body that came with the answer may still be read.
      const deaf = signal === undefined ? undefined : web.onAbort(signal, cancel)
      if (late !== undefined || deaf !== undefined)
        onOver(() => {
          late?.()
          deaf?.()
        })
      return await result
    }
    return {
      scope,
      callNow,
      call(method, args, body, signal) {
        const writes = scope.gate()
        if (writes === undefined) return callNow(method, args, body, signal)
        return behind(writes, () => callNow(method, args, body, signal), signal)
      },
      raw: (method, args, body = null) => calls.start(grant, 0, method, args, body).result,
    }
  }
  const endAfter = (ms: number, method: string, cancel: (reason: unknown) => void): (() => void) =>
    deps.actors.wakeAt(deps.now() + ms, () =>
      cancel(
        deps.createError('TimeoutError', `${method} was not answered within ${ms} ms`, 'VELA_TASK_TIMEOUT'),
      ),
    )
  const behind = async (
    writes: Promise<void>,
    work: () => Promise<CallResult>,
    signal: object | undefined,
  ): Promise<CallResult> => {
    if (signal !== undefined) web.throwIfAborted(signal)
    await writes
    return await work()
  }
  /** A turn's calls are its own; those of none may be an actor's, so they wait as one's would. */
  const scopeOf = (turn: number): Scope => ({
    turn: () => turn,
    gate: turn === 0 ? deps.gate : noGate,
    deadlineMs: () => Infinity,
  })

  const build = (scope: Scope): object => {
    const env: Record<string, unknown> = {}
    for (let index = 0; index < varNames.length; index++) {
      const name = varNames[index] as string
      define(env, name, vars[name])
    }
    for (let index = 0; index < bound.length; index++) {
      const { name, grant, make, options } = bound[index] as Bound
      define(env, name, make(powerOf(grant, scope), options))
    }
    return freeze(env)
  }

  const isVar = (name: string): boolean => {
    for (let index = 0; index < varNames.length; index++) if (varNames[index] === name) return true
    return false
  }
  const boundAs = (name: string): Bound | undefined => {
    for (let index = 0; index < bound.length; index++)
      if ((bound[index] as Bound).name === name) return bound[index]
    return undefined
  }
  const bindingIn: Capabilities['bindingIn'] = (scope, name, deadlineMs) => {
    if (isVar(name)) return vars[name]
    const one = boundAs(name)
    if (one === undefined) return undefined
    const ms = typeof deadlineMs === 'number' ? deadlineMs : undefined
    return one.make(powerOf(one.grant, scope, ms), one.options)
  }

  return {
    bindingIn,
    bindingOf: (turn, name, deadlineMs) => bindingIn(scopeOf(turn), name, deadlineMs),
    isVar,
    has: (name) => isVar(name) || boundAs(name) !== undefined,
    configure(values, bindings) {
      vars = values
      varNames = ReflectOwnKeys(values) as string[]
      const makers: Record<string, Maker> = { __proto__: null } as unknown as Record<string, Maker>
      const list: Bound[] = []
      for (const [name, kind, grant, options] of bindings) {
        if (kind === GLOBAL_FETCH) fetchGrant = grant
        else list[list.length] = { name, grant, make: (makers[kind] ??= makerOf(kind)), options }
      }
      bound = list
      shared = bound.length === 0 ? vars : build(scopeOf(0))
      return shared
    },
    envOf: (turn) => (bound.length === 0 ? shared : build(scopeOf(turn))),
    envIn: (scope) => (bound.length === 0 ? shared : build(scope)),
    async fetch(input, init) {
      if (fetchGrant === undefined) {
        // What is no request at all, or not wanted any more, fails as it would with the grant.
        const { signal } = web.readRequest(input, init)
        if (signal !== undefined) web.throwIfAborted(signal)
        throw deps.createError(
          'TypeError',
          'fetch is not granted to this service: add `fetch` to `capabilities` in its manifest, such as {"fetch": {"allow": ["https://api.example.com"]}}',
          'VELA_CAPABILITY_DENIED',
        )
      }
      fetchMaker ??= makerOf(GLOBAL_FETCH)
      // After an await nobody knows whose it is; it may be an actor's.
      const scope = { ...scopeOf(deps.currentTurn()), gate: deps.gate }
      const fetch = fetchMaker(powerOf(fetchGrant, scope), undefined) as Capabilities['fetch']
      return await fetch(input, init)
    },
  }
}

function define(target: object, name: string, value: unknown): void {
  defineProperty(target, name, { value, enumerable: true, writable: false, configurable: false })
}
