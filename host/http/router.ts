/**
 * Finds the service a request is for. The table is immutable: a deploy builds a new one and swaps it in, so that a
 * request sees the routes before or after, never between.
 *
 * Order: routes on the request's host, then on a wildcard host; `<service>.<tenant>.localhost`;
 * `/<tenant>/<service>/rest`; then routes on any host. The built-in forms come before routes on any host, and these
 * never match below the name of another tenant, so that no tenant can catch another's requests: not even those for a
 * service that is gone, or not there yet.
 */
import findMyWay from 'find-my-way'
import { VelaError } from '../core/errors.ts'
import { parseRoute, type Route } from '../manifest/route.ts'

export interface RouteMatch<Target> {
  readonly target: Target
  /** Path and query as the guest sees them. */
  readonly url: string
}

export interface Router<Target> {
  /** `host` without port, lower case; `url` begins with `/`. */
  match(host: string, url: string): RouteMatch<Target> | undefined
}

export interface RoutedService<Target> {
  readonly tenant: string
  readonly service: string
  readonly routes: readonly string[]
  readonly target: Target
}

interface Routed<Target> {
  readonly tenant: string
  readonly target: Target
}

type Trie<Target> = (path: string) => Routed<Target> | undefined

export function createRouter<Target>(services: Iterable<RoutedService<Target>>): Router<Target> {
  const byName = new Map<string, Target>()
  const tenants = new Set<string>()
  const patterns = new Map<string, Map<string, Routed<Target>>>()
  const owners = new Map<string, Target>()
  for (const { tenant, service, routes, target } of services) {
    byName.set(`${tenant}/${service}`, target)
    tenants.add(tenant)
    for (const route of routes.map(parseRoute)) {
      const host = route.host ?? ''
      let paths = patterns.get(host)
      if (paths === undefined) patterns.set(host, (paths = new Map()))
      const key = routeKey(route)
      // In a cluster two hosts may accept one route at the same moment; until one of them is taken back the first has it.
      if (owners.has(key) && owners.get(key) !== target) continue
      owners.set(key, target)
      paths.set(route.path, { tenant, target })
    }
  }
  const tries = new Map([...patterns].map(([host, paths]) => [host, createTrie(paths)]))
  const anyHost = tries.get('')
  const hasHosts = tries.size > (anyHost === undefined ? 0 : 1)

  const byHost = (host: string, url: string): Target | undefined => {
    const exact = tries.get(host)?.(url)
    if (exact !== undefined) return exact.target
    for (let dot = host.indexOf('.'); dot >= 0; dot = host.indexOf('.', dot + 1)) {
      const wild = tries.get(`*${host.slice(dot)}`)?.(url)
      if (wild !== undefined) return wild.target
    }
    return undefined
  }

  const bySubdomain = (host: string): Target | undefined => {
    const [service, tenant, rest] = host.slice(0, -LOCAL_SUFFIX.length).split('.')
    return rest === undefined ? byName.get(`${tenant}/${service}`) : undefined
  }

  return {
    match(host, url) {
      if (hasHosts && host !== '') {
        const target = byHost(host, url)
        if (target !== undefined) return { target, url }
      }
      if (host.endsWith(LOCAL_SUFFIX)) {
        const target = bySubdomain(host)
        if (target !== undefined) return { target, url }
      }
      const tenantEnd = url.indexOf('/', 1)
      if (tenantEnd > 0) {
        const end = endOfSegment(url, tenantEnd + 1)
        const target = byName.get(url.slice(1, end))
        if (target !== undefined)
          return { target, url: url[end] === '/' ? url.slice(end) : `/${url.slice(end)}` }
      }
      const routed = anyHost?.(url)
      if (routed === undefined) return undefined
      const owner = firstSegment(url)
      return owner !== routed.tenant && tenants.has(owner) ? undefined : { target: routed.target, url }
    },
  }
}

function firstSegment(url: string): string {
  const segment = url.slice(1, endOfSegment(url, 1))
  if (!segment.includes('%')) return segment
  try {
    return decodeURIComponent(segment)
  } catch {
    return segment
  }
}

const LOCAL_SUFFIX = '.localhost'

function endOfSegment(url: string, from: number): number {
  for (let at = from; at < url.length; at++) {
    const code = url.charCodeAt(at)
    if (code === 0x2f || code === 0x3f) return at
  }
  return url.length
}

function createTrie<Target>(paths: ReadonlyMap<string, Routed<Target>>): Trie<Target> {
  const trie = findMyWay({ caseSensitive: true, ignoreDuplicateSlashes: false, maxParamLength: 2048 })
  for (const [path, routed] of paths) trie.on('GET', path, () => undefined, routed)
  return (url) => {
    const query = url.indexOf('?')
    const found = trie.find('GET', query < 0 ? url : url.slice(0, query))
    return (found?.store ?? undefined) as Routed<Target> | undefined
  }
}

/**
 * Checks what a new version asks for against who is there. A tenant may not claim bare names, addresses, or the
 * `.localhost` names of another; a pattern belongs to one service.
 */
export function checkRoutes(
  candidate: { readonly tenant: string; readonly service: string; readonly routes: readonly string[] },
  others: Iterable<{ readonly tenant: string; readonly service: string; readonly routes: readonly string[] }>,
): void {
  const taken = new Map<string, string>()
  for (const other of others) {
    if (other.tenant === candidate.tenant && other.service === candidate.service) continue
    for (const pattern of other.routes) taken.set(routeKey(parseRoute(pattern)), other.tenant)
  }
  for (const pattern of candidate.routes) {
    const route = parseRoute(pattern)
    checkHost(candidate.tenant, pattern, route.host)
    const owner = taken.get(routeKey(route))
    if (owner === undefined) continue
    const whose = owner === candidate.tenant ? 'another service of this tenant' : 'another tenant'
    throw new VelaError('VELA_DEPLOY_ROUTE_CONFLICT', `The route ${pattern} belongs to ${whose}`)
  }
}

/** Patterns that differ in the names of their parameters alone are one. */
function routeKey(route: Route): string {
  return `${route.host ?? ''}${route.path.replaceAll(/:[^/]+/g, ':')}`
}

function checkHost(tenant: string, pattern: string, host: string | null): void {
  if (host === null) return
  const own = host.endsWith(`.${tenant}${LOCAL_SUFFIX}`)
  const isAddress = /^[\d.]+$/.test(host)
  if (own || (!isAddress && host.includes('.') && !host.endsWith(LOCAL_SUFFIX))) return
  throw new VelaError(
    'VELA_DEPLOY_ROUTE_CONFLICT',
    `The route ${pattern} claims the host ${host}, which belongs to the gateway; use a domain name`,
  )
}
