/**
 * Would what a service injects be there? Its containers say what they need of `env` as it starts; what would fail at the first
 * request is refused at deploy, with the way to it and what to do. What is revoked or deleted later fails at the call.
 */
import type { Broker } from '../capabilities/broker.ts'
import type { Need } from '../cells/start-outcome.ts'
import { VelaError } from '../core/errors.ts'
import type { Deployment } from '../registry/types.ts'

/** Throws VELA_DEPLOY_MISSING_DEPENDENCY for the first that is missing; `details` is `{path, binding}`. */
export async function checkNeeds(
  needs: readonly Need[],
  deployment: Deployment,
  broker: Pick<Broker, 'lacks'>,
): Promise<void> {
  for (const { path, binding, hasDeadline } of needs) {
    const lack = await broker.lacks(deployment, binding, hasDeadline)
    if (lack === undefined) continue
    throw new VelaError('VELA_DEPLOY_MISSING_DEPENDENCY', `${path}: ${lack}`, { details: { path, binding } })
  }
}
