/**
 * The allow-list of a grant: patterns such as `https://api.example.com`, `https://*.example.org`,
 * `http://localhost:8080` and `https://host/path/*`. Both a pattern and an address are parsed by the WHATWG parser and
 * compared by scheme, host, port and path, never as text: so userinfo, backslashes, upper case, percent-encoding and
 * the two spellings of an international name make no difference. What the parser leaves ambiguous is refused.
 */
import { isIP } from 'node:net'
import { VelaError } from '../../core/errors.ts'

export interface Pattern {
  readonly scheme: 'http:' | 'https:'
  /** A host in the parser's spelling; `*.example.org`: names below, not itself; `*`: every host. */
  readonly host: string
  /** Empty: the scheme's own; `*`: every port. */
  readonly port: string
  /** null: every path. Ends in `/*`: everything below; else that path alone, with any query. */
  readonly path: string | null
}

const MAX_PATTERN = 512
const MAX_URL = 16_384
const FORM =
  /^(https?):\/\/(\*|(?:\*\.)?[^\s/\\?#@:*[\]%]+|\[[0-9a-f:.]+\])(?::(\d{1,5}|\*))?(\/[^\s\\?#]*)?$/i
const HOST_NAME = /^[a-z0-9_-]+(?:\.[a-z0-9_-]+)*$/

/** The pattern, or in words what is wrong with it. */
export function parsePattern(text: string): Pattern | string {
  if (text.length > MAX_PATTERN) return `is longer than ${MAX_PATTERN} characters`
  const match = FORM.exec(text)
  if (match === null)
    return 'must be http:// or https://, a host (*.example.org for all below it, * for every one), and if needed :port and /path or /path/*'
  const [, scheme = '', hostText = '', portText = '', pathText = ''] = match
  const below = hostText.startsWith('*.')
  const name = below ? hostText.slice(2) : hostText === '*' ? 'any' : hostText
  const address = `${scheme}://${name}${portText === '' || portText === '*' ? '' : `:${portText}`}${pathText}`
  const url = URL.parse(address)
  if (url === null) return 'has a host or port that is none'
  if (!isPlainHost(url.hostname)) return 'has a host that is no name (and no dot at its end)'
  if (below && isAddress(url.hostname)) return 'has a * before an IP address'
  if (pathText !== '' && unsafePath(pathText)) return 'has a path with . or .. or encoded slashes'
  if (pathText.slice(0, -2).includes('*') || (pathText.endsWith('*') && !pathText.endsWith('/*')))
    return 'may have a * in its path only as /* at its end'
  return {
    scheme: url.protocol as Pattern['scheme'],
    host: hostText === '*' ? '*' : below ? `*.${url.hostname}` : url.hostname,
    port: portText === '*' ? '*' : url.port,
    path: url.pathname === '/' || url.pathname === '/*' ? null : url.pathname,
  }
}

/** One spelling per pattern; parsePattern reads it back. */
export function printPattern({ scheme, host, port, path }: Pattern): string {
  return `${scheme}//${host}${port === '' ? '' : `:${port}`}${path ?? ''}`
}

/** Does `wide` allow everything that `narrow` allows? */
export function coversPattern(wide: Pattern, narrow: Pattern): boolean {
  return (
    wide.scheme === narrow.scheme &&
    (wide.port === '*' || wide.port === narrow.port) &&
    coversHost(wide.host, narrow.host) &&
    coversPath(wide.path, narrow.path)
  )
}

function coversHost(wide: string, narrow: string): boolean {
  if (wide === '*' || wide === narrow) return true
  if (!wide.startsWith('*.') || narrow === '*') return false
  // `narrow` may be a wildcard too: then what comes after its star must be below.
  return narrow.endsWith(wide.slice(1)) && narrow.length > wide.length - 1
}

function coversPath(wide: string | null, narrow: string | null): boolean {
  if (wide === null || wide === narrow) return true
  return narrow !== null && wide.endsWith('/*') && narrow.startsWith(wide.slice(0, -1))
}

/** Parses an address and refuses what no list can allow. Throws VELA_FETCH_INVALID or VELA_FETCH_DENIED. */
export function parseTarget(text: string, base?: string): URL {
  if (text.length > MAX_URL) throw invalid(`the URL is longer than ${MAX_URL} characters`)
  const url = URL.parse(text, base)
  if (url === null) throw invalid('the URL cannot be parsed')
  if (url.protocol !== 'https:' && url.protocol !== 'http:')
    throw new VelaError(
      'VELA_FETCH_DENIED',
      `only http: and https: can be fetched, not ${url.protocol.slice(0, 32)}`,
    )
  if (url.username !== '' || url.password !== '')
    throw invalid('the URL contains a user name or password; send an authorization header instead')
  // A dot at the end names the same machine under another text: certificates, cookies and lists would disagree.
  if (!isPlainHost(url.hostname))
    throw invalid(`the URL has a host that is no name: ${url.hostname.slice(0, 253)}`)
  return url
}

const invalid = (message: string): VelaError => new VelaError('VELA_FETCH_INVALID', message)

const isPlainHost = (hostname: string): boolean =>
  (hostname.length <= 253 && HOST_NAME.test(hostname)) || isAddress(hostname)

const isAddress = (hostname: string): boolean => isIP(bareHost(hostname)) !== 0

/** IPv6 without the brackets of a URL. */
const bareHost = (hostname: string): string => (hostname.startsWith('[') ? hostname.slice(1, -1) : hostname)

/** Where a server may see another path than the parser did: then a list of paths cannot be kept. */
const unsafePath = (path: string): boolean =>
  /(?:^|\/|\\)\.\.?(?:$|[/\\;?])|%2f|%5c|%00/i.test(path.replace(/%2e/gi, '.'))

export interface AllowList {
  allows(url: URL): boolean
}

/** How many origins are remembered; the names come from guests, so the memory is bounded. */
const KNOWN_ORIGINS = 256

export function createAllowList(patterns: readonly Pattern[]): AllowList {
  const known = new Map<string, readonly (string | null)[]>()

  function pathsOf(url: URL): readonly (string | null)[] {
    const exact = {
      scheme: url.protocol as Pattern['scheme'],
      host: url.hostname,
      port: url.port,
      path: null,
    }
    const paths = patterns
      .filter((pattern) => coversPattern({ ...pattern, path: null }, exact))
      .map((pattern) => pattern.path)
    return paths.includes(null) ? [null] : paths
  }

  return {
    allows(url) {
      const { origin } = url
      let paths = known.get(origin)
      if (paths === undefined) {
        if (known.size >= KNOWN_ORIGINS) known.clear()
        paths = pathsOf(url)
        known.set(origin, paths)
      }
      if (paths.length === 0) return false
      if (paths[0] === null) return true
      return !unsafePath(url.pathname) && paths.some((path) => coversPath(path, url.pathname))
    },
  }
}
