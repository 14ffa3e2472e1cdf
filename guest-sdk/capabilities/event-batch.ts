/**
 * Events as a guest's handlers see them, and the run of one batch: `queue(batch)` once, or the named function for each event. What
 * became of each leaves as one short JSON text that is put together here, so nothing that a guest patches can shape it.
 */
import type { CapabilityKit } from '../kernel/capabilities.ts'
import type { BatchTurn } from '../kernel/event-port.ts'
import type { Callable } from '../kernel/exports.ts'
import { freeze, indexOf, isArray, parse, slice, subscribe, toPromise } from '../kernel/primordials.ts'
import { isThenable } from '../kernel/thenable.ts'

export type BatchKit = Pick<CapabilityKit, 'createError' | 'decodeValue' | 'events'>

type Headers = Readonly<Record<string, string>>

interface Changes {
  readonly data?: unknown
  readonly key?: string | null
  readonly headers?: Headers
}

/** What a handler said of its event: nothing yet, handled, or again after so many milliseconds (-1: as the host likes). */
interface Verdict {
  delayMs: number | undefined | 'ack'
}

interface Fields {
  readonly id: string
  readonly subject: string
  readonly source: string
  readonly timeMs: number
  readonly attempts: number
  readonly key: string | null
  readonly headers: Headers
}

const MOST_DELAY_SECONDS = 12 * 60 * 60
const NO_HEADERS: Headers = freeze({ __proto__: null } as never)
const DateOf = Date

/** Cloudflare's `Message` and more; also an `EventLike` of guest-sdk/events, for its middleware. */
class GuestEvent {
  readonly id: string
  readonly subject: string
  readonly source: string
  readonly timeMs: number
  /** This one included. */
  readonly attempts: number
  readonly key: string | null
  readonly headers: Headers
  readonly #kit: BatchKit
  readonly #verdict: Verdict
  #text: string | undefined
  #data: unknown

  constructor(kit: BatchKit, fields: Fields, verdict: Verdict, text: string | undefined, data: unknown) {
    this.id = fields.id
    this.subject = fields.subject
    this.source = fields.source
    this.timeMs = fields.timeMs
    this.attempts = fields.attempts
    this.key = fields.key
    this.headers = fields.headers
    this.#kit = kit
    this.#verdict = verdict
    this.#text = text
    this.#data = data
  }

  /** Decoded when first asked for: what nobody reads costs nothing. */
  get data(): unknown {
    if (this.#text !== undefined) {
      this.#data = this.#kit.decodeValue(this.#text)
      this.#text = undefined
    }
    return this.#data
  }
  /** The same, by Cloudflare's name. */
  get body(): unknown {
    return this.data
  }
  get timestamp(): Date {
    return new DateOf(this.timeMs)
  }

  ack(): void {
    this.#verdict.delayMs ??= 'ack'
  }

