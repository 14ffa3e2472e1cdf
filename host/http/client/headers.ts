/**
 * Headers on their way out and in. What frames a message or belongs to one connection is the client's alone: a guest
 * that could set `content-length`, `transfer-encoding` or a line break would write a second request into the
 * connection, and one that sets `host` would reach another site behind the same address. Such names are dropped, as
 * browsers do, so that a request a guest passes on still works; what is no header at all is refused.
 */
import { VelaError } from '../../core/errors.ts'
import type { ClientLimits } from './limits.ts'

const OWNED: ReadonlySet<string> = new Set([
  'host',
  'connection',
  'keep-alive',
  'content-length',
  'transfer-encoding',
  'te',
  'trailer',
  'upgrade',
  'expect',
  'http2-settings',
])
/** Hop-by-hop headers of a response mean nothing behind the client. */
const OF_CONNECTION: ReadonlySet<string> = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'transfer-encoding',
  'te',
  'trailer',
  'upgrade',
])
const NOT_TOKEN = /[^a-zA-Z0-9!#$%&'*+.^_`|~-]/
const NOT_VALUE = /[^\t\x20-\x7e\x80-\xff]/
/** What says how a body is encoded and what it is: gone when a redirect drops the body. */
const OF_BODY: ReadonlySet<string> = new Set([
  'content-encoding',
  'content-language',
  'content-location',
  'content-type',
])
const CREDENTIALS: ReadonlySet<string> = new Set(['authorization', 'cookie'])

export const isToken = (text: string): boolean => text !== '' && !NOT_TOKEN.test(text)

/** The flat list to send, names in lower case. Throws VELA_FETCH_INVALID. */
export function requestHeaders(hostile: readonly string[], limits: ClientLimits): string[] {
  if (hostile.length > limits.requestHeaders * 2)
    throw invalid(`the request has more than ${limits.requestHeaders} headers`)
  const headers: string[] = []
  let bytes = 0
  let agent = false
  let accept = false
  let encoding = false
  let range = false
  for (let index = 0; index + 1 < hostile.length; index += 2) {
    const name = hostile[index] as string
    const value = hostile[index + 1] as string
    if (!isToken(name))
      throw invalid(`the request has a header with an invalid name: ${JSON.stringify(name.slice(0, 100))}`)
    const lower = name.toLowerCase()
    if (NOT_VALUE.test(value))
      throw invalid(
        `the header ${lower.slice(0, 100)} has a line break or another character that is not allowed`,
      )
    bytes += name.length + value.length
    if (bytes > limits.requestHeaderBytes)
      throw invalid(`the headers of the request are larger than ${limits.requestHeaderBytes} bytes`)
    if (OWNED.has(lower) || lower.startsWith('proxy-')) continue
    if (lower === 'user-agent') agent = true
    else if (lower === 'accept') accept = true
    else if (lower === 'accept-encoding') encoding = true
    else if (lower === 'range') range = true
    headers.push(lower, value)
  }
  if (!accept) headers.push('accept', '*/*')
  // Part of an encoded body cannot be decoded.
  if (!encoding) headers.push('accept-encoding', range ? 'identity' : 'br, gzip, deflate')
  if (!agent) headers.push('user-agent', 'Vela')
  return headers
}

/** For the next hop of a redirect. */
export function redirectHeaders(
  headers: readonly string[],
  change: { readonly otherOrigin: boolean; readonly withoutBody: boolean },
): string[] {
  return headers.filter((_, index) => {
    const name = headers[index - (index % 2)] as string
    return !(change.otherOrigin && CREDENTIALS.has(name)) && !(change.withoutBody && OF_BODY.has(name))
  })
}

/** Flat, names in lower case, values as Latin-1; without what belongs to the connection. */
export function responseHeaders(raw: readonly (Buffer | string)[]): string[] {
  const headers: string[] = []
  for (let index = 0; index + 1 < raw.length; index += 2) {
    const name = latin1(raw[index] as Buffer | string).toLowerCase()
    if (!OF_CONNECTION.has(name)) headers.push(name, latin1(raw[index + 1] as Buffer | string))
  }
  return headers
}

const latin1 = (raw: Buffer | string): string => (typeof raw === 'string' ? raw : raw.toString('latin1'))

/** The values of a header joined, or undefined. */
export function headerValue(headers: readonly string[], name: string): string | undefined {
  let found: string | undefined
  for (let index = 0; index + 1 < headers.length; index += 2) {
    if (headers[index] === name) {
      const value = headers[index + 1] as string
      found = found === undefined ? value : `${found}, ${value}`
    }
  }
  return found
}

export const withoutHeaders = (headers: readonly string[], names: ReadonlySet<string>): string[] =>
  headers.filter((_, index) => !names.has(headers[index - (index % 2)] as string))

const invalid = (message: string): VelaError => new VelaError('VELA_FETCH_INVALID', message)
