/** Operators' decisions about bindings, at hand for every call: read once from the registry, written through to it. */
import type { GrantDecision, Registry } from '../registry/types.ts'

export interface Decisions {
  of(tenant: string, service: string, binding: string): GrantDecision | undefined
  /** Stored when it resolves; calls see it from then on. null takes the decision back. */
  set(
    tenant: string,
    service: string,
    binding: string,
    decision: Pick<GrantDecision, 'state' | 'asked'> | null,
  ): Promise<void>
  /** Stored already, by another way. */
  learn(
    tenant: string,
    service: string,
    binding: string,
    decision: Pick<GrantDecision, 'state' | 'asked'> | null,
  ): void
  /** The service or, without one, all of the tenant's are gone, and so are the decisions in the registry. */
  forget(tenant: string, service?: string): void
  /** Changes with every decision. */
  readonly epoch: number
}

export async function openDecisions(registry: Registry): Promise<Decisions> {
  const keyOf = (tenant: string, service: string, binding: string): string =>
    `${tenant}/${service}/${binding}`
  const decisions = new Map<string, GrantDecision>()
  for (const decision of await registry.listGrants())
    decisions.set(keyOf(decision.tenant, decision.service, decision.binding), decision)
  let epoch = 0
  const learn: Decisions['learn'] = (tenant, service, binding, decision) => {
    const key = keyOf(tenant, service, binding)
    if (decision === null) decisions.delete(key)
    else decisions.set(key, { tenant, service, binding, ...decision })
    epoch++
  }
  return {
    learn,
    of: (tenant, service, binding) => decisions.get(keyOf(tenant, service, binding)),
    async set(tenant, service, binding, decision) {
      await registry.setGrant(tenant, service, binding, decision)
      learn(tenant, service, binding, decision)
    },
    forget(tenant, service) {
      for (const [key, decision] of decisions)
        if (decision.tenant === tenant && (service === undefined || decision.service === service))
          decisions.delete(key)
      epoch++
    },
    get epoch() {
      return epoch
    },
  }
}
