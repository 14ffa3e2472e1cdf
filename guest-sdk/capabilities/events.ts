/**
 * The guest's half of the `events` capability: `env.ORDERS.publish(subject, data)`, and what delivers batches to the service's handlers
 * (event-batch.ts). What is published in one entry is gathered and leaves as few calls, whose lines the host passes on unread.
 */
import type { CallResult } from '../kernel/calls.ts'
import type { CapabilityFactory, CapabilityKit, Power } from '../kernel/capabilities.ts'
import {
  PromiseOf,
  ReflectOwnKeys,
  defineProperty,
  freeze,
  isArray,
  subscribe,
} from '../kernel/primordials.ts'
import { runBatch } from './event-batch.ts'
import { createSubjectCheck, type SubjectCheck } from './event-subjects.ts'

interface Options {
  readonly kind: 'ephemeral' | 'durable'
  readonly publish: readonly string[]
}

interface PublishOptions {
  readonly key?: unknown
  readonly id?: unknown
  readonly headers?: unknown
}

interface PublishResult {
  id: string
  sequence?: number
  duplicate?: boolean
  skipped?: boolean
}

/** What a call is answered with (docs/protocol.md, "Events"). */
type Answer = readonly [
  stem: string,
  first: number,
  sequences: readonly number[] | null,
  others: readonly (readonly [index: number, code: string, message?: string])[],
]

type EventHead = number | readonly [subject: number, key: unknown, id: string | null, headers: object | null]

/** Events on their way to one call. */
interface Gathered {
  readonly subjects: string[]
  readonly places: Record<string, number>
  readonly heads: EventHead[]
  readonly waiting: Waiting[]
  text: string
}

interface Waiting {
  /** Set as soon as there is one: before anything can be answered. */
  promise: Promise<PublishResult>
  readonly id: string | null
  readonly resolve: (result: PublishResult) => void
  readonly reject: (reason: unknown) => void
}

/** A call that stays within one message; the host takes no more events at once. */
const CALL_CHARACTERS = 60_000
const CALL_EVENTS = 1_000
const MOST_CHARACTERS = 262_144

export const usesCodec = true

export const create: CapabilityFactory = (kit) => {
  kit.events.plug((turn, name, text) => {
    try {
      runBatch(kit, turn, name, text)
    } catch (thrown) {
      turn.threw(thrown)
    }
  })
  const check = createSubjectCheck(kit)
  return (power, options) => freeze(new EventBinding(kit, power, options as Options, check))
}

class EventBinding {
  readonly #kit: CapabilityKit
  readonly #power: Power
  readonly #options: Options
  readonly #check: SubjectCheck
  #gathered: Gathered | undefined

  constructor(kit: CapabilityKit, power: Power, options: Options, check: SubjectCheck) {
    this.#kit = kit
    this.#power = power
    this.#options = options
    this.#check = check
  }

  publish(subject: unknown, data: unknown, options: unknown = undefined): Promise<PublishResult> {
    let waiting = undefined as Omit<Waiting, 'promise'> | undefined
    const promise = new PromiseOf<PublishResult>((resolve, reject) => {
      const right = this.#check(this.#options.publish, subject)
      waiting = this.#add(right, data, options as PublishOptions | undefined, resolve, reject)
    })
    // What was thrown before has rejected it.
    if (waiting !== undefined) (waiting as Waiting).promise = promise
    return promise
  }

  /** Cloudflare's producer of a queue: a binding that publishes one subject. */
  async send(body: unknown, options: unknown = undefined): Promise<void> {
    this.#noDelay(options)
    await this.publish(this.#onlySubject(), body)
  }

  async sendBatch(
    messages: Iterable<{ readonly body: unknown }>,
    options: unknown = undefined,
  ): Promise<void> {
    this.#noDelay(options)
    const subject = this.#onlySubject()
    const sent: Promise<unknown>[] = []
    for (const message of messages) {
      this.#noDelay(message)
      sent[sent.length] = this.publish(subject, message.body)
    }
    // Each is heard of before the first failure is told.
    let failure: { readonly reason: unknown } | undefined
    for (let index = 0; index < sent.length; index++) {
      try {
        await sent[index]
      } catch (reason) {
        failure ??= { reason }
      }
    }
    if (failure !== undefined) throw failure.reason
  }

  get [Symbol.toStringTag](): string {
    return 'EventBinding'
  }

  #onlySubject(): string {
    const { publish } = this.#options
    if (publish.length === 1) return publish[0] as string
    throw new TypeError('send() is for a binding that publishes one subject; name it: publish(subject, data)')
  }

