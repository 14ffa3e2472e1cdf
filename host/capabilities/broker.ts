/**
 * Between guests and powers: decides what each binding of a deployment may be (the manifest asks, the policy and the
 * operator's decisions grant) and carries out calls by number. A guest can name only what its deployment asked for, and each
 * call looks at today's decision, so what is revoked fails from the next call on.
 */
import type { GrantStatus } from '../core/control.ts'
import { ERRORS, VelaError } from '../core/errors.ts'
import { ProtocolViolation } from '../../sandbox/protocol/frame-reader.ts'
import type { Deployment, GrantDecision, JsonValue, Manifest } from '../registry/types.ts'
import { asksMore, readAsks, type Ask, type Kinds } from './asks.ts'
import {
  GuestFacingError,
  type Binding,
  type Capability,
  type CapabilityCall,
  type CapabilityResult,
  type Isolates,
  type Place,
} from './capability.ts'
import type { Policy } from './policy.ts'

/** The grants of one deployment in operation. */
export interface DeploymentGrants {
  /** For the guest: name, kind, number, what its half needs to know. */
  readonly bindings: readonly (readonly [name: string, kind: string, grant: number, options: JsonValue])[]
  perform(grant: number, call: CapabilityCall): CapabilityResult | Promise<CapabilityResult>
  close(): void
}

export interface Broker {
  /** Throws VELA_DEPLOY_* for asks that are malformed or unknown here. */
  check(manifest: Manifest): void
  /** `isolates`: further ones of the same version. */
  open(deployment: Deployment, isolates?: Isolates): DeploymentGrants
  status(deployment: Deployment): readonly GrantStatus[]
  /** The bindings of a kind that are granted now, with what the grant left of their options. */
  granted(deployment: Deployment, kind: string): readonly Binding[]
  /** Why calls of a binding would fail as things stand, and what to do; undefined: they would not. */
  lacks(deployment: Deployment, binding: string, hasDeadline: boolean): Promise<string | undefined>
  /** What `next` asks beyond `before`, one line each. */
  asksMore(before: Manifest | undefined, next: Manifest): readonly string[]
  /** What was asked for the binding, for keeping a decision about it. Throws VELA_CAPABILITY_NOT_FOUND. */
  askedOf(deployment: Deployment, binding: string): string
}

export interface BrokerDeps {
  readonly kinds: Kinds
  readonly policy: Policy
  /** The operator's decision about a binding, if there is one. */
  readonly decisionOf: (tenant: string, service: string, binding: string) => GrantDecision | undefined
  /** Changes with every decision of anybody, so that nothing is looked up again until then. */
  readonly epoch: () => number
  /** How many services the host itself has: another one may change what a binding means. */
  readonly hosts: () => number
  /** A capability failed for reasons that are not the guest's. */
  readonly onFailure: (place: Place, kind: string, error: unknown) => void
}

type Verdict =
  | { readonly state: 'granted'; readonly options: unknown; readonly reason?: string }
  | { readonly state: 'denied' | 'revoked'; readonly reason: string }

