/**
 * A message to an actor, as a call that is pinned to the actor's home. Invariants: it settles once; it is handed over again
 * only if the home certainly did nothing with it: it never took it, or says that the actor is not there.
 */
import { BODY, HANDLER, TO_GUEST } from '../../../guest-sdk/kernel/messages.ts'
import { GuestFacingError } from '../../capabilities/capability.ts'
import { asciiJson } from '../../cells/ascii-json.ts'
import type { Call, GuestError, TurnLink } from '../../cells/call.ts'
import type { Home } from '../../cells/home.ts'
import type { ErrorCode } from '../../core/errors.ts'
import { VelaError } from '../../core/errors.ts'
import type { Directory, Placed, Visit } from './directory-contract.ts'
import type { Activation, ActorAddress } from './types.ts'

export type MessageKind = 'ask' | 'tell' | 'alarm' | 'depth'

export interface Message {
  readonly address: ActorAddress
  readonly kind: MessageKind
  readonly method: string
  /** The encoded list of arguments. */
  readonly argsText: string
  readonly priority: number | undefined
  /** Of no use any more (epoch milliseconds); undefined: of a tell, which waits in the mailbox as long as it takes. */
  readonly untilMs: number | undefined
  readonly requestId: string
  readonly depth: number
  /** Who sends it, if the actor may settle there. */
  readonly caller: Home | undefined
}

export interface ActorCallDeps {
  readonly directory: Pick<Directory, 'denied' | 'route'>
  /** What the actor threw, for its service's log. */
  readonly onThrew: (address: ActorAddress, error: GuestError, requestId: string) => void
}

/** How a message ended: with the encoded answer (of a tell and an alarm, no characters), or why not. */
export interface Outcome {
  answered(text: string): void
  /** The actor is, or is to be, where the message came from. */
  here(activation: Activation): void
  /** VelaError, or GuestFacingError for what the actor threw. */
  failed(error: VelaError | GuestFacingError): void
}

/** Codes that the kernel answers messages with; what an actor throws itself has another, or none. */
const KERNEL_CODES: ReadonlySet<string> = new Set([
  'VELA_ACTOR_MAILBOX_FULL',
  'VELA_ACTOR_DEADLINE',
  'VELA_ACTOR_STOPPED',
  'VELA_ACTOR_STORAGE_FAILED',
  'VELA_ACTOR_FENCED',
  'VELA_ACTOR_UPGRADE_FAILED',
  'VELA_ACTOR_NOT_FOUND',
  'VELA_METHOD_NOT_FOUND',
  'VELA_VALUE_NOT_CLONEABLE',
])
const MAX_TRIES = 4

export class ActorCall implements Call, Visit {
  readonly requestId: string
  readonly depth: number
  readonly startedMs: number = performance.now()
  attempts = 0
  body = ''
  readonly #message: Message
  readonly #deps: ActorCallDeps
  readonly #outcome: Outcome
  #over = false
  #link: TurnLink | undefined
  #placed: Placed | undefined
  #carries = false
  #answered: (() => void) | undefined
  #tries = 0

  constructor(message: Message, deps: ActorCallDeps, outcome: Outcome) {
    this.#message = message
    this.#deps = deps
    this.#outcome = outcome
    this.requestId = message.requestId
    this.depth = message.depth
  }

  get over(): boolean {
    return this.#over
  }
  get canceled(): boolean {
    return this.#over
  }

  placed(placed: Placed, activation: Activation | null): void {
    const { address, kind, method, argsText, priority, untilMs } = this.#message
    if (placed.home === this.#message.caller && activation !== null) {
      this.#over = true
      return this.#outcome.here(activation)
    }
    this.#placed = placed
    this.#carries = activation !== null
    const options = { priority, deadlineMs: untilMs }
    this.body = asciiJson([address.name, kind, method, argsText, options, activation])
    this.#link = undefined
    this.#answered = placed.sent()
    placed.home.dispatch(this)
  }

  encode(id: number): string {
    return `[${TO_GUEST.invoke},${id},${HANDLER.actor},"${this.#message.address.class}",0,0,${BODY.text},${this.body.length},${asciiJson(this.requestId)}]`
  }

  attach(link: TurnLink): void {
    this.#link = link
  }

  value(json: string | undefined): void {
    if (this.#over) return
    if (json === NOT_HERE) return this.#again('The cell does not have the actor')
    const answer = ANSWERED.has(this.#message.kind) ? readAnswer(json) : ''
    if (answer === undefined)
      return this.failed('VELA_GUEST_BAD_RESPONSE', 'The actor answered with something that is no answer')
    this.#end()
    this.#outcome.answered(answer)
  }

  threw(error: GuestError): void {
    if (this.#over) return
    const { name, message, code } = error
    this.#end()
    if (code !== undefined && KERNEL_CODES.has(code))
      return this.#outcome.failed(new GuestFacingError(name, message, code))
    this.#deps.onThrew(this.#message.address, error, this.requestId)
    this.#outcome.failed(new GuestFacingError(name, message, 'VELA_GUEST_THREW'))
  }

  failed(code: ErrorCode, detail: string): void {
    if (this.#over) return
    // The home went before it took it.
    if (code === 'VELA_CELL_LOST' && this.#placed !== undefined && this.#link === undefined)
      return this.#again(detail)
    this.#fail(new VelaError(code, detail))
  }

  refused(error: VelaError): void {
    if (!this.#over) this.#fail(error)
  }

  #fail(error: VelaError): void {
    this.#end()
    this.#outcome.failed(error)
  }

  head(): void {
    this.#link?.cancel('VELA_GUEST_BAD_RESPONSE')
    this.failed('VELA_GUEST_BAD_RESPONSE', 'The actor answered with a response')
  }

  data(): void {
    // Of a response, which was refused.
  }
  end(): void {
    // As above.
  }
  wants(): void {
    // Nothing goes with it.
  }

  /** Nobody waits any more, or the time is up. */
  cancel(error: VelaError): void {
    if (this.#over) return
    const link = this.#link
    this.#fail(error)
    link?.cancel(error.code)
  }

  #again(why: string): void {
    const placed = this.#placed
    this.#release()
    if (++this.#tries === MAX_TRIES) return this.#fail(new VelaError('VELA_CELL_LOST', why))
    if (placed !== undefined) this.#deps.directory.denied(placed)
    this.#deps.directory.route(this.#message.address, this.#message.caller, this)
  }

  #release(): void {
    this.#answered?.()
    this.#answered = undefined
    if (this.#carries && this.#link === undefined) this.#placed?.unheard()
    this.#carries = false
  }

  #end(): void {
    this.#over = true
    this.#release()
  }
}

/** Kinds whose answer is more than that they were taken. */
const ANSWERED: ReadonlySet<MessageKind> = new Set(['ask', 'depth'])
const NOT_HERE = '0'

/** The answer is the JSON of one string; undefined: it is something else. */
function readAnswer(json: string | undefined): string | undefined {
  try {
    const value: unknown = JSON.parse(json ?? '')
    return typeof value === 'string' ? value : undefined
  } catch {
    return undefined
  }
}
