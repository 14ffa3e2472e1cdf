/**
 * Reads what the gateway needs from a request's raw headers in one pass, and writes the list that the guest sees:
 * hop-by-hop and forwarding headers are the host's, whatever the client sent.
 */
export interface RequestHead {
  /** Host header, lower case; '' when it is missing or malformed. */
  readonly authority: string
  /** The authority without its port. */
  readonly host: string
  /** What follows as the body: nothing, so many bytes, or chunks without a known end (-1). */
  readonly bodyBytes: number
  readonly clientRequestId: string
  /** JSON array of the headers that the guest sees, flat. */
  readonly headersJson: string
}

/** RFC 9110 hop-by-hop names, and those that only the host may say. */
const HIDDEN: ReadonlySet<string> = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'transfer-encoding',
  'te',
  'trailer',
  'upgrade',
  'expect',
  'x-request-id',
])
const FORWARDED: ReadonlySet<string> = new Set([
  'forwarded',
  'x-forwarded-for',
  'x-forwarded-host',
  'x-forwarded-proto',
  'x-forwarded-port',
  'x-real-ip',
])
const AUTHORITY = /^(?:[a-z0-9](?:[a-z0-9._-]*[a-z0-9])?|\[[0-9a-f:.]+\])(?::\d{1,5})?$/

/** `raw` is node's flat list of names and values, as the client sent them. */
export function readHead(raw: readonly string[], trustProxy: boolean, remote: string): RequestHead {
  let authority = ''
  let hosts = 0
  let bodyBytes = 0
  let clientRequestId = ''
  let forwardedFor = ''
  let json = ''
  for (let at = 0; at < raw.length; at += 2) {
    const name = (raw[at] as string).toLowerCase()
    const value = raw[at + 1] as string
    if (name === 'host') {
      authority = value.toLowerCase()
      // Two hosts are two meanings: what stands before us may have read the other one.
      if (++hosts > 1 || !AUTHORITY.test(authority)) authority = ''
    } else if (name === 'content-length') bodyBytes = Number(value)
    else if (name === 'transfer-encoding') bodyBytes = -1
    else if (name === 'x-request-id') clientRequestId = value
    if (HIDDEN.has(name)) continue
    if (FORWARDED.has(name)) {
      if (!trustProxy) continue
      if (name === 'x-forwarded-for') {
        forwardedFor = value
        continue
      }
    }
    json += `${JSON.stringify(name)},${JSON.stringify(value)},`
  }
  const chain = forwardedFor === '' ? remote : `${forwardedFor}, ${remote}`
  return {
    authority,
    host: hostOf(authority),
    bodyBytes,
    clientRequestId: trustProxy && REQUEST_ID.test(clientRequestId) ? clientRequestId : '',
    headersJson: `[${json}"x-forwarded-for",${JSON.stringify(chain)}]`,
  }
}

const REQUEST_ID = /^[A-Za-z0-9._~-]{1,128}$/

function hostOf(authority: string): string {
  const colon = authority.lastIndexOf(':')
  return colon > 0 && !authority.endsWith(']') ? authority.slice(0, colon) : authority
}
