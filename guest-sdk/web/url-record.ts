/**
 * Parsing URLs. The engine's own parser decides; but nearly every URL a service sees is already in its canonical
 * form, and for those a regular expression finds the parts without leaving the isolate.
 *
 * The fast path takes an input only if serialising it would give the very same string:
 * - the scheme is `http` or `https` in lower case, there are no credentials;
 * - the host is lower-case ASCII letters, digits, hyphens in non-empty labels, at most 253 characters, no label
 *   starts with `xn--`, and the last label starts with a letter (so it cannot be an IPv4 number) – or it is a
 *   dotted IPv4 address in canonical decimal;
 * - the port has no leading zero, is at most 65535 and is not the default of the scheme;
 * - the path is there, has no segment that starts with a dot and no `%2e`; path, query and fragment consist of
 *   characters that no percent-encode set touches.
 * In doubt it says no. A property test holds it equal to the engine's parser.
 */
import type { Native } from '../kernel/native.ts'
import { charCodeAt, exec, indexOf, slice } from './intrinsics.ts'

export interface UrlRecord {
  readonly href: string
  readonly protocol: string
  readonly username: string
  readonly password: string
  readonly host: string
  readonly hostname: string
  readonly port: string
  readonly pathname: string
  readonly search: string
  readonly hash: string
  readonly origin: string
}

const CANONICAL =
  /^(https?:)\/\/((?=[^/:]{1,253}[/:])(?:(?:(?!xn--)[a-z0-9-]+\.)*(?!xn--)[a-z][a-z0-9-]*|(?:(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)\.){3}(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)))(?::([1-9]\d{0,4}))?(\/(?![^?#]*(?:\/\.|%2[eE]))(?!\.)[\w\-.~!$&'()*+,;=:@%/]*)(\?[\w\-.~!$&()*+,;=:@%/?[\]{}|^]*)?(#[\w\-.~!$&'()*+,;=:@%/?[\]]*)?$/

/** Inputs longer than this go to the engine, which bounds the work of the expression. */
const LONGEST = 4096

export function parseCanonical(input: string): UrlRecord | undefined {
  if (input.length > LONGEST) return undefined
  const match = exec(CANONICAL, input)
  if (match === null) return undefined
  const protocol = match[1] as string
  const hostname = match[2] as string
  const port = match[3]
  let host = hostname
  if (port !== undefined) {
    if (+port > 65535 || port === (protocol === 'http:' ? '80' : '443')) return undefined
    host = `${hostname}:${port}`
  }
  const search = match[5]
  const hash = match[6]
  return {
    href: input,
    protocol,
    username: '',
    password: '',
    host,
    hostname,
    port: port ?? '',
    pathname: match[4] as string,
    search: search === undefined || search === '?' ? '' : search,
    hash: hash === undefined || hash === '#' ? '' : hash,
    origin: `${protocol}//${host}`,
  }
}

/** Splits the engine's answer, see Native.parseUrl; no component of a URL contains a line break. */
function fromNative(answer: string | undefined): UrlRecord | undefined {
  if (answer === undefined) return undefined
  let start = 0
  const part = (): string => {
    const end = indexOf(answer, '\n', start)
    const text = end === -1 ? slice(answer, start) : slice(answer, start, end)
    start = end + 1
    return text
  }
  return {
    href: part(),
    protocol: part(),
    username: part(),
    password: part(),
    host: part(),
    hostname: part(),
    port: part(),
    pathname: part(),
    search: part(),
    hash: part(),
    origin: part(),
  }
}

export interface UrlParser {
  parse(input: string, base?: string): UrlRecord | undefined
  update(href: string, property: string, value: string): UrlRecord | undefined
}

export function createUrlParser(native: Native): UrlParser {
  const { parseUrl, updateUrl } = native
  // The last input: a handler asks for `request.url` and parses it, often more than once.
  let lastInput: string | undefined
  let lastRecord: UrlRecord | undefined

  function parseAbsolute(input: string): UrlRecord | undefined {
    if (input === lastInput) return lastRecord
    const record = parseCanonical(input) ?? fromNative(parseUrl(input, undefined))
    if (input.length <= LONGEST) {
      lastInput = input
      lastRecord = record
    }
    return record
  }

  return {
    parse(input, base) {
      if (base === undefined) return parseAbsolute(input)
      const origin = base === lastInput ? lastRecord : parseCanonical(base)
      if (origin !== undefined && (origin.protocol === 'http:' || origin.protocol === 'https:')) {
        // An absolute path on an http(s) base is the base's origin with that path; an absolute URL needs no base.
        const path = charCodeAt(input, 0) === 47 && charCodeAt(input, 1) !== 47
        const record = parseCanonical(path ? origin.origin + input : input)
        if (record !== undefined) return record
      }
      return fromNative(parseUrl(input, base))
    },
    update: (href, property, value) => fromNative(updateUrl(href, property, value)),
  }
}
