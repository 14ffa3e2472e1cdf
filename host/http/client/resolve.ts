/**
 * Names to addresses, by DNS alone. Not `dns.lookup`: that runs on the four threads the whole host shares, so that one
 * tenant's slow name servers would stop everyone's files and compression; and it would complete short names with
 * the machine's search domains. Each tenant has a resolver of its own, so that no answer is shared.
 */
import { Resolver } from 'node:dns/promises'

/** Every address of a full name, IPv4 and IPv6, in the order to try; rejects or answers none if there are none. */
export type Resolve = (host: string) => Promise<readonly string[]>

const ATTEMPT_MS = 2500
const ATTEMPTS = 2

/** `servers`: addresses of name servers, with ports if need be, instead of the machine's. */
export function createResolve(servers?: readonly string[]): Resolve {
  const resolver = new Resolver({ timeout: ATTEMPT_MS, tries: ATTEMPTS })
  if (servers !== undefined) resolver.setServers(servers)
  return async (host) => {
    // RFC 6761: never a question for the network.
    if (host === 'localhost' || host.endsWith('.localhost')) return ['127.0.0.1', '::1']
    const answers = await Promise.allSettled([resolver.resolve4(host), resolver.resolve6(host)])
    const found = answers.flatMap((answer) => (answer.status === 'fulfilled' ? answer.value : []))
    const failed = answers.find((answer) => answer.status === 'rejected')
    if (found.length === 0 && failed !== undefined) throw failed.reason
    return found
  }
}
