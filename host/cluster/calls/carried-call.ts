/**
 * A call of another node, here where it is carried out: what the guest says goes back to that node. A replica sees a call like any other.
 */
import { BODY } from '../../../guest-sdk/kernel/messages.ts'
import type { Call, GuestError, SocketLink, SocketSink, TurnLink } from '../../cells/call.ts'
import type { SocketRelay } from '../../cells/relay.ts'
import type { ErrorCode } from '../../core/errors.ts'
import type { JsonValue } from '../../registry/types.ts'
import type { Frame, Stream } from './streams.ts'

export interface CarriedHead {
  /** The invoke message, for id 0. */
  readonly invoke: string
  readonly requestId: string
  readonly depth: number
  readonly affinity: string | undefined
  readonly weight: number
  readonly waitedMs: number
  readonly body: string
}

const FOR_ZERO = '[0,0,'

export class CarriedCall implements Call, SocketSink {
  readonly requestId: string
  readonly depth: number
  readonly affinity: string | undefined
  readonly weight: number
  readonly body: string
  readonly startedMs: number
  readonly socket: SocketSink = this
  attempts = 0
  canceled = false
  readonly #rest: string
  readonly #stream: Stream
  #link: TurnLink | undefined
  #opened: SocketLink | undefined
  /** Of a WebSocket that another guest holds, or an actor. */
  #relay: SocketRelay | undefined
  #over = false
  /** The caller has gone, or cannot be reached. */
  onCancel: (() => void) | undefined

  constructor(stream: Stream, head: CarriedHead) {
    this.#stream = stream
    this.requestId = head.requestId
    this.depth = head.depth
    this.affinity = head.affinity
    this.weight = head.weight
    this.body = head.body
    this.startedMs = performance.now() - head.waitedMs
    this.#rest = head.invoke.slice(FOR_ZERO.length)
  }

  /** A damaged one would end the cell that gets it, and with it what others do there. */
  static reads(invoke: string): boolean {
    if (!invoke.startsWith(FOR_ZERO)) return false
    try {
      return Array.isArray(JSON.parse(invoke))
    } catch {
      return false
    }
  }

  encode(id: number): string {
    return `[0,${id},${this.#rest}`
  }

  attach(link: TurnLink): void {
    this.#link = link
  }

  head(status: number, headers: readonly string[], kind: number, body: string, ascii: boolean): void {
    const isLast = kind !== BODY.stream && status !== 101
    this.#say('head', [status, [...headers], kind, ascii], encode(body, kind))
    if (isLast) this.#end()
  }

  data(part: string | Buffer, kind: number): void {
    // A buffer is a view of what the link read, and is copied as it is sent.
    this.#say('data', [kind], typeof part === 'string' ? encode(part, kind) : part)
  }

  end(broken: boolean): void {
    this.#last('end', [broken])
  }
  value(json: string | undefined): void {
    this.#last('value', [json !== undefined], json)
  }
  threw({ name, message, stack, code }: GuestError): void {
    this.#last('threw', [{ name, message, stack: stack ?? null, code: code ?? null }])
  }
  failed(code: ErrorCode, detail: string): void {
    this.#last('failed', [code, detail])
  }
  wants(bytes: number): void {
    // Of a WebSocket the guest says so what it has taken.
    this.#opened?.taken(bytes)
    this.#say('wants', [bytes])
  }
  message(kind: number, body: string, size: number): void {
    this.#say('message', [kind, size], encode(body, kind))
  }
  close(code: number, reason: string): void {
    this.#say('close', [code, reason])
  }
  shut(code: number, reason: string): void {
    this.#say('shut', [code, reason])
  }

  join(relay: SocketRelay): void {
    if (this.#over) return relay.drop()
    if (relay.lost !== undefined) return this.failed(...relay.lost)
    this.#relay = relay
    this.#link = relay.link
    this.head(101, relay.headers, BODY.none, '', true)
  }

  /** The caller's side says something. */
  heard({ verb, args, body }: Frame): void {
    if (this.#over) return
    const [one, two] = args
    if (verb === 'body') this.#link?.sendBody(body.toString('latin1'), numberOf(one))
    else if (verb === 'grant') this.#link?.grant(numberOf(one))
    else if (verb === 'cancel') this.lost(typeof one === 'string' ? one : undefined)
    else if (verb === 'endure') this.#endure()
    else if (verb === 'socket') this.#openSocket()
    else if (verb === 'receive') this.#opened?.receive(one === true, body.toString('latin1'))
    else if (verb === 'closed') this.#opened?.closed(numberOf(one), numberOf(two), body.toString('latin1'))
  }

  /** Nobody waits for it any more. */
  lost(code = 'VELA_TURN_CANCELED'): void {
    if (this.#over) return
    this.#end()
    this.#relay?.drop()
    this.#link?.cancel(code)
    this.onCancel?.()
  }

  #endure(): void {
    if (this.#link?.endure() === true) return
    this.#link?.cancel('VELA_TENANT_QUOTA_EXCEEDED')
    this.failed('VELA_TENANT_QUOTA_EXCEEDED', 'As many event streams are open as may be')
  }

  #openSocket(): void {
    this.#opened = this.#link?.openSocket(() => undefined)
    if (this.#opened === undefined) {
      this.#relay?.drop()
      this.#link?.cancel('VELA_TENANT_QUOTA_EXCEEDED')
      return this.failed('VELA_TENANT_QUOTA_EXCEEDED', 'As many WebSockets are open as may be')
    }
    this.#relay?.join(this)
  }

  #say(verb: string, args: readonly JsonValue[] = [], body?: string | Uint8Array): void {
    if (!this.#over) this.#stream.say(verb, args, body)
  }

  #last(verb: string, args: readonly JsonValue[], body?: string): void {
    this.#say(verb, args, body)
    this.#end()
  }

  #end(): void {
    this.#over = true
    this.canceled = true
    this.#stream.close()
  }
}

const encode = (text: string, kind: number): Buffer =>
  Buffer.from(text, kind === BODY.bytes ? 'latin1' : 'utf8')

const numberOf = (value: unknown): number => (typeof value === 'number' && Number.isFinite(value) ? value : 0)
