/**
 * The pooled HTTP client: for guests, through the capability `fetch`, and for trusted host code. Each request, and
 * each hop of a redirect again, passes the same gates in this order: the URL's form, the allow-list of its scope, the
 * service's cap, the scope's rate, and (when a connection is made) every address the name leads to. undici moves the
 * bytes; all policy is here and in the files beside it.
 */
import { VelaError } from '../../core/errors.ts'
import { parseTarget } from './allow-list.ts'
import { codingsOf, DecodedBody } from './decode.ts'
import { checkAnnouncedLength, Exchange, type ResponseHead } from './exchange.ts'
import { failed } from './failure.ts'
import { headerValue, isToken, requestHeaders, withoutHeaders } from './headers.ts'
import { type ClientLimits, DEFAULT_CLIENT_LIMITS } from './limits.ts'
import { createPools, type Pools, type PoolsStats } from './pools.ts'
import { type Hop, leadsOn, nextHop } from './redirect.ts'
import { bodyTooLarge, RequestBody } from './request-body.ts'
import type { Resolve } from './resolve.ts'
import type { ClientBody } from './response-body.ts'
import { closedError, type FetchScope } from './scope.ts'

export interface HttpClientOptions {
  readonly limits?: Partial<ClientLimits>
  /** Instead of DNS. */
  readonly resolve?: Resolve
  /** Ports of this host itself; asked at each connection. */
  readonly ownPorts?: () => readonly number[]
  /** Certificates to trust instead of the public ones (PEM). */
  readonly ca?: string | readonly string[]
}

export interface ClientRequest {
  readonly method: string
  readonly url: string
  /** Flat: name, value, … */
  readonly headers?: readonly string[]
  /** Default `follow`; `manual` returns the redirect itself. */
  readonly redirect?: 'follow' | 'manual' | 'error'
  /** Whole, or pulled as the socket takes it and returned early if the exchange ends. */
  readonly body?: Uint8Array | AsyncIterable<Uint8Array> | undefined
  /** Aborting fails request and body with its reason and closes the connection. */
  readonly signal?: AbortSignal | undefined
}

export interface ClientResponse {
  readonly status: number
  readonly statusText: string
  /** Of the last hop, without fragment. */
  readonly url: string
  readonly redirected: boolean
  /** Flat, names in lower case; without `content-encoding` and `content-length` if the body has been decoded. */
  readonly headers: string[]
  /** Decoded. undefined if there can be none. Must be read to its end or cancelled: it holds a connection. */
  readonly body: ClientBody | undefined
}

export interface HttpClient {
  /** Resolves with the head. Rejects with a VelaError VELA_FETCH_*, or the reason of the signal. */
  request(scope: FetchScope, request: ClientRequest): Promise<ClientResponse>
  stats(): PoolsStats
  /** Ends everything that is running. */
  close(): Promise<void>
}