  #noDelay(options: unknown): void {
    const delay =
      typeof options === 'object' && options !== null
        ? (options as { delaySeconds?: unknown }).delaySeconds
        : undefined
    if (delay !== undefined && delay !== 0)
      throw new TypeError('delaySeconds: an event cannot be published for later; use an alarm of an actor')
  }

  #add(
    subject: string,
    data: unknown,
    options: PublishOptions | undefined,
    resolve: Waiting['resolve'],
    reject: Waiting['reject'],
  ): Omit<Waiting, 'promise'> {
    const text = this.#kit.encodeValue(data)
    if (text.length > MOST_CHARACTERS)
      throw this.#kit.createError(
        'RangeError',
        `The data of the event has ${text.length} characters in its encoded form; ${MOST_CHARACTERS} are allowed. Store it, and publish where it is`,
        'VELA_EVENT_TOO_LARGE',
      )
    const { key = null, id = null, headers = null } = options ?? {}
    if (id !== null && typeof id !== 'string') throw this.#invalid('The id of an event is a string')
    if (key !== null && typeof key !== 'string') throw this.#invalid('The key of an event is a string')
    const copied = headers === null ? null : this.#headersOf(headers)
    // Encoding and reading may have run code that published.
    let gathered = this.#gathered
    if (gathered !== undefined && gathered.text.length + text.length >= CALL_CHARACTERS) this.#send()
    gathered = this.#gathered ??= this.#gather()
    const place = (gathered.places[subject] ??= gathered.subjects.length)
    if (place === gathered.subjects.length) gathered.subjects[place] = subject
    const isPlain = key === null && id === null && copied === null
    gathered.heads[gathered.heads.length] = isPlain ? place : [place, key, id, copied]
    gathered.text += gathered.waiting.length === 0 ? text : `\n${text}`
    const waiting: Omit<Waiting, 'promise'> = { id, resolve, reject }
    gathered.waiting[gathered.waiting.length] = waiting as Waiting
    if (gathered.waiting.length === CALL_EVENTS) this.#send()
    return waiting
  }

  #invalid(message: string): unknown {
    return this.#kit.createError('TypeError', message, 'VELA_EVENT_INVALID')
  }

  /** A copy: what it says is checked by the host. */
  #headersOf(headers: unknown): object {
    if (typeof headers !== 'object' || headers === null || isArray(headers))
      throw this.#invalid('The headers of an event are an object of strings')
    const copy = { __proto__: null } as unknown as Record<string, string>
    const names = ReflectOwnKeys(headers)
    for (let index = 0; index < names.length; index++) {
      const name = names[index]
      if (typeof name !== 'string') continue
      const value = (headers as Record<string, unknown>)[name]
      if (typeof value !== 'string') throw this.#invalid(`The header ${name} of an event is no string`)
      defineProperty(copy, name, { value, enumerable: true })
    }
    return copy
  }

  #gather(): Gathered {
    const gathered: Gathered = {
      subjects: [],
      places: { __proto__: null } as never,
      heads: [],
      waiting: [],
      text: '',
    }
    this.#kit.beforeSettle(() => {
      if (this.#gathered === gathered) this.#send()
    })
    return gathered
  }

  /**
   * The turn may end before the answer comes. The host has the events by then, so what is not waited for is no error that
   * nobody caught; whoever does wait hears of it.
   */
  #send(): void {
    const { subjects, heads, waiting, text } = this.#gathered as Gathered
    this.#gathered = undefined
    const turn = this.#power.scope.turn()
    let isOver = false
    const stopWatching = turn === 0 ? nothing : this.#kit.onTurnEnd(turn, () => (isOver = true))
    subscribe(
      this.#power.call('publish', [subjects, heads], { text }),
      (result) => {
        stopWatching()
        this.#settle(waiting, (result as CallResult).value as Answer)
      },
      (thrown) => {
        stopWatching()
        for (let index = 0; index < waiting.length; index++) {
          const { promise, reject } = waiting[index] as Waiting
          if (isOver) subscribe(promise, nothing, nothing)
          reject(thrown)
        }
      },
    )
  }

  /** Lists are read by index: destructuring one would ask its iterator, which a guest can patch. */
  #settle(waiting: readonly Waiting[], answer: Answer): void {
    const sequences = answer[2]
    const others = answer[3]
    let other = 0
    for (let index = 0; index < waiting.length; index++) {
      const { id, resolve, reject } = waiting[index] as Waiting
      const result: PublishResult = { id: id ?? answer[0] + base36(answer[1] + index) }
      if (sequences !== null) result.sequence = sequences[index] as number
      const said = others[other]
      if (said !== undefined && said[0] === index) {
        other++
        const code = said[1]
        if (code === 'duplicate') result.duplicate = true
        else if (code === 'skipped') result.skipped = true
        else {
          reject(this.#kit.createError('Error', said[2] ?? '', code))
          continue
        }
      }
      resolve(result)
    }
  }
}

const nothing = (): void => undefined

const toText = Number.prototype.toString
const ReflectApply = Reflect.apply
const base36 = (value: number): string => ReflectApply(toText, value, [36]) as string
