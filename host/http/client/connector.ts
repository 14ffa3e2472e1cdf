/**
 * How a connection is made: the name is resolved once, every address of the answer is judged, and the socket is
 * connected to exactly these addresses. There is no second resolution between check and use, so a name cannot be
 * rebound. One bad address condemns the whole answer: a mixed one is an attempt. Literal addresses are judged apart,
 * because the lookup hook is not called for them. There are no proxies: nothing here reads the environment.
 */
import type { LookupFunction } from 'node:net'
import { isIP } from 'node:net'
import type { buildConnector } from 'undici'
import { VelaError } from '../../core/errors.ts'
import { canonicalAddress, isOwnAddress, type Network, refuseAddress } from './address.ts'
import { failed, toFetchError } from './failure.ts'
import type { Resolve } from './resolve.ts'

/** What a scope's connections may reach. */
export interface Reach {
  /** Equal for scopes that may reach the same; connections are shared only among these. */
  readonly key: string
  readonly networks: readonly Network[]
  /** May the host's own ports (gateway, control API) be connected to? */
  readonly ownPorts: boolean
}

export interface GuardDeps {
  readonly resolve: Resolve
  /** The ports on which this host listens. */
  readonly ownPorts: () => readonly number[]
  /** The addresses of this machine's interfaces, canonical. */
  readonly ownAddresses: () => ReadonlySet<string>
}

export interface Guard {
  /** Throws VELA_FETCH_ADDRESS_REFUSED. */
  check(address: string): void
  readonly lookup: LookupFunction
}

/** Judges the addresses of one origin for one reach. */
export function createGuard(deps: GuardDeps, reach: Reach, target: URL): Guard {
  const port = Number(target.port || (target.protocol === 'https:' ? 443 : 80))

  function check(address: string): void {
    const own = deps.ownAddresses()
    const reason = refuseAddress(address, reach.networks, own)
    if (reason !== undefined) throw refused(target.origin, reason)
    const canonical = canonicalAddress(address)
    if (reach.ownPorts || canonical === undefined || !deps.ownPorts().includes(port)) return
    if (isOwnAddress(canonical, own)) throw refused(target.origin, 'a port of the host itself')
  }

  async function resolveChecked(host: string): Promise<{ address: string; family: number }[]> {
    let addresses: readonly string[]
    try {
      addresses = await deps.resolve(host)
    } catch (thrown) {
      throw failed(target.origin, 'the name cannot be resolved', thrown)
    }
    if (addresses.length === 0) throw failed(target.origin, 'the name cannot be resolved')
    for (const address of addresses) check(address)
    return addresses.map((address) => ({ address, family: isIP(address) }))
  }

  async function answer(...[host, options, callback]: Parameters<LookupFunction>): Promise<void> {
    let found: readonly { address: string; family: number }[]
    try {
      found = await resolveChecked(host)
    } catch (thrown) {
      callback(toFetchError(thrown, target.origin), [])
      return
    }
    if (options.all === true) callback(null, [...found])
    else callback(null, found[0]?.address ?? '', found[0]?.family)
  }

  const lookup: LookupFunction = (...asked) => void answer(...asked)
  return { check, lookup }
}

/** Around undici's connector, which has been built with the guard's lookup. */
export function guardConnector(connect: buildConnector.connector, guard: Guard): buildConnector.connector {
  return (options, callback) => {
    if (isIP(options.hostname) !== 0) {
      try {
        guard.check(options.hostname)
      } catch (thrown) {
        // Never in the same tick: undici is still in the middle of taking up the request.
        process.nextTick(callback, thrown, null)
        return
      }
    }
    connect(options, callback)
  }
}

const refused = (origin: string, reason: string): VelaError =>
  new VelaError(
    'VELA_FETCH_ADDRESS_REFUSED',
    `${origin} leads to ${reason}; the operator allows networks by \`networks\` in the policy of fetch`,
    { details: { origin } },
  )
