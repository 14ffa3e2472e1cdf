/**
 * What went wrong, for whoever asked: a code and a sentence about the origin they named. Addresses, ports that a name
 * led to, and errors of the system stay inside, since a guest must not learn the network of the host from them.
 */
import { VelaError } from '../../core/errors.ts'

const TIMEOUTS: Readonly<Record<string, string>> = {
  UND_ERR_CONNECT_TIMEOUT: 'no connection within the time allowed',
  UND_ERR_HEADERS_TIMEOUT: 'no answer within the time allowed',
  UND_ERR_BODY_TIMEOUT: 'the body stopped coming',
}
const REASONS: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'the connection was refused',
  ECONNRESET: 'the connection was reset',
  EPIPE: 'the connection was reset',
  UND_ERR_SOCKET: 'the connection was closed',
  ENETUNREACH: 'the network cannot be reached',
  EHOSTUNREACH: 'the host cannot be reached',
  UND_ERR_RES_CONTENT_LENGTH_MISMATCH: 'the body is not as long as announced',
  UND_ERR_DESTROYED: 'the client is closed',
  UND_ERR_CLOSED: 'the client is closed',
  ERR_TLS_CERT_ALTNAME_INVALID: 'the certificate is for another name',
}

/** A failure of undici, Node or this client, as a VelaError; ours stay as they are. */
export function toFetchError(thrown: unknown, origin: string): VelaError {
  if (thrown instanceof VelaError) return thrown
  const code = codeOf(thrown)
  const timeout = TIMEOUTS[code] ?? (code === 'ETIMEDOUT' ? TIMEOUTS['UND_ERR_CONNECT_TIMEOUT'] : undefined)
  if (timeout !== undefined)
    return new VelaError('VELA_FETCH_TIMEOUT', `${origin}: ${timeout}`, { cause: thrown })
  if (code === 'UND_ERR_HEADERS_OVERFLOW')
    return new VelaError('VELA_FETCH_TOO_LARGE', `${origin}: the headers of the response are too large`, {
      cause: thrown,
    })
  return failed(origin, reasonOf(code), thrown)
}

export function failed(origin: string, reason: string, cause?: unknown): VelaError {
  return new VelaError('VELA_FETCH_FAILED', `${origin}: ${reason}`, cause === undefined ? {} : { cause })
}

function reasonOf(code: string): string {
  if (Object.hasOwn(REASONS, code)) return REASONS[code] as string
  if (code.startsWith('HPE_')) return 'the response is not valid HTTP'
  if (code.startsWith('Z_') || code.startsWith('ERR_BROTLI') || code.startsWith('ERR__ERROR_FORMAT'))
    return 'the body cannot be decoded'
  if (/^(?:CERT_|DEPTH_ZERO|SELF_SIGNED|UNABLE_TO_|ERR_TLS|ERR_SSL|EPROTO)/.test(code))
    return 'no trusted TLS connection'
  return 'the request failed'
}

function codeOf(thrown: unknown): string {
  if (!(thrown instanceof Error)) return ''
  const { code } = thrown as Error & { code?: unknown }
  if (typeof code === 'string') return code
  // Several addresses were tried and each failed.
  return thrown instanceof AggregateError ? codeOf(thrown.errors[0]) : ''
}
