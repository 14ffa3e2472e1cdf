/**
 * On whose behalf a request is made, and what it may reach: the allow-list and networks of one grant, its rate, and
 * the exchanges that are running under it. Closing it ends them: what is revoked has no connection in use from the next call on.
 */
import { VelaError } from '../../core/errors.ts'
import { parseNetwork } from './address.ts'
import { type AllowList, createAllowList, parsePattern, type Pattern } from './allow-list.ts'
import type { Reach } from './connector.ts'
import type { Exchange } from './exchange.ts'
import { createRateLimit, type RateLimit } from './rate-limit.ts'

export interface FetchScopeOptions {
  /** Connections, DNS answers and TLS sessions are shared within it, never across. */
  readonly tenant: string
  readonly service: string
  /** Patterns: `https://api.example.com`, `https://*.example.org`, `http://host:8080`, `https://host/path/*`. */
  readonly allow: readonly string[]
  /** Networks that are not public and still may be reached: `10.0.0.0/8`, `::1`. */
  readonly networks?: readonly string[]
  /** May it reach the ports on which this host itself listens? */
  readonly ownPorts?: boolean
  /** Requests per second, each hop of a redirect being one; unlimited if absent. */
  readonly rps?: number
}

export interface FetchScope {
  readonly tenant: string
  readonly service: string
  readonly allowList: AllowList
  readonly reach: Reach
  readonly rate: RateLimit | undefined
  /** What is running; kept by the client. */
  readonly exchanges: Set<Exchange>
  readonly closed: boolean
  /** Ends what is running; later requests fail. Idempotent. */
  close(): void
}

/** Throws VELA_FETCH_INVALID for a pattern or network that is none. `now`: milliseconds of a monotonic clock. */
export function createFetchScope(
  options: FetchScopeOptions,
  now: () => number = () => performance.now(),
): FetchScope {
  const { tenant, service, rps } = options
  const exchanges = new Set<Exchange>()
  let closed = false
  return {
    tenant,
    service,
    allowList: createAllowList(options.allow.map(toPattern)),
    reach: toReach(options.networks ?? [], options.ownPorts ?? false),
    rate: rps === undefined ? undefined : createRateLimit(rps, now),
    exchanges,
    get closed() {
      return closed
    },
    close() {
      closed = true
      for (const exchange of exchanges) exchange.abort(closedError())
    },
  }
}

export const closedError = (): VelaError => new VelaError('VELA_FETCH_FAILED', 'fetch is closed')

function toPattern(text: string): Pattern {
  const pattern = parsePattern(text)
  if (typeof pattern === 'string') throw invalid(`the pattern ${JSON.stringify(text)} ${pattern}`)
  return pattern
}

function toReach(texts: readonly string[], ownPorts: boolean): Reach {
  const networks = texts.map((text) => {
    const network = parseNetwork(text)
    if (network === undefined)
      throw invalid(`${JSON.stringify(text)} is no network; write 10.0.0.0/8 or an address`)
    return network
  })
  const key = [...networks.map(({ address, bits }) => `${address.toString()}/${bits}`).sort(), ownPorts].join(
    ' ',
  )
  return { key, networks, ownPorts }
}

const invalid = (message: string): VelaError => new VelaError('VELA_FETCH_INVALID', message)