export function createBroker({ kinds, policy, decisionOf, epoch, hosts, onFailure }: BrokerDeps): Broker {
  const judge = (place: Place, { kind, binding, asked }: Ask): Verdict => {
    const decision = decisionOf(place.tenant, place.service, binding.name)
    if (decision?.state === 'revoked') return { state: 'revoked', reason: 'revoked by an operator' }
    if (decision?.asked === asked)
      return { state: 'granted', options: binding.options, reason: 'granted by an operator' }
    const rule = policy.of(place.tenant, kind.kind)
    const narrowed =
      rule === false
        ? { refused: `the operator's policy does not grant ${kind.kind}` }
        : kind.narrow(binding.options, rule, place)
    if (isRefusal(narrowed)) {
      const other = decision === undefined ? '' : '; an operator granted something else than is asked for now'
      return { state: 'denied', reason: narrowed.refused + other }
    }
    return { state: 'granted', options: narrowed }
  }

  const basisOf = ({ tenant, service }: Place, { binding }: Ask): Basis => ({
    decision: decisionOf(tenant, service, binding.name),
    hosts: hosts(),
  })

  const open = (deployment: Deployment, isolates?: Isolates): DeploymentGrants => {
    const { tenant, service, version, manifest } = deployment
    const place: Place = { tenant, service, version }
    const grants = readAsks(kinds, manifest).map((ask) => new Grant(place, ask, isolates))
    return {
      bindings: grants.map(({ ask: { kind, binding } }, index) => [
        binding.name,
        kind.kind,
        index,
        binding.guest ?? null,
      ]),
      perform(number, call) {
        const grant = grants[number]
        if (grant === undefined) throw new ProtocolViolation(`A call names the grant ${number}`)
        const capability = grant.at(
          epoch() + hosts(),
          () => basisOf(place, grant.ask),
          () => judge(place, grant.ask),
        )
        try {
          const result = capability.call(call)
          return result instanceof Promise ? guarded(place, grant.ask.kind.kind, result) : result
        } catch (thrown) {
          throw guestFacing(place, grant.ask.kind.kind, thrown)
        }
      },
      close() {
        for (const grant of grants) grant.close()
      },
    }
  }

  const guarded = async (
    place: Place,
    kind: string,
    result: Promise<CapabilityResult>,
  ): Promise<CapabilityResult> => {
    try {
      return await result
    } catch (thrown) {
      throw guestFacing(place, kind, thrown)
    }
  }

  const guestFacing = (place: Place, kind: string, thrown: unknown): GuestFacingError => {
    if (thrown instanceof GuestFacingError) return thrown
    if (thrown instanceof VelaError) {
      const { exposed, title } = ERRORS[thrown.code]
      const details = WITH_DETAILS.has(thrown.code) ? (thrown.details as JsonValue) : undefined
      // What is not for clients says something of the host: not for guests either.
      return new GuestFacingError('Error', exposed ? thrown.message : title, thrown.code, details)
    }
    onFailure(place, kind, thrown)
    return new GuestFacingError('Error', `The capability ${kind} failed`, 'VELA_CAPABILITY_FAILED')
  }

  const statusOf = (place: Place, ask: Ask): GrantStatus => {
    const verdict = judge(place, ask)
    const { kind, binding } = ask
    return {
      binding: binding.name,
      kind: kind.kind,
      state: verdict.state,
      reach: kind.describe(verdict.state === 'granted' ? verdict.options : binding.options),
      ...(verdict.reason === undefined ? {} : { reason: verdict.reason }),
    }
  }

  const withDeadline = (): string[] =>
    [...kinds.values()].flatMap(({ kind, takesDeadline }) => (takesDeadline === true ? [kind] : []))

  const describe = ({ kind, binding }: Ask): string =>
    `${kind.kind} ${binding.name}: ${kind.describe(binding.options)}`

  return {
    check: (manifest) => void readAsks(kinds, manifest),
    open,
    status: (deployment) => readAsks(kinds, deployment.manifest).map((ask) => statusOf(deployment, ask)),
    granted: (deployment, kind) =>
      readAsks(kinds, deployment.manifest)
        .filter((ask) => ask.kind.kind === kind)
        .flatMap((ask) => {
          const verdict = judge(deployment, ask)
          return verdict.state === 'granted' ? [{ ...ask.binding, options: verdict.options }] : []
        }),
    async lacks(deployment, name, hasDeadline) {
      const ask = readAsks(kinds, deployment.manifest).find(({ binding }) => binding.name === name)
      const without = `inject optional(binding('${name}')) if the service can do without`
      if (ask === undefined)
        return `the manifest binds nothing called ${name}; add it under capabilities, vars or as a secret, or ${without}`
      const what = named(ask.kind.kind, name)
      if (hasDeadline && ask.kind.takesDeadline !== true)
        return `${what} takes no deadlineMs: that is for ${withDeadline().join(' and ')}`
      const verdict = judge(deployment, ask)
      if (verdict.state !== 'granted')
        return `${what} is not granted: ${verdict.reason}; let an operator grant it (vela grants), or ${without}`
      const lack = await ask.kind.lacks?.(verdict.options, deployment)
      return lack === undefined ? undefined : `${what}: ${lack}, or ${without}`
    },
    asksMore: (before, next) =>
      asksMore(before === undefined ? [] : readAsks(kinds, before), readAsks(kinds, next)).map(describe),
    askedOf(deployment, name) {
      const asks = readAsks(kinds, deployment.manifest)
      const ask = asks.find(({ binding }) => binding.name === name)
      if (ask !== undefined) return ask.asked
      const known = asks.map(({ binding }) => binding.name)
      throw new VelaError(
        'VELA_CAPABILITY_NOT_FOUND',
        `${deployment.tenant}/${deployment.service} asks for no capability called ${name}; it asks for ${known.length === 0 ? 'none' : known.join(', ')}`,
      )
    },
  }
}

/** What a verdict rests on beside the manifest and the policy, which stand. */
interface Basis {
  readonly decision: GrantDecision | undefined
  readonly hosts: number
}

/**
 * One binding: its capability is opened by the first call under a decision, and again when that decision has changed; what others
 * decide elsewhere must not break off what it has under way.
 */
class Grant {
  readonly ask: Ask
  readonly #place: Place
  readonly #isolates: Isolates | undefined
  #capability: Capability | undefined
  #epoch = -1
  #basis: Basis | undefined
  #verdict: Verdict = { state: 'denied', reason: '' }

  constructor(place: Place, ask: Ask, isolates: Isolates | undefined) {
    this.#place = place
    this.#isolates = isolates
    this.ask = ask
  }

  /** Throws GuestFacingError unless it is granted now. */
  at(epoch: number, basisOf: () => Basis, judge: () => Verdict): Capability {
    if (epoch !== this.#epoch) {
      this.#epoch = epoch
      const basis = basisOf()
      if (basis.decision !== this.#basis?.decision || basis.hosts !== this.#basis?.hosts) {
        this.close()
        this.#basis = basis
        this.#verdict = judge()
      }
    }
    const verdict = this.#verdict
    const { kind, binding } = this.ask
    if (verdict.state !== 'granted') {
      const code = verdict.state === 'revoked' ? 'VELA_CAPABILITY_REVOKED' : 'VELA_CAPABILITY_DENIED'
      throw new GuestFacingError('Error', `${named(kind.kind, binding.name)}: ${verdict.reason}`, code)
    }
    return (this.#capability ??= kind.open(verdict.options, this.#place, this.#isolates))
  }

  close(): void {
    this.#capability?.close()
    this.#capability = undefined
  }
}

/** Errors whose details were made for guests; those of others may speak of the host. */
const WITH_DETAILS: ReadonlySet<string> = new Set(['VELA_KV_CONFLICT'])

const named = (kind: string, binding: string): string => (kind === binding ? kind : `${kind} (${binding})`)

const isRefusal = (value: unknown): value is { readonly refused: string } =>
  typeof value === 'object' && value !== null && 'refused' in value
