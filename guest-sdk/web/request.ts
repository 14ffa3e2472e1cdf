/**
 * Request (Fetch). An incoming request costs a few small objects: its headers stay flat, its URL is not parsed, its
 * body is not decoded and its signal does not exist until the handler asks.
 */
import type { AbortSignal, AbortKit } from './abort.ts'
import { BodyState, type BodyKit, type IncomingBody, type OutgoingBody } from './body.ts'
import { dictionary } from './dictionary.ts'
import { HeaderList } from './header-list.ts'
import type { Headers, HeadersKit } from './headers.ts'
import { attributesOf, DEFAULTS, normalizeMethod, type RequestInit } from './request-init.ts'

export interface Request {
  readonly method: string
  readonly url: string
  readonly headers: Headers
  readonly signal: AbortSignal
  clone(): Request
}

/** What a request asks for, its body taken. */
export interface RequestParts {
  readonly method: string
  readonly url: string
  /** Flat: name, value, … */
  readonly headers: string[]
  readonly body: OutgoingBody
  /** undefined: nobody can abort it. */
  readonly signal: AbortSignal | undefined
  readonly redirect: string
}

export interface RequestKit {
  readonly Request: new (input: unknown, init?: RequestInit) => Request
  /** As `new Request(input, init)` does, and throws. */
  readRequest(input: unknown, init: RequestInit | undefined): RequestParts
  createRequest(
    method: string,
    url: string,
    rawHeaders: readonly string[],
    body: IncomingBody,
    signal: () => AbortSignal,
  ): Request
}

class RequestState {
  method: string
  url: string
  /** Whether `url` is in its serialised form; what comes from outside is checked when first read. */
  parsed: boolean
  list: HeaderList
  headers: Headers | undefined
  body: BodyState
  signal: AbortSignal | (() => AbortSignal)
  extras: Record<string, unknown> | undefined
  constructor(
    method: string,
    url: string,
    parsed: boolean,
    list: HeaderList,
    body: BodyState,
    signal: AbortSignal | (() => AbortSignal),
  ) {
    this.method = method
    this.url = url
    this.parsed = parsed
    this.list = list
    this.headers = undefined
    this.body = body
    this.signal = signal
    this.extras = undefined
  }
}

export interface RequestDeps {
  readonly headers: HeadersKit
  readonly bodies: BodyKit
  readonly abort: AbortKit
  /** The serialised form; undefined when it is no valid URL. */
  parseUrl(url: unknown): { href: string; username: string; password: string } | undefined
}

export function createRequestKit({ headers: headersKit, bodies, abort, parseUrl }: RequestDeps): RequestKit {
  let stateOf!: (value: unknown) => RequestState | undefined

  function urlOf(state: RequestState): string {
    if (!state.parsed) {
      state.url = parseUrl(state.url)?.href ?? state.url
      state.parsed = true
    }
    return state.url
  }

  function signalOf(state: RequestState): AbortSignal {
    const { signal } = state
    return typeof signal === 'function' ? (state.signal = signal()) : signal
  }

  function build(input: unknown, init: RequestInit): RequestState {
    const from = stateOf(input)
    let url: string
    if (from === undefined) {
      const record = parseUrl(input)
      if (record === undefined) throw new TypeError(`Request: invalid URL "${String(input)}"`)
      if (record.username !== '' || record.password !== '') {
        throw new TypeError('Request: the URL contains credentials; send an authorization header instead')
      }
      url = record.href
    } else url = urlOf(from)

    const method = init.method === undefined ? (from?.method ?? 'GET') : normalizeMethod(init.method)
    const list =
      init.headers === undefined
        ? (from?.list.copy() ?? headersKit.listFrom(undefined))
        : headersKit.listFrom(init.headers)

    const given = init.signal
    if (given !== undefined && given !== null && !abort.isSignal(given)) {
      throw new TypeError('Request: signal is no AbortSignal')
    }
    const followed = given === undefined ? (from === undefined ? null : signalOf(from)) : given
    const signal = followed === null ? abort.createSignal : abort.any([followed])

    const extras = attributesOf(init, method, from?.extras, (text) => parseUrl(text) !== undefined)
    const hasBody = init.body !== undefined && init.body !== null
    const inherits = !hasBody && from !== undefined && bodies.hasBody(from.body)
    if ((hasBody || (inherits && init.body === undefined)) && (method === 'GET' || method === 'HEAD')) {
      throw new TypeError(`Request: a ${method} request has no body`)
    }
    let body: BodyState
    if (hasBody) {
      const extracted = bodies.extract(init.body)
      if (extracted.state.stream !== undefined && init.duplex !== 'half') {
        throw new TypeError("Request: a stream as body needs duplex: 'half'")
      }
      if (extracted.type !== undefined && !list.has('content-type')) list.add('content-type', extracted.type)
      body = extracted.state
    } else if (inherits && init.body === undefined) body = bodies.transfer(from.body)
    else body = new BodyState(null)

    const state = new RequestState(method, url, true, list, body, signal)
    state.extras = extras
    return state
  }

  class Request {
    readonly #state: RequestState

    static {
      stateOf = (value) =>
        typeof value === 'object' && value !== null && #state in value ? value.#state : undefined
      bodies.define(
        Request.prototype,
        (self) => (self as Request).#state.body,
        (self) => (self as Request).#state.list.get('content-type') ?? '',
      )
      for (const name of Object.keys(DEFAULTS)) {
        // An accessor of a literal has the name that it goes by.
        const holder = {
          get [name](): unknown {
            return (this as unknown as Request).#state.extras?.[name] ?? DEFAULTS[name]
          },
        }
        Object.defineProperties(Request.prototype, Object.getOwnPropertyDescriptors(holder))
      }
    }

    constructor(input: unknown, init: RequestInit = {}) {
      if (arguments.length === 0) throw new TypeError('Request: 1 argument is required, 0 given')
      this.#state = input instanceof RequestState ? input : build(input, dictionary(init, 'Request'))
    }

    get method(): string {
      return this.#state.method
    }
    get url(): string {
      return urlOf(this.#state)
    }
    get headers(): Headers {
      const state = this.#state
      return (state.headers ??= headersKit.wrap(state.list))
    }
    get signal(): AbortSignal {
      return signalOf(this.#state)
    }

    clone(): Request {
      const state = this.#state
      const body = bodies.clone(state.body)
      const copy = new RequestState(
        state.method,
        urlOf(state),
        true,
        state.list.copy(),
        body,
        // The clone's signal follows the original's; when the original has none yet, neither has the clone.
        () => abort.any([signalOf(state)]),
      )
      copy.list.immutable = state.list.immutable
      copy.extras = state.extras
      return new Request(copy)
    }
  }

  function readRequest(input: unknown, init: RequestInit | undefined): RequestParts {
    const state = build(input, dictionary(init, 'Request'))
    const body = bodies.takeOut(state.body)
    const { signal } = state
    return {
      method: state.method,
      url: urlOf(state),
      headers: state.list.flat(),
      body,
      signal: typeof signal === 'function' ? undefined : signal,
      redirect: (state.extras?.['redirect'] as string | undefined) ?? 'follow',
    }
  }

  return {
    Request: Request as unknown as RequestKit['Request'],
    readRequest,
    createRequest: (method, url, rawHeaders, body, signal) =>
      new Request(
        new RequestState(
          method,
          url,
          false,
          new HeaderList(headersKit.lower, rawHeaders, true),
          new BodyState(body),
          signal,
        ),
      ),
  }
}
