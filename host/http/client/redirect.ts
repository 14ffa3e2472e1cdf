/** Redirects by the rules of fetch: method and body rewritten, credentials left behind with their origin. */
import { failed } from './failure.ts'
import { headerValue, redirectHeaders } from './headers.ts'
import type { ResponseHead } from './exchange.ts'
import { parseTarget } from './allow-list.ts'

/** One request of a chain; the next one is made from it and a response. */
export interface Hop {
  readonly method: string
  readonly url: URL
  readonly headers: readonly string[]
  readonly body: Uint8Array | AsyncIterable<Uint8Array> | undefined
}

const STATUSES: ReadonlySet<number> = new Set([301, 302, 303, 307, 308])

/** Is it a redirect that says where to? Without a location it is a response like any other. */
export const leadsOn = ({ status, headers }: ResponseHead): boolean =>
  STATUSES.has(status) && headerValue(headers, 'location') !== undefined

/** The request that a redirect asks for. Throws what parseTarget throws, and VELA_FETCH_FAILED. */
export function nextHop(hop: Hop, { status, headers }: ResponseHead): Hop {
  // Header values are Latin-1 here; servers that send more mean UTF-8.
  const location = Buffer.from(headerValue(headers, 'location') ?? '', 'latin1').toString('utf8')
  const url = parseTarget(location, hop.url.href)
  url.hash = ''
  const rewrite =
    status === 303 ? hop.method !== 'GET' && hop.method !== 'HEAD' : status < 303 && hop.method === 'POST'
  if (!rewrite && hop.body !== undefined && !(hop.body instanceof Uint8Array))
    throw failed(hop.url.origin, 'a redirect asks for the body again, and it was streamed')
  return {
    method: rewrite ? 'GET' : hop.method,
    url,
    headers: redirectHeaders(hop.headers, {
      otherOrigin: url.origin !== hop.url.origin,
      withoutBody: rewrite,
    }),
    body: rewrite ? undefined : hop.body,
  }
}
