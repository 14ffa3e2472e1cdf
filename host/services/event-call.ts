/**
 * A call of a guest's handlers of events with several at once (docs/protocol.md, "Events"). Data are passed on as the text they came as.
 * Threat: the answer is the guest's, and a cell may be broken out of; what is not as agreed counts as no answer at all.
 */
import { BODY, HANDLER, TO_GUEST } from '../../guest-sdk/kernel/messages.ts'
import { escapeJson } from '../cells/ascii-json.ts'
import type { Call, GuestError, TurnLink } from '../cells/call.ts'
import { errorOf } from '../cells/guest-output.ts'
import { VelaError, type ErrorCode } from '../core/errors.ts'
import type { EventHeaders } from '../../guest-sdk/events/event.ts'
import type { BusEvent } from '../events/bus-event.ts'
import { MAX_DELAY_MS } from '../events/durable/options.ts'
import type { Delivery } from '../events/types.ts'

/** What became of one event: all is well, or what the guest says of the next try. */
export interface Refused {
  /** undefined: it did not say when. */
  readonly delayMs: number | undefined
  /** undefined: it asked for another try, and threw nothing. */
  readonly error: GuestError | undefined
}

export interface EventCallOptions {
  readonly requestId: string
  /** The function for each event; '': `queue`. */
  readonly handler: string
  /** What `batch.queue` says. */
  readonly queue: string
  /** Events in work at a time. */
  readonly window: number
}

export class EventCall implements Call {
  readonly requestId: string
  readonly body: string
  readonly startedMs: number = performance.now()
  readonly depth: number
  /** What it counts for where calls are gathered and their CPU time is guessed. */
  readonly weight: number
  attempts = 0
  canceled = false
  /** undefined for what was acknowledged. Rejects with a VelaError if nothing is known. */
  readonly outcomes: Promise<readonly (Refused | undefined)[]>
  readonly #handler: string
  #link: TurnLink | undefined
  #resolve: (outcomes: readonly (Refused | undefined)[]) => void = () => undefined
  #reject: (error: VelaError) => void = () => undefined

  constructor(batch: readonly Delivery[], { requestId, handler, queue, window }: EventCallOptions) {
    this.requestId = requestId
    this.#handler = handler
    this.weight = batch.length
    this.depth = depthOf(batch)
    this.body = bodyOf(batch, queue, window)
    this.outcomes = new Promise((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
    })
  }

  encode(id: number): string {
    const { body, requestId } = this
    return `[${TO_GUEST.invoke},${id},${HANDLER.queue},"${this.#handler}",0,0,${BODY.text},${body.length},"${requestId}"]`
  }

  attach(link: TurnLink): void {
    this.#link = link
  }

  /** Nobody waits for it any more. */
  cancel(): void {
    if (this.canceled) return
    this.canceled = true
    this.#link?.cancel('VELA_TURN_CANCELED')
    this.#reject(new VelaError('VELA_TURN_CANCELED', 'The delivery of events was given up'))
  }

  value(json: string | undefined): void {
    this.canceled = true
    if (json === undefined) return this.#resolve(sameFor(this.weight, undefined))
    const outcomes = readOutcomes(json, this.weight)
    if (outcomes === undefined) this.#fail('VELA_GUEST_BAD_RESPONSE', 'The outcomes of events are malformed')
    else this.#resolve(outcomes)
  }

  /** No handler was reached, so none of them has said anything. */
  threw(error: GuestError): void {
    this.canceled = true
    this.#resolve(sameFor(this.weight, { delayMs: undefined, error }))
  }

  failed(code: ErrorCode, detail: string): void {
    this.#fail(code, detail)
  }

  head(): void {
    this.#fail('VELA_GUEST_BAD_RESPONSE', 'The handler answered with a response')
  }

  data(): void {
    // Of a response, which is none of its answers.
  }
  end(): void {
    // The same.
  }
  wants(): void {
    // Its body went whole.
  }

  #fail(code: ErrorCode, detail: string): void {
    this.canceled = true
    this.#reject(new VelaError(code, detail))
  }
}

const depthOf = (batch: readonly Delivery[]): number => {
  let depth = 0
  for (const { event } of batch) depth = Math.max(depth, event.depth)
  return depth
}

/** The head's events say only what is not as in the one before. */
function bodyOf(batch: readonly Delivery[], queue: string, window: number): string {
  const subjects = new Places()
  const sources = new Places()
  const heads: unknown[] = []
  let texts = ''
  let last: Delivery | undefined
  for (const delivery of batch) {
    const { event, attempt } = delivery
    const { id, subject, source, timeMs, key } = event
    if (last !== undefined && isAlike(last, delivery)) heads.push(id)
    else heads.push([id, subjects.of(subject), sources.of(source), timeMs, attempt, key, headersOf(event)])
    last = delivery
    texts += `\n${lineOf(event.text)}`
  }
  return escapeJson(JSON.stringify([queue, window, subjects.texts, sources.texts, heads]) + texts)
}

/** What comes from outside may have line ends, which JSON has only where a blank would do as well. */
const lineOf = (text: string): string => (text.includes('\n') ? text.replaceAll('\n', ' ') : text)

const isAlike = ({ event, attempt }: Delivery, { event: other, attempt: next }: Delivery): boolean =>
  attempt === next &&
  event.subject === other.subject &&
  event.source === other.source &&
  event.timeMs === other.timeMs &&
  event.key === other.key &&
  headersOf(event) === headersOf(other)

function headersOf({ headers }: BusEvent): EventHeaders | null {
  // oxlint-disable-next-line no-unreachable-loop -- the first is enough, and no list of names is made for every event
  for (const _ in headers) return headers
  return null
}

/** Texts that come often, each written once. */
class Places {
  readonly texts: string[] = []
  readonly #places = new Map<string, number>()
  of(text: string): number {
    const known = this.#places.get(text)
    if (known !== undefined) return known
    this.#places.set(text, this.texts.length)
    return this.texts.push(text) - 1
  }
}

/** One outcome for all: whoever logs it sees that it is one. */
const sameFor = (count: number, outcome: Refused | undefined): (Refused | undefined)[] =>
  Array.from({ length: count }, () => outcome)

/** `[all, some]` of docs/protocol.md, for so many events; undefined: it is something else. */
function readOutcomes(json: string, count: number): (Refused | undefined)[] | undefined {
  let value: unknown
  try {
    value = JSON.parse(json)
    if (!Array.isArray(value) || value.length !== 2) return undefined
    const [all, some] = value as [unknown, unknown]
    if (!Array.isArray(some) || some.length > count) return undefined
    const outcomes = sameFor(count, readOutcome(all))
    let before = -1
    for (const entry of some as unknown[]) {
      if (!Array.isArray(entry) || entry.length !== 2) return undefined
      const [index, outcome] = entry as [unknown, unknown]
      if (typeof index !== 'number' || !Number.isInteger(index) || index <= before || index >= count)
        return undefined
      before = index
      outcomes[index] = readOutcome(outcome)
    }
    return outcomes
  } catch {
    return undefined
  }
}

/** Throws for what is no outcome. */
function readOutcome(value: unknown): Refused | undefined {
  if (value === 0) return undefined
  if (!Array.isArray(value) || value.length !== 2) throw new TypeError()
  const [delayMs, error] = value as [unknown, unknown]
  if (typeof delayMs !== 'number' || !(delayMs >= -1 && delayMs <= MAX_DELAY_MS)) throw new TypeError()
  return { delayMs: delayMs < 0 ? undefined : delayMs, error: error === 0 ? undefined : errorOf(error) }
}