export function createHttpClient(options: HttpClientOptions = {}): HttpClient {
  const limits: ClientLimits = { ...DEFAULT_CLIENT_LIMITS, ...options.limits }
  const running = new Map<string, number>()
  let pools: Pools | undefined
  let loading: Promise<void> | undefined
  let closed = false

  /** undici takes a tenth of a second and 30 MB to load: a host whose guests fetch nothing does without. */
  async function load(): Promise<void> {
    const undici = await import('undici')
    if (!closed) pools = createPools(undici, { ...options, ownPorts: options.ownPorts ?? (() => []) }, limits)
  }

  function takeSlot(scope: FetchScope): string {
    const key = `${scope.tenant}/${scope.service}`
    const count = running.get(key) ?? 0
    if (count >= limits.requestsPerService)
      throw limited(`the service has ${count} requests under way, which is the most it may have`)
    if (scope.rate?.take() === false)
      throw limited(`the service may make ${scope.rate.perSecond} requests per second`)
    running.set(key, count + 1)
    return key
  }

  function releaseSlot(key: string): void {
    const count = (running.get(key) ?? 1) - 1
    if (count === 0) running.delete(key)
    else running.set(key, count)
  }

  function send(scope: FetchScope, hop: Hop, signal: AbortSignal | undefined): Exchange {
    if (closed || scope.closed || pools === undefined) throw closedError()
    const { url, body } = hop
    const { origin } = url
    const slot = takeSlot(scope)
    const streamed =
      body === undefined || body instanceof Uint8Array
        ? undefined
        : new RequestBody(body, limits.requestBytes)
    const exchange = new Exchange({
      origin,
      limits,
      signal,
      requestBody: streamed,
      onOver: (over) => {
        scope.exchanges.delete(over)
        releaseSlot(slot)
      },
    })
    scope.exchanges.add(exchange)
    const request = {
      path: url.pathname + url.search,
      method: hop.method,
      headers: hop.headers as string[],
      // undici's types know Node's streams only; its documentation and its code take any iterable.
      body: (streamed ?? body ?? null) as Uint8Array | null,
    }
    try {
      pools.of(scope.tenant, scope.reach, url).dispatch(request, exchange)
    } catch (thrown) {
      exchange.onResponseError(undefined, thrown as Error)
    }
    return exchange
  }

  async function request(scope: FetchScope, asked: ClientRequest): Promise<ClientResponse> {
    let hop: Hop = firstHop(asked, limits)
    if (pools === undefined) await (loading ??= load())
    const { signal, redirect = 'follow' } = asked
    for (let hops = 0; ; hops++) {
      if (signal?.aborted === true) throw signal.reason
      if (!scope.allowList.allows(hop.url)) throw denied(hop.url)
      const exchange = send(scope, hop, signal)
      const head = await exchange.head
      if (redirect === 'manual' || !leadsOn(head)) return finish(hop, head, exchange, hops > 0)
      exchange.body.discard()
      if (redirect === 'error')
        throw failed(hop.url.origin, 'it redirects, and the request refuses redirects')
      if (hops >= limits.redirects) throw failed(hop.url.origin, `more than ${limits.redirects} redirects`)
      hop = nextHop(hop, head)
    }
  }

  function finish(hop: Hop, head: ResponseHead, exchange: Exchange, redirected: boolean): ClientResponse {
    const { origin } = hop.url
    let { headers } = head
    let body: ClientBody | undefined
    try {
      if (hop.method === 'HEAD' || NULL_BODY.has(head.status)) {
        exchange.body.discard()
      } else {
        checkAnnouncedLength(head, origin, limits.responseBytes)
        const codings = codingsOf(headerValue(headers, 'content-encoding'), origin)
        body = exchange.body
        if (codings.length > 0) {
          body = new DecodedBody(exchange.body, codings, limits.responseBytes, origin)
          headers = withoutHeaders(headers, OF_ENCODING)
        }
      }
    } catch (thrown) {
      exchange.abort(thrown)
      throw thrown
    }
    return {
      status: head.status,
      statusText: head.statusText,
      url: hop.url.href,
      redirected,
      headers,
      body,
    }
  }

  return {
    request,
    stats: () => pools?.stats() ?? { tenants: 0, pools: 0, connections: 0 },
    async close() {
      closed = true
      await loading
      await pools?.close()
    },
  }
}

/** Reads a body to its end; for bodies whose size the caller trusts, since all of it is held. */
export async function readBody(response: ClientResponse): Promise<Buffer> {
  if (response.body === undefined) return Buffer.alloc(0)
  const chunks: Buffer[] = []
  for await (const chunk of response.body) chunks.push(chunk)
  return Buffer.concat(chunks)
}

const NULL_BODY: ReadonlySet<number> = new Set([101, 204, 205, 304])
const OF_ENCODING: ReadonlySet<string> = new Set(['content-encoding', 'content-length'])
const NORMAL: ReadonlySet<string> = new Set(['DELETE', 'GET', 'HEAD', 'OPTIONS', 'POST', 'PUT'])
/** Methods that turn a connection into something else, or send back what the client added. */
const FORBIDDEN: ReadonlySet<string> = new Set(['CONNECT', 'TRACE', 'TRACK'])

function firstHop(asked: ClientRequest, limits: ClientLimits): Hop {
  const upper = asked.method.toUpperCase()
  const method = NORMAL.has(upper) ? upper : asked.method
  if (!isToken(method) || method.length > 64 || FORBIDDEN.has(upper))
    throw invalid(`the method ${JSON.stringify(method.slice(0, 64))} cannot be used`)
  const url = parseTarget(asked.url)
  if (url.hash !== '') url.hash = ''
  const body = asked.body instanceof Uint8Array && asked.body.length === 0 ? undefined : asked.body
  if (body !== undefined && (method === 'GET' || method === 'HEAD'))
    throw invalid(`a ${method} request has no body`)
  if (body instanceof Uint8Array && body.length > limits.requestBytes) throw bodyTooLarge(limits.requestBytes)
  return { method, url, headers: requestHeaders(asked.headers ?? [], limits), body }
}

const denied = ({ origin, pathname }: URL): VelaError =>
  new VelaError(
    'VELA_FETCH_DENIED',
    `${origin} is not on the allow-list of this service for ${pathname.slice(0, 256)}: add "${origin}" to \`capabilities.fetch.allow\` in its manifest`,
    { details: { origin } },
  )
const limited = (message: string): VelaError => new VelaError('VELA_FETCH_RATE_LIMITED', message)
const invalid = (message: string): VelaError => new VelaError('VELA_FETCH_INVALID', message)
