/**
 * A WebSocket that a guest has answered another guest with (an actor its service, a service its caller), on its way to the client
 * that asked for it. The client's connection is joined to the turn that holds the socket; the guests between are not asked
 * again. Threat: until then what that turn says waits here, so it is bounded as what a client has not taken is.
 */
import { BODY, SOCKET_MESSAGE_COST } from '../../guest-sdk/kernel/messages.ts'
import { ProtocolViolation } from '../../sandbox/protocol/frame-reader.ts'
import type { ErrorCode } from '../core/errors.ts'
import type { Call, SocketSink, TurnLink } from './call.ts'

/** A guest may run a window ahead, and one message over its edge; a cell that was taken over further. */
const MAX_WAITING_BYTES = 32 * 1024 * 1024

export class SocketRelay implements SocketSink {
  readonly headers: readonly string[]
  /** Of the turn that holds the socket. */
  readonly link: TurnLink
  #client: Call | undefined
  #dropped = false
  #waiting: ((client: Call) => void)[] = []
  #waitingBytes = 0
  #lost: readonly [ErrorCode, string] | undefined

  constructor(headers: readonly string[], link: TurnLink) {
    this.headers = headers
    this.link = link
  }

  /** Why there is nobody to join any more: the turn is over. */
  get lost(): readonly [ErrorCode, string] | undefined {
    return this.#lost
  }

  /** `client` is answered with the upgrade already; what the turn has said meanwhile reaches it now. */
  join(client: Call): void {
    this.#client = client
    const waiting = this.#waiting
    this.#waiting = []
    try {
      for (const say of waiting) say(client)
    } catch (thrown) {
      if (!(thrown instanceof ProtocolViolation)) throw thrown
      // Of who holds the socket, while the one between is heard: it must not be taken for that one's.
      this.link.cancel('VELA_TURN_CANCELED')
      client.failed('VELA_CELL_LOST', 'The WebSocket broke the protocol')
    }
  }

  /** Nobody takes it. */
  drop(): void {
    if (this.#dropped || this.#client !== undefined) return
    this.#dropped = true
    this.#waiting = []
    this.link.cancel('VELA_TURN_CANCELED')
  }

  message(kind: number, body: string, size: number): void {
    this.#say(kind === BODY.stream ? 0 : body.length, (client) => client.socket?.message(kind, body, size))
  }

  data(part: string | Buffer, kind: number): void {
    // A buffer is a view of what the link read.
    const kept = typeof part === 'string' || this.#client !== undefined ? part : Buffer.from(part)
    this.#say(part.length, (client) => client.data(kept, kind))
  }

  close(code: number, reason: string): void {
    this.#say(reason.length, (client) => client.socket?.close(code, reason))
  }

  end(broken: boolean): void {
    this.#lost ??= ['VELA_CELL_LOST', 'The WebSocket is gone']
    this.#say(0, (client) => client.end(broken))
  }

  failed(code: ErrorCode, detail: string): void {
    this.#lost ??= [code, detail]
    this.#say(0, (client) => client.failed(code, detail))
  }

  wants(bytes: number): void {
    this.#say(0, (client) => client.wants(bytes))
  }

  shut(code: number, reason: string): void {
    this.#say(0, (client) => client.shut?.(code, reason))
  }

  #say(bytes: number, say: (client: Call) => void): void {
    const client = this.#client
    if (client !== undefined) return say(client)
    if (this.#dropped) return
    this.#waitingBytes += bytes + SOCKET_MESSAGE_COST
    if (this.#waitingBytes > MAX_WAITING_BYTES)
      throw new ProtocolViolation('A socket runs ahead of its credit')
    this.#waiting.push(say)
  }
}
