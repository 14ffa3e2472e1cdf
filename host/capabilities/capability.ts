/**
 * What a power is to the broker. Each kind (fetch, kv, services …) is a folder or file beside this one that knows how to
 * read what a manifest asks, how a policy narrows it, and how to carry out a guest's calls. The broker
 * (broker.ts) numbers the grants of a deployment, checks each call and settles it exactly once.
 */
import type { JsonValue } from '../registry/types.ts'

/** A kind of capability. `Options` is what one binding of it may be asked with, after parsing. */
export interface CapabilityKind<Options = unknown> {
  /** The key in a manifest's `capabilities`, such as `kv`. */
  readonly kind: string
  /**
   * Bindings that a manifest asks for, from the JSON under its key. Throws AskProblem for what it does not understand.
   * `{}` and `true` stand for one binding under the kind's own name.
   */
  parse(asked: JsonValue): readonly Binding<Options>[]
  /** (`true` allows what is asked; `false` never comes here.) Options narrowed to what the policy's JSON under the kind's key allows, or why it is not granted. */
  narrow(options: Options, policy: JsonValue, place: Place): Options | Refusal
  /** What deployments may have where the operator says nothing; false: nothing. */
  readonly defaultPolicy: JsonValue
  /** What is wrong with a policy that is neither true nor false; undefined: nothing. */
  checkPolicy(policy: JsonValue): string | undefined
  /** One line for people: what a deployment with it can reach. */
  describe(options: Options): string
  /** Its calls are short enough that a deadline for each makes sense (`deadlineMs` of what is injected). */
  readonly takesDeadline?: true
  /** Why its calls would fail although it is granted, and what to do about it: who would answer them is not there. */
  lacks?(options: Options, place: Place): Promise<string | undefined>
  /** Starts serving one granted binding of one deployment, which may have more isolates. */
  open(options: Options, place: Place, isolates?: Isolates): Capability
}

export interface Binding<Options = unknown> {
  /** The name in `env`. */
  readonly name: string
  readonly options: Options
  /** Handed to the guest's half of the capability; no secrets. */
  readonly guest?: JsonValue
}

export interface Refusal {
  readonly refused: string
}

/** What is wrong with what was asked, and where: `path` below the kind's key. */
export class AskProblem extends Error {
  readonly path: readonly (string | number)[]
  constructor(path: readonly (string | number)[], message: string) {
    super(message)
    this.path = path
  }
}

/** Whose grant it is. */
export interface Place {
  readonly tenant: string
  readonly service: string
  readonly version: string
}

/** Further isolates of a deployment, for kinds that run its code. `workersOf` (host/concurrency) reaches them. */
export interface Isolates {
  readonly tenant: string
}

/** A granted binding in operation. */
export interface Capability {
  /**
   * Carries out one call of the guest. What it throws reaches the guest: a VelaError with its code and message, a
   * GuestFacingError as it is, anything else as VELA_CAPABILITY_FAILED without a word about the host.
   */
  call(call: CapabilityCall): CapabilityResult | Promise<CapabilityResult>
  /** The deployment ended, or another decision about the binding stands and a call has come since. */
  close(): void
}

/** The isolate that a call came from; what it holds by the call ends with it. `homeOf` (host/cells) reaches it. */
export interface Origin {
  readonly gone: boolean
  /** `callback` runs once, as it goes, or now if it has gone. Returns how to take the wish back. */
  onGone(callback: () => void): () => void
}

/** Everything in it comes from a guest and is hostile, but for `origin`; the broker has bounded its size. */
export interface CapabilityCall {
  readonly origin: Origin
  readonly method: string
  readonly args: readonly JsonValue[]
  /** Bytes that came with the call: whole, or under credit as they are pulled. */
  readonly body: Buffer | AsyncIterable<Buffer> | undefined
  /** The request on whose behalf the guest acts, if that is known; else `''`. */
  readonly requestId: string
  /** When the answer is of no use any more (performance.now() milliseconds). */
  readonly deadlineMs: number
  /** How many services deep this chain of calls is; 0 for a call made while serving a client. */
  readonly depth: number
  /** Aborts when the guest no longer wants the answer, its turn is over, or its isolate is gone. Made when first read. */
  readonly signal: AbortSignal
}

export interface CapabilityResult {
  /** JSON; undefined stays undefined. */
  readonly value?: JsonValue | undefined
  /** Bytes that follow: whole, or pulled as the guest reads. Closed (`return`) when it wants no more. */
  readonly body?: Uint8Array | AsyncIterable<Uint8Array> | undefined
  /** A WebSocket that the guest may answer its own client with (SocketRelay of host/cells/relay.ts); then there is no body. */
  readonly relay?: object | undefined
}

/** An error that a guest may see as it is: name, message, code and details, and nothing else of it. */
export class GuestFacingError extends Error {
  readonly code: string | undefined
  readonly details: JsonValue | undefined
  constructor(name: string, message: string, code?: string, details?: JsonValue) {
    super(message)
    this.name = name
    this.code = code
    this.details = details
  }
}
