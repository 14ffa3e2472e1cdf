/**
 * Which addresses a guest's request may be connected to: the public ones, and the networks that the operator's policy
 * names. It judges what a resolver answered or a URL spells, never a name. The threat is a guest that reaches the
 * machine's neighbours (metadata services, databases, the control API) through the host: so what is not certainly
 * public is refused, and an address that carries another one inside is judged by what it carries, or refused.
 */
import { isIP } from 'node:net'
import ipaddr from 'ipaddr.js'

type Address = ipaddr.IPv4 | ipaddr.IPv6

/** A block of addresses that the operator allows: `10.0.0.0/8`, `::1/128`. */
export interface Network {
  readonly address: Address
  readonly bits: number
}

/** A network in CIDR notation, or one address; undefined when it is neither. IPv4 in its mapped form is IPv4. */
export function parseNetwork(text: string): Network | undefined {
  const slash = text.indexOf('/')
  const address = parseAddress(slash < 0 ? text : text.slice(0, slash))
  if (address === undefined) return undefined
  const most = address.kind() === 'ipv4' ? 32 : 128
  if (slash < 0) return { address, bits: most }
  const digits = text.slice(slash + 1)
  const bits = Number(digits)
  return /^\d{1,3}$/.test(digits) && bits <= most ? { address, bits } : undefined
}

/**
 * Why a connection to `text` is refused, in words for the guest's author; undefined when it may be made. `own` are
 * the addresses of this machine's interfaces, in the form of `canonicalAddress`.
 */
export function refuseAddress(
  text: string,
  networks: readonly Network[],
  own: ReadonlySet<string>,
): string | undefined {
  const address = parseAddress(text)
  if (address === undefined) return 'no address'
  const carried = carriedAddress(address)
  if (networks.some((network) => contains(network, address))) return undefined
  if (carried !== undefined && networks.some((network) => contains(network, carried))) return undefined
  const judged = carried ?? address
  if (!isPublic(judged)) return 'an address that is not public'
  return own.has(judged.toString()) ? 'an address of the host itself' : undefined
}

/** One spelling per address; undefined for what is none. What translates to IPv4 is that IPv4 address. */
export function canonicalAddress(text: string): string | undefined {
  const address = parseAddress(text)
  return address === undefined ? undefined : (carriedAddress(address) ?? address).toString()
}

/** Is it this machine, whatever interface the traffic takes? */
export function isOwnAddress(canonical: string, own: ReadonlySet<string>): boolean {
  if (own.has(canonical)) return true
  const range = ipaddr.parse(canonical).range()
  return range === 'loopback' || range === 'unspecified'
}

function parseAddress(text: string): Address | undefined {
  // Zones (`fe80::1%eth0`) name an interface of this machine; ipaddr.js alone would take octal and short forms too.
  if (isIP(text) === 0 || text.includes('%')) return undefined
  return ipaddr.process(text)
}

/** The IPv4 address that a translator of the network (NAT64, RFC 6052) will make of it. */
function carriedAddress(address: Address): ipaddr.IPv4 | undefined {
  if (address.kind() !== 'ipv6' || !contains(NAT64, address)) return undefined
  return new ipaddr.IPv4(address.toByteArray().slice(12))
}

function contains(network: Network, address: Address): boolean {
  return network.address.kind() === address.kind() && address.match(network.address, network.bits)
}

const NAT64: Network = { address: ipaddr.parse('64:ff9b::'), bits: 96 }
/** The only part of IPv6 that is handed out to be reached from everywhere. */
const GLOBAL_UNICAST: Network = { address: ipaddr.parse('2000::'), bits: 3 }
/** Looks public, and is the metadata and agent service inside a cloud. */
const PLATFORM = '168.63.129.16'

/** ipaddr.js calls `unicast` what is in none of its special ranges: private, reserved, 6to4, Teredo, documentation … */
function isPublic(address: Address): boolean {
  if (address.range() !== 'unicast') return false
  if (address.kind() === 'ipv4') return address.toString() !== PLATFORM
  return contains(GLOBAL_UNICAST, address) && !isIsatap(address.toByteArray())
}

/** RFC 5214: an IPv4 address in the last half of an IPv6 one, behind `0:5efe` or `200:5efe`. */
function isIsatap(bytes: readonly number[]): boolean {
  return ((bytes[8] ?? 0) & 0xfd) === 0 && bytes[9] === 0 && bytes[10] === 0x5e && bytes[11] === 0xfe
}
