/**
 * The capability `fetch`: outgoing HTTP to the places a manifest lists. The manifest names them, so that a deployment
 * shows what it talks to; the operator's policy says which of them, which networks that are not public, and how
 * often. A guest's half is the global `fetch`; everything that comes from it is read here as hostile.
 */
import { VelaError } from '../core/errors.ts'
import { parseNetwork } from '../http/client/address.ts'
import { coversPattern, parsePattern, type Pattern, printPattern } from '../http/client/allow-list.ts'
import type { ClientRequest, HttpClient } from '../http/client/client.ts'
import { createFetchScope } from '../http/client/scope.ts'
import type { JsonValue } from '../registry/types.ts'
import {
  AskProblem,
  type Capability,
  type CapabilityCall,
  type CapabilityKind,
  type CapabilityResult,
  GuestFacingError,
  type Refusal,
} from './capability.ts'

export interface FetchOptions {
  /** Patterns in their one spelling. */
  readonly allow: readonly string[]
  /** Requests per second; each hop of a redirect is one. */
  readonly rps: number
  /** Only a policy gives these. */
  readonly networks: readonly string[]
  readonly ownPorts: boolean
}

interface FetchPolicy {
  /** null: every pattern that is asked for. */
  readonly allow: readonly Pattern[] | null
  readonly networks: readonly string[]
  readonly rps: number
  readonly ownPorts: boolean
}

type JsonObject = Readonly<Record<string, JsonValue>>

const DEFAULT_RPS = 100
const MOST_RPS = 1_000_000
const MOST_PATTERNS = 100

export function createFetchKind(client: HttpClient): CapabilityKind<FetchOptions> {
  // The same question has the same object for its answer.
  const narrowed = new WeakMap<FetchOptions, WeakMap<object, FetchOptions | Refusal>>()

  return {
    kind: 'fetch',
    defaultPolicy: false,
    parse: (asked) => [{ name: 'fetch', options: readAsked(asked) }],
    checkPolicy: (policy) => {
      const read = readPolicy(policy)
      return typeof read === 'string' ? read : undefined
    },
    narrow(options, policy) {
      if (typeof policy !== 'object' || policy === null)
        return policy === true ? options : { refused: "the operator's policy does not grant fetch" }
      const known = narrowed.get(options) ?? new WeakMap<object, FetchOptions | Refusal>()
      narrowed.set(options, known)
      const result = known.get(policy) ?? narrowTo(options, policy)
      known.set(policy, result)
      return result
    },
    describe({ allow, rps, networks, ownPorts }) {
      const places = allow.map((text) =>
        text.includes('//*/') || /\/\/\*(?::|$)/.test(text) ? `${text} (any host)` : text,
      )
      const more = [
        `${rps} requests/s`,
        networks.length === 0 ? 'public addresses only' : `also ${networks.join(', ')}`,
        ...(ownPorts ? ["the host's own ports"] : []),
      ]
      return `${places.join(', ')}; ${more.join(', ')}`
    },
    open({ allow, rps, networks, ownPorts }, { tenant, service }): Capability {
      const scope = createFetchScope({ tenant, service, allow, rps, networks, ownPorts })
      return {
        async call(call): Promise<CapabilityResult> {
          const { signal } = call
          try {
            const response = await client.request(scope, { ...readCall(call), signal })
            const { status, statusText, url, redirected, headers } = response
            return {
              value: { status, statusText, url, redirected, headers },
              // What came in one packet with the head goes on in one frame with it.
              body: response.body?.takeWhole() ?? response.body,
            }
          } catch (thrown) {
            if (signal.aborted) throw new GuestFacingError('AbortError', 'The fetch was aborted')
            throw thrown
          }
        },
        close: () => scope.close(),
      }
    },
  }
}

