/**
 * Grants: what a service can reach, for all who may look at it; deciding is the operator's alone. A tenant's own token must
 * not widen what the tenant's code may do.
 */
import type { FastifyInstance } from 'fastify'
import { access, tenantAccess } from '../access.ts'
import { parseWith } from '../body.ts'
import { DecisionBody } from '../wire.ts'
import { requireService, type RouteContext, type ServiceParams } from './context.ts'

interface BindingParams extends ServiceParams {
  binding: string
}

export function grantRoutes(app: FastifyInstance, { control }: RouteContext): void {
  const all = '/v1/tenants/:tenant/services/:service/grants'

  app.get<{ Params: ServiceParams }>(
    all,
    { config: { access: tenantAccess('read', 'deploy') } },
    async (request) => {
      await requireService(control, request.params)
      return control.grants(request.params.tenant, request.params.service)
    },
  )

  app.put<{ Params: BindingParams }>(
    `${all}/:binding`,
    { config: { access: access.operator } },
    async (request) => {
      const { tenant, service, binding } = request.params
      const { decision } = parseWith(DecisionBody, request.body, 'body')
      await requireService(control, request.params)
      return control.decideGrant(tenant, service, binding, decision)
    },
  )
}
