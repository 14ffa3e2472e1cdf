/**
 * One use of a capability by a guest, on the host's side: what the capability sees of it (CapabilityCall), and the two
 * bodies that may flow beside it, each no further ahead than the credit of whoever reads it.
 */
import { isAscii } from 'node:buffer'
import { BODY, INLINE_BODY_LIMIT, TO_GUEST } from '../../guest-sdk/kernel/messages.ts'
import type { CapabilityCall, CapabilityResult, Origin } from '../capabilities/capability.ts'
import type { JsonValue } from '../registry/types.ts'
import { asciiJson } from './ascii-json.ts'
import { ByteQueue } from './byte-queue.ts'
import { SocketRelay } from './relay.ts'

const PART_BYTES = 65_536

export interface GuestCallOptions extends Omit<CapabilityCall, 'body' | 'signal'> {
  readonly id: number
  readonly turn: number
  readonly body: Buffer | undefined
  /** The body follows in parts. */
  readonly streams: boolean
  readonly say: (message: string, body: string) => void
  /** It is answered and nothing flows any more. */
  readonly onOver: () => void
}

export class GuestCall implements CapabilityCall {
  readonly id: number
  readonly turn: number
  readonly origin: Origin
  readonly method: string
  readonly args: readonly JsonValue[]
  readonly body: Buffer | AsyncIterable<Buffer> | undefined
  readonly requestId: string
  readonly deadlineMs: number
  readonly depth: number
  readonly #options: GuestCallOptions
  readonly #upload: ByteQueue | undefined
  #abort: AbortController | undefined
  #answered = false
  #over = false
  #credit = 0
  #source: AsyncIterator<Uint8Array> | undefined
  #wake: (() => void) | undefined
  #relay: SocketRelay | undefined

  constructor(options: GuestCallOptions) {
    this.#options = options
    this.id = options.id
    this.turn = options.turn
    this.origin = options.origin
    this.method = options.method
    this.args = options.args
    this.requestId = options.requestId
    this.deadlineMs = options.deadlineMs
    this.depth = options.depth
    if (options.streams) {
      this.#upload = new ByteQueue((bytes) => this.#say(`[${TO_GUEST.credit},${this.id},${bytes}]`, ''))
    }
    this.body = this.#upload ?? options.body
  }

  get signal(): AbortSignal {
    this.#abort ??= new AbortController()
    if (this.#over) this.#abort.abort()
    return this.#abort.signal
  }

  answer({ value, body, relay }: CapabilityResult): void {
    if (this.#answered) {
      if (relay instanceof SocketRelay) relay.drop()
      // Nobody will read it; whatever holds it open is to hear that.
      if (body !== undefined && !(body instanceof Uint8Array))
        body[Symbol.asyncIterator]()
          .return?.()
          ?.catch(() => undefined)
      return
    }
    this.#answered = true
    const json = value === undefined ? '' : asciiJson(value)
    if (relay instanceof SocketRelay) {
      // Until the guest answers with it, or its turn is over.
      this.#relay = relay
      return this.#say(`[${TO_GUEST.result},${this.id},${json.length},${BODY.none},0]`, json)
    }
    if (body instanceof Uint8Array && body.length <= INLINE_BODY_LIMIT) {
      const bytes = Buffer.from(body.buffer, body.byteOffset, body.length)
      const kind = isAscii(bytes) ? BODY.text : BODY.bytes
      this.#say(
        `[${TO_GUEST.result},${this.id},${json.length},${kind},${bytes.length}]`,
        json + bytes.toString('latin1'),
      )
    } else if (body === undefined) {
      this.#say(`[${TO_GUEST.result},${this.id},${json.length},${BODY.none},0]`, json)
    } else {
      this.#source = body instanceof Uint8Array ? slices(body) : body[Symbol.asyncIterator]()
      this.#say(`[${TO_GUEST.result},${this.id},${json.length},${BODY.stream},0]`, json)
      void this.#pump(this.#source)
      return
    }
    this.#end()
  }

  fail(name: string, message: string, code: string | undefined, details?: JsonValue): void {
    if (this.#answered) return this.abort()
    this.#answered = true
    const json = asciiJson({
      name,
      message,
      ...(code === undefined ? {} : { code }),
      ...(details === undefined ? {} : { details }),
    })
    this.#say(`[${TO_GUEST.failed},${this.id},${json.length}]`, json)
    this.#end()
  }

  /** Part of the body that goes with the call. */
  push(part: string | Buffer, kind: number): void {
    this.#upload?.push(typeof part === 'string' ? bytesOf(part, kind) : Buffer.from(part))
  }

  pushEnd(broken: boolean): void {
    this.#upload?.end(broken)
  }

  /** The guest can take so many more bytes of the answer; 0: it wants none any more. */
  credit(bytes: number): void {
    if (bytes === 0) return this.abort()
    this.#credit += bytes
    this.#wake?.()
  }

  /** Nobody wants the answer, or the rest of it; says nothing to the guest that it would wait for. */
  abort(): void {
    if (this.#over) return
    this.#answered = true
    this.#end()
    this.#relay?.drop()
    this.#abort?.abort()
    this.#wake?.()
    this.#source?.return?.()?.catch(() => undefined)
  }

  /** The WebSocket that it was answered with, for whoever the guest answers with it; the call is over. */
  takeRelay(): SocketRelay | undefined {
    const relay = this.#relay
    this.#relay = undefined
    if (relay !== undefined) this.#end()
    return relay
  }

  /** Breaks it off from the host's side. */
  expire(code: string, message: string): void {
    if (this.#answered) {
      this.#say(`[${TO_GUEST.data},${this.id},0,2]`, '')
      return this.abort()
    }
    this.fail('Error', message, code)
    this.#abort?.abort()
  }

  #say(message: string, body: string): void {
    if (!this.#over) this.#options.say(message, body)
  }

  #end(): void {
    if (this.#over) return
    this.#over = true
    this.#upload?.end(true)
    this.#options.onOver()
  }

  async #pump(source: AsyncIterator<Uint8Array>): Promise<void> {
    try {
      for (;;) {
        while (this.#credit <= 0 && !this.#over) {
          await new Promise<void>((resolve) => {
            this.#wake = resolve
          })
        }
        if (this.#over) return
        const { done, value } = await source.next()
        if (this.#over) return
        if (done === true) {
          this.#say(`[${TO_GUEST.data},${this.id},0,1]`, '')
          return this.#end()
        }
        for (let at = 0; at < value.length; at += PART_BYTES) {
          const part = Buffer.from(value.buffer, value.byteOffset, value.length).toString(
            'latin1',
            at,
            at + PART_BYTES,
          )
          this.#credit -= part.length
          this.#say(`[${TO_GUEST.data},${this.id},${part.length},0]`, part)
        }
      }
    } catch {
      this.#say(`[${TO_GUEST.data},${this.id},0,2]`, '')
      this.#end()
    }
  }
}

const bytesOf = (text: string, kind: number): Buffer =>
  Buffer.from(text, kind === BODY.bytes ? 'latin1' : 'utf8')

async function* slices(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += PART_BYTES) yield bytes.subarray(at, at + PART_BYTES)
}

/** The whole body of a call that came inline. */
export const inlineBody = (kind: number, text: string): Buffer | undefined =>
  kind === BODY.none || kind === BODY.stream ? undefined : bytesOf(text, kind)
