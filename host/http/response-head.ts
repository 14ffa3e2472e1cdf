/**
 * The headers of a response as they go out: framing and hop-by-hop headers belong to the host, so a guest cannot
 * split a response or shape the connection.
 */
const OWNED: ReadonlySet<string> = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'transfer-encoding',
  'content-length',
  'te',
  'trailer',
  'upgrade',
  'x-request-id',
])

/** Flat list for `writeHead`; names (lower case) and values have been checked when they were read. */
export function responseHeaders(guest: readonly string[], requestId: string): string[] {
  const headers: string[] = []
  for (let at = 0; at < guest.length; at += 2) {
    const name = guest[at] as string
    if (!OWNED.has(name)) headers.push(name, guest[at + 1] as string)
  }
  headers.push('x-request-id', requestId)
  return headers
}

/** Server-sent events: a response that is meant to last. */
export function isEventStream(headers: readonly string[]): boolean {
  for (let at = 0; at < headers.length; at += 2) {
    if (headers[at] === 'content-type') return /^text\/event-stream *(?:;|$)/i.test(headers[at + 1] as string)
  }
  return false
}

/** Statuses that have no body by RFC 9110. */
export const hasNoBody = (status: number): boolean => status === 204 || status === 205 || status === 304