  retry(options: unknown = undefined): void {
    const delayMs = delayOf(this.#kit, options)
    this.#verdict.delayMs ??= delayMs
  }

  with(changes: Changes): GuestEvent {
    const { key = this.key, headers = this.headers } = changes
    const fields = {
      id: this.id,
      subject: this.subject,
      source: this.source,
      timeMs: this.timeMs,
      attempts: this.attempts,
      key,
      headers,
    }
    const isNew = 'data' in changes
    const text = isNew ? undefined : this.#text
    return new GuestEvent(this.#kit, fields, this.#verdict, text, isNew ? changes.data : this.#data)
  }
}

function delayOf(kit: BatchKit, options: unknown): number {
  const seconds =
    typeof options === 'object' && options !== null
      ? (options as { delaySeconds?: unknown }).delaySeconds
      : undefined
  if (seconds === undefined) return -1
  if (typeof seconds === 'number' && seconds >= 0 && seconds <= MOST_DELAY_SECONDS)
    return (seconds * 1000) | 0
  throw kit.createError('RangeError', `delaySeconds is a number from 0 to ${MOST_DELAY_SECONDS}`, undefined)
}

/** What `queue` is given. */
class EventBatch {
  readonly queue: string
  readonly messages: readonly GuestEvent[]
  readonly #kit: BatchKit

  constructor(kit: BatchKit, queue: string, messages: readonly GuestEvent[]) {
    this.queue = queue
    this.messages = messages
    this.#kit = kit
  }

  ackAll(): void {
    for (let index = 0; index < this.messages.length; index++) (this.messages[index] as GuestEvent).ack()
  }

  retryAll(options: unknown = undefined): void {
    delayOf(this.#kit, options)
    for (let index = 0; index < this.messages.length; index++)
      (this.messages[index] as GuestEvent).retry(options)
  }
}

/** The head of a batch; docs/protocol.md says what is in it. The host made it. */
type Head = readonly [
  queue: string,
  window: number,
  subjects: readonly string[],
  sources: readonly string[],
  events: readonly (string | EventHead)[],
]
type EventHead = readonly [
  id: string,
  subject: number,
  source: number,
  timeMs: number,
  attempt: number,
  key: string | null,
  headers: Headers | null,
]

/** One delivery in work. */
interface Run {
  readonly kit: BatchKit
  readonly turn: BatchTurn
  readonly events: readonly GuestEvent[]
  readonly verdicts: readonly Verdict[]
  /** What was thrown, by place; as texts that are JSON. */
  readonly errors: Record<number, string>
  errorCount: number
}

/** Errors with a stack of some length: the first few. A batch of a thousand that all fail must not be larger than what it answers. */
const DESCRIBED = 4
const LONG_CHARACTERS = 4_096
const SHORT_CHARACTERS = 256

export function runBatch(kit: BatchKit, turn: BatchTurn, name: string, text: string): void {
  const end = indexOf(text, '\n')
  // Read by index: destructuring would ask the list's iterator, which a guest can patch.
  const head = parse(slice(text, 0, end)) as Head
  const subjects = head[2]
  const sources = head[3]
  const heads = head[4]
  const handler = turn.handler(name)
  if (handler === undefined) {
    const what = name === '' ? 'has no handler for batches, queue' : `exports no function ${name}`
    return turn.threw(kit.createError('TypeError', `The service ${what}`, 'VELA_METHOD_NOT_FOUND'))
  }
  const events: GuestEvent[] = []
  const verdicts: Verdict[] = []
  let last = ['', 0, 0, 0, 1, null, null] as EventHead
  let at = end + 1
  for (let index = 0; index < heads.length; index++) {
    const own = heads[index] as string | EventHead
    if (isArray(own)) last = own as EventHead
    const id = isArray(own) ? last[0] : (own as string)
    const next = indexOf(text, '\n', at)
    const line = slice(text, at, next === -1 ? undefined : next)
    at = next + 1
    const verdict: Verdict = { delayMs: undefined }
    const fields: Fields = {
      id,
      subject: subjects[last[1]] as string,
      source: sources[last[2]] as string,
      timeMs: last[3],
      attempts: last[4],
      key: last[5],
      headers: last[6] === null ? NO_HEADERS : freeze(last[6]),
    }
    verdicts[index] = verdict
    events[index] = new GuestEvent(kit, fields, verdict, line, undefined)
  }
  const run: Run = { kit, turn, events, verdicts, errors: { __proto__: null } as never, errorCount: 0 }
  if (name === '') runWhole(run, head[0], handler)
  else runEach(run, handler, head[1])
}

function runWhole(run: Run, queue: string, handler: Callable): void {
  const { kit, turn } = run
  const done = (): void => turn.settle(answer(run, '0'))
  const failed = (thrown: unknown): void =>
    turn.settle(answer(run, `[-1,${kit.events.describeThrown(thrown, LONG_CHARACTERS)}]`))
  const batch = new EventBatch(kit, queue, freeze(run.events))
  try {
    turn.within(() => {
      const value = handler(batch)
      if (isThenable(value)) subscribe(toPromise(value), done, failed)
      else done()
    })
  } catch (thrown) {
    failed(thrown)
  }
}

/** Handlers that return at once are called one after the other; of those that wait, as many at a time as `window` says. */
function runEach(run: Run, handler: Callable, window: number): void {
  const { events, turn } = run
  let next = 0
  let inWork = 0
  let isPumping = false
  const failed = (index: number, thrown: unknown): void => {
    const most = run.errorCount++ < DESCRIBED ? LONG_CHARACTERS : SHORT_CHARACTERS
    run.errors[index] = run.kit.events.describeThrown(thrown, most)
  }
  const start = (index: number): void => {
    try {
      turn.within(() => {
        const value = handler(events[index])
        if (!isThenable(value)) return
        subscribe(toPromise(value), ended, (thrown) => {
          failed(index, thrown)
          ended()
        })
        // What the lines above throw has failed by itself, and nobody will say that it ended.
        inWork++
      })
    } catch (thrown) {
      failed(index, thrown)
    }
  }
  const ended = (): void => {
    inWork--
    pump()
  }
  const pump = (): void => {
    if (isPumping) return
    isPumping = true
    while (next < events.length && inWork < window) start(next++)
    isPumping = false
    if (next === events.length && inWork === 0) turn.settle(answer(run, '0'))
  }
  pump()
}

/** `otherwise`: the outcome of those that have none of their own. undefined: all is well. */
function answer({ verdicts, errors }: Run, otherwise: string): string | undefined {
  let some = ''
  for (let index = 0; index < verdicts.length; index++) {
    const { delayMs } = verdicts[index] as Verdict
    const error = errors[index]
    let outcome: string
    // Its handler's word comes first, as Cloudflare has it: an event that was acknowledged stays so.
    if (delayMs === 'ack') outcome = '0'
    else if (delayMs !== undefined) outcome = `[${delayMs},${error ?? '0'}]`
    else outcome = error === undefined ? otherwise : `[-1,${error}]`
    if (outcome !== otherwise) some += `${some === '' ? '' : ','}[${index},${outcome}]`
  }
  return otherwise === '0' && some === '' ? undefined : `[${otherwise},[${some}]]`
}
