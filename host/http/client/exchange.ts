/**
 * One request and its response on one connection: undici's callbacks turned into a head, a body and an end. It
 * settles exactly once. An aborted exchange counts as running until undici has let go of it, so that a guest cannot
 * pile up requests behind a server that does not answer by aborting them.
 */
import type { Dispatcher } from 'undici'
import { VelaError } from '../../core/errors.ts'
import { responseTooLarge } from './decode.ts'
import { failed, toFetchError } from './failure.ts'
import { headerValue, responseHeaders } from './headers.ts'
import type { ClientLimits } from './limits.ts'
import type { RequestBody } from './request-body.ts'
import { ResponseBody } from './response-body.ts'

export interface ResponseHead {
  readonly status: number
  readonly statusText: string
  /** Flat, names in lower case. */
  readonly headers: string[]
}

export interface ExchangeOptions {
  readonly origin: string
  readonly limits: ClientLimits
  readonly signal: AbortSignal | undefined
  /** If the request's body is streamed. */
  readonly requestBody: RequestBody | undefined
  /** undici is done with it; called once. */
  readonly onOver: (exchange: Exchange) => void
}

/** Early hints and the like, each of which may be as large as headers may be. */
const MOST_INFORMATIONAL = 8

export class Exchange implements Dispatcher.DispatchHandler {
  readonly head: Promise<ResponseHead>
  readonly body: ResponseBody
  readonly #options: ExchangeOptions
  readonly #resolve: (head: ResponseHead) => void
  readonly #reject: (reason: unknown) => void
  readonly #onAbort: (() => void) | undefined
  #controller: Dispatcher.DispatchController | undefined
  #aborted: { readonly reason: unknown } | undefined
  #over = false
  #informational = 0
  #bytes = 0

  constructor(options: ExchangeOptions) {
    this.#options = options
    const { promise, resolve, reject } = Promise.withResolvers<ResponseHead>()
    this.head = promise
    this.#resolve = resolve
    this.#reject = reject
    this.body = new ResponseBody({
      resume: () => this.#controller?.resume(),
      cancel: () => this.abort(failed(options.origin, 'nobody reads the response')),
    })
    const { signal } = options
    if (signal !== undefined) {
      this.#onAbort = () => this.abort(signal.reason)
      signal.addEventListener('abort', this.#onAbort, { once: true })
    }
  }

  /** Head and body fail with `reason`; the connection is closed. */
  abort(reason: unknown): void {
    if (this.#over || this.#aborted !== undefined) return
    this.#aborted = { reason }
    this.#fail(reason)
    this.#controller?.abort(ABORTED)
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller
    if (this.#aborted !== undefined) controller.abort(ABORTED)
  }

  onResponseStart(
    controller: Dispatcher.DispatchController,
    status: number,
    _headers: unknown,
    statusText: string = '',
  ): void {
    const { origin, limits } = this.#options
    if (status < 200) {
      if (++this.#informational > MOST_INFORMATIONAL) this.abort(failed(origin, 'too many interim responses'))
      return
    }
    const raw = (controller.rawHeaders ?? []) as readonly (Buffer | string)[]
    if (raw.length > limits.responseHeaders * 2)
      return this.abort(
        new VelaError(
          'VELA_FETCH_TOO_LARGE',
          `${origin}: the response has more than ${limits.responseHeaders} headers`,
        ),
      )
    this.#resolve({ status, statusText, headers: responseHeaders(raw) })
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    const { origin, limits } = this.#options
    this.#bytes += chunk.length
    if (this.#bytes > limits.responseBytes) this.abort(responseTooLarge(origin, limits.responseBytes))
    else if (!this.body.push(chunk)) controller.pause()
  }

  onResponseEnd(): void {
    this.#finish()
    this.body.end()
  }

  onResponseError(_controller: unknown, error: Error): void {
    this.#finish()
    this.#fail(this.#aborted === undefined ? toFetchError(error, this.#options.origin) : this.#aborted.reason)
  }

  #fail(reason: unknown): void {
    this.#reject(reason)
    this.body.fail(reason)
    this.#options.requestBody?.stop()
  }

  #finish(): void {
    if (this.#over) return
    this.#over = true
    const { signal, requestBody, onOver } = this.#options
    if (this.#onAbort !== undefined) signal?.removeEventListener('abort', this.#onAbort)
    requestBody?.stop()
    onOver(this)
  }
}

/** Refuses a body that announces more than it may have, before any of it is read. */
export function checkAnnouncedLength(head: ResponseHead, origin: string, mostBytes: number): void {
  if (Number(headerValue(head.headers, 'content-length') ?? 0) > mostBytes)
    throw responseTooLarge(origin, mostBytes)
}

/** For undici, which asks for an error; what the caller sees is the reason of the abort. */
const ABORTED: Error = new Error('aborted')
