/**
 * An event in the host. Host code that publishes to host code shares one value, and nothing is encoded; a guest's data stays the text
 * it came as, and nothing is parsed. Each form is made of the other when first asked for.
 */
import { decodeValue, encodeValue } from '../../guest-sdk/async/codec.ts'
import { NO_HEADERS, checkHeaders, checkKey } from '../../guest-sdk/events/check.ts'
import type { EventChanges, EventFields, EventHeaders, EventLike } from '../../guest-sdk/events/event.ts'

export interface BusEventFields extends EventFields {
  readonly tenant: string
  /** Events between it and something that was no event; bounds circles. 0 if left out. */
  readonly depth?: number
  /** Vela made the id for this publish, so it cannot be a duplicate. False if left out. */
  readonly fresh?: boolean
}

const NONE: unique symbol = Symbol('none')
/** An event with nothing in it takes about so much, and a place in a queue. */
const EMPTY_CHARACTERS = 64

export class BusEvent implements EventLike {
  readonly tenant: string
  readonly id: string
  readonly subject: string
  readonly source: string
  readonly timeMs: number
  readonly key: string | null
  readonly headers: EventHeaders
  readonly depth: number
  readonly fresh: boolean
  /** What it costs to keep beside its text: a guest may fill headers and leave the data empty. */
  readonly besides: number
  /** With its text, if it came as one or was parsed from one; 0 if it is a value of the host's: nothing is encoded to find out. */
  readonly characters: number
  #data: unknown
  #text: string | undefined

  private constructor(fields: BusEventFields, data: unknown, text: string | undefined, characters: number) {
    this.tenant = fields.tenant
    this.id = fields.id
    this.subject = fields.subject
    this.source = fields.source
    this.timeMs = fields.timeMs
    this.key = fields.key
    this.headers = fields.headers
    this.depth = fields.depth ?? 0
    this.fresh = fields.fresh ?? false
    this.besides = besides(fields)
    this.characters = characters === 0 ? 0 : characters + this.besides
    this.#data = data
    this.#text = text
  }

  /** Fields are taken as checked. `characters`: of what the data was parsed from, if it came from outside. */
  static of(fields: BusEventFields, data: unknown, characters = 0): BusEvent {
    return new BusEvent(fields, data, undefined, characters)
  }

  /** `text`: of the value codec. Not looked into before `data` is read. */
  static encoded(fields: BusEventFields, text: string): BusEvent {
    return new BusEvent(fields, NONE, text, text.length)
  }

  /** Throws DataCloneError if the text is no encoded value. */
  get data(): unknown {
    if (this.#data === NONE) this.#data = decodeValue(this.#text as string)
    return this.#data
  }

  /** The encoded data. Throws DataCloneError if it cannot be encoded. */
  get text(): string {
    return (this.#text ??= encodeValue(this.#data))
  }

  /** The text is there, so that asking for it costs nothing. */
  get isEncoded(): boolean {
    return this.#text !== undefined
  }

  /** Throws EventError for a key or headers that are not valid. May be published beside the other, so its id is not fresh. */
  with(changes: EventChanges): this {
    const { tenant, id, subject, source, timeMs, depth } = this
    const fields: BusEventFields = {
      tenant,
      id,
      subject,
      source,
      timeMs,
      depth,
      key: changes.key === undefined ? this.key : checkKey(changes.key),
      headers: changes.headers === undefined ? this.headers : checkHeaders(changes.headers),
      fresh: false,
    }
    const characters = this.#text?.length ?? Math.max(0, this.characters - this.besides)
    const event =
      'data' in changes
        ? BusEvent.of(fields, changes.data)
        : new BusEvent(fields, this.#data, this.#text, characters)
    return event as this
  }
}

function besides({ id, key, headers }: BusEventFields): number {
  let characters = EMPTY_CHARACTERS + id.length + (key === null ? 0 : key.length)
  if (headers !== NO_HEADERS)
    for (const name in headers) characters += name.length + (headers[name] as string).length
  return characters
}