function readAsked(asked: JsonValue): FetchOptions {
  const example = 'such as {"allow": ["https://api.example.com"]}'
  if (!isObject(asked)) throw new AskProblem([], `must be an object that lists what is fetched, ${example}`)
  const stranger = Object.keys(asked).find((key) => key !== 'allow' && key !== 'rps')
  if (stranger !== undefined) throw new AskProblem([stranger], 'is no key of fetch; it has "allow" and "rps"')
  const { allow, rps = DEFAULT_RPS } = asked
  if (!isTexts(allow) || allow.length === 0 || allow.length > MOST_PATTERNS)
    throw new AskProblem(['allow'], `must be a list of 1 to ${MOST_PATTERNS} patterns, ${example}`)
  if (!isRate(rps)) throw new AskProblem(['rps'], `must be a number from 1 to ${MOST_RPS}`)
  const patterns = allow.map((text, index) => {
    const pattern = parsePattern(text)
    if (typeof pattern === 'string') throw new AskProblem(['allow', index], pattern)
    return printPattern(pattern)
  })
  return { allow: patterns, rps, networks: [], ownPorts: false }
}

/** What the policy says, or what is wrong with it. */
function readPolicy(policy: JsonValue): FetchPolicy | string {
  if (!isObject(policy)) return 'must be true, false or an object with "allow", "networks", "rps", "ownPorts"'
  const { allow = null, networks = [], rps = MOST_RPS, ownPorts = false, ...strange } = policy
  const stranger = Object.keys(strange)[0]
  if (stranger !== undefined)
    return `has the key ${JSON.stringify(stranger)}; it may have "allow", "networks", "rps", "ownPorts"`
  if (allow !== null && !isTexts(allow)) return 'must have as "allow" a list of patterns'
  if (!isTexts(networks)) return 'must have as "networks" a list of networks'
  if (!isRate(rps)) return `must have as "rps" a number from 1 to ${MOST_RPS}`
  if (typeof ownPorts !== 'boolean') return 'must have as "ownPorts" true or false'
  const wrong = networks.find((text) => parseNetwork(text) === undefined)
  if (wrong !== undefined) return `has the network ${JSON.stringify(wrong)}; write 10.0.0.0/8 or an address`
  const patterns: Pattern[] = []
  for (const text of allow ?? []) {
    const pattern = parsePattern(text)
    if (typeof pattern === 'string') return `has the pattern ${JSON.stringify(text)}, which ${pattern}`
    patterns.push(pattern)
  }
  return { allow: allow === null ? null : patterns, networks, rps, ownPorts }
}

function narrowTo(options: FetchOptions, policy: JsonValue): FetchOptions | Refusal {
  const read = readPolicy(policy)
  if (typeof read === 'string') return { refused: `the operator's policy of fetch ${read}` }
  const { allow, networks, rps, ownPorts } = read
  const beyond = options.allow.find((text) => {
    const asked = parsePattern(text)
    return typeof asked === 'string' || (allow !== null && !allow.some((wide) => coversPattern(wide, asked)))
  })
  if (beyond !== undefined)
    return { refused: `the operator's policy does not allow fetch to reach ${beyond}` }
  return { allow: options.allow, rps: Math.min(options.rps, rps), networks, ownPorts }
}

const REDIRECTS: ReadonlySet<JsonValue | undefined> = new Set([undefined, 'follow', 'manual', 'error'])

/** `request({method, url, headers, redirect})`, with the body beside it. Throws VELA_FETCH_INVALID. */
function readCall({ method: call, args, body }: CapabilityCall): Omit<ClientRequest, 'signal'> {
  const asked = args[0]
  if (call !== 'request' || !isObject(asked)) throw malformed()
  const { method, url, headers, redirect } = asked
  if (typeof method !== 'string' || typeof url !== 'string' || !isTexts(headers)) throw malformed()
  if (headers.length % 2 !== 0 || !REDIRECTS.has(redirect)) throw malformed()
  return {
    method,
    url,
    headers,
    redirect: (redirect ?? 'follow') as 'follow' | 'manual' | 'error',
    body,
  }
}

const malformed = (): VelaError => new VelaError('VELA_FETCH_INVALID', 'the call of fetch is malformed')

const isObject = (value: JsonValue | undefined): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

const isTexts = (value: JsonValue | undefined): value is string[] =>
  Array.isArray(value) && value.every((item) => typeof item === 'string')

const isRate = (value: JsonValue): value is number =>
  typeof value === 'number' && value >= 1 && value <= MOST_RPS
