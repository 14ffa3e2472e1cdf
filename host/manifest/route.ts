/**
 * Route patterns: `host/path` or `/path`, where a path segment is literal text, `:param`, or a last `*`. There are
 * no regular expressions, so that a tenant can never make the router backtrack, and one spelling per pattern
 * (lower-case host, no empty or dot segments, no percent-encoding), so that a conflict is seen as one.
 */
import { printValue } from '../core/config-document.ts'
import { VelaError } from '../core/errors.ts'

export interface Route {
  /** null: any host. `*.example.com`: every name below it, not itself. */
  readonly host: string | null
  /** Begins with `/`. */
  readonly path: string
}

const MAX_LENGTH = 512
const MAX_SEGMENTS = 32
const LABEL = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/
const LITERAL = /^[A-Za-z0-9._~!$&'+,;=@-]+$/
const PARAM = /^:[A-Za-z_][A-Za-z0-9_]{0,31}$/

/** Throws VELA_DEPLOY_INVALID_MANIFEST saying what is wrong with the pattern. */
export function parseRoute(pattern: string): Route {
  const fail = (reason: string): never => {
    throw new VelaError('VELA_DEPLOY_INVALID_MANIFEST', `the route ${printValue(pattern)} ${reason}`, {
      details: { pattern: pattern.slice(0, MAX_LENGTH), reason },
    })
  }
  if (pattern.length > MAX_LENGTH) return fail(`is longer than ${MAX_LENGTH} characters`)
  if (pattern.includes('://')) return fail('must not have a scheme; write host/path')
  const slash = pattern.indexOf('/')
  if (slash < 0) return fail('has no path; write host/path, such as example.com/*')
  const host = pattern.slice(0, slash)
  const path = pattern.slice(slash)
  if (host !== '') checkHost(host, fail)
  checkPath(path, fail)
  return { host: host === '' ? null : host, path }
}

type Fail = (reason: string) => never

function checkHost(host: string, fail: Fail): void {
  const name = host.startsWith('*.') ? host.slice(2) : host
  if (host.length > 253) fail('has a host longer than 253 characters')
  if (name.includes('*'))
    fail('may have a * only as the whole first label of the host, such as *.example.com')
  if (name.includes(':')) fail('must not have a port in its host')
  if (name !== name.toLowerCase()) fail('must have its host in lower case')
  if (!name.split('.').every((label) => LABEL.test(label))) {
    fail('has a host that is no name; use letters, digits and hyphens between dots (punycode for others)')
  }
}

function checkPath(path: string, fail: Fail): void {
  const segments = path.slice(1).split('/')
  if (segments.length > MAX_SEGMENTS) fail(`has more than ${MAX_SEGMENTS} segments`)
  const params = new Set<string>()
  for (const [index, segment] of segments.entries()) {
    const last = index === segments.length - 1
    if (segment === '') {
      if (!last) fail('has an empty segment (//)')
    } else if (segment.startsWith(':')) {
      if (!PARAM.test(segment))
        fail(`has ${printValue(segment)}; a parameter is : and a name of letters, digits and _`)
      if (params.has(segment)) fail(`has the parameter ${segment} twice`)
      params.add(segment)
    } else {
      checkLiteral(segment, last, fail)
    }
  }
}

function checkLiteral(segment: string, last: boolean, fail: Fail): void {
  const star = segment.indexOf('*')
  if (star >= 0 && (!last || star !== segment.length - 1)) fail('may have a * only at its very end')
  const literal = star < 0 ? segment : segment.slice(0, -1)
  if (literal === '.' || literal === '..') fail('must not have . or .. as a segment')
  if (literal === '' || LITERAL.test(literal)) return
  if (literal.includes(':')) fail('may have a parameter only as a whole segment, such as /users/:id')
  if (/[()[\]{}|^\\?]/.test(literal))
    fail('must not have regular expressions, queries or groups; use :param or a last *')
  fail(`has ${printValue(segment)}; a segment is letters, digits and . _ ~ ! $ & ' + , ; = @ -`)
}
