/**
 * What the gateway keeps of one client connection: who is there, the exchanges in flight on it (pipelining allows
 * several), and the last request's head, since clients repeat their headers from request to request.
 */
import type { IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import { readHead, type RequestHead } from './request-head.ts'

/** As much of a call as a connection needs. */
export interface Exchange {
  /** The client has gone. */
  closed(): void
}

export class Connection {
  readonly remote: string
  #exchange: Exchange | undefined
  #pipelined: Set<Exchange> | undefined
  #lastHeaders: readonly string[] = []
  #lastHead: RequestHead | undefined

  constructor(socket: Socket) {
    this.remote = socket.remoteAddress ?? ''
  }

  head(request: IncomingMessage, trustProxy: boolean): RequestHead {
    const { rawHeaders } = request
    if (this.#lastHead !== undefined && isSame(rawHeaders, this.#lastHeaders)) return this.#lastHead
    this.#lastHeaders = rawHeaders
    this.#lastHead = readHead(rawHeaders, trustProxy, this.remote)
    return this.#lastHead
  }

  opened(exchange: Exchange): void {
    if (this.#exchange === undefined) this.#exchange = exchange
    else (this.#pipelined ??= new Set()).add(exchange)
  }

  ended(exchange: Exchange): void {
    if (this.#exchange === exchange) this.#exchange = undefined
    else this.#pipelined?.delete(exchange)
  }

  closed(): void {
    this.#exchange?.closed()
    for (const exchange of this.#pipelined ?? []) exchange.closed()
  }
}

function isSame(a: readonly string[], b: readonly string[]): boolean {
  if (a.length !== b.length) return false
  for (let at = 0; at < a.length; at++) if (a[at] !== b[at]) return false
  return true
}
