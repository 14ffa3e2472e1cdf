/** Services: what runs, its versions, going back, going away. */
import type { FastifyInstance } from 'fastify'
import { access, ownAccess, tenantAccess } from '../access.ts'
import { parseWith } from '../body.ts'
import { tokenOf } from '../guard.ts'
import { EngineBody, RollbackBody } from '../wire.ts'
import {
  requireService,
  requireTenant,
  type RouteContext,
  type ServiceParams,
  type TenantParams,
} from './context.ts'

export function serviceRoutes(app: FastifyInstance, { control }: RouteContext): void {
  const look = { access: tenantAccess('read', 'deploy') }
  const change = { access: tenantAccess('deploy') }
  const one = '/v1/tenants/:tenant/services/:service'

  app.get('/v1/services', { config: { access: ownAccess('read', 'deploy') } }, (request) =>
    control.services(tokenOf(request).tenant ?? undefined),
  )

  app.get<{ Params: TenantParams }>('/v1/tenants/:tenant/services', { config: look }, async (request) => {
    await requireTenant(control, request.params.tenant)
    return control.services(request.params.tenant)
  })

  app.get<{ Params: ServiceParams }>(`${one}/versions`, { config: look }, async (request) => {
    await requireService(control, request.params)
    return control.versions(request.params.tenant, request.params.service)
  })

  app.post<{ Params: ServiceParams }>(`${one}/rollback`, { config: change }, async (request) => {
    const { version } = parseWith(RollbackBody, request.body, 'body')
    await requireService(control, request.params)
    return control.rollback(request.params.tenant, request.params.service, version)
  })

  // The answer to a hole in an engine is the operator's; a tenant's token must not take it back.
  app.put<{ Params: ServiceParams }>(
    `${one}/engine`,
    { config: { access: access.operator } },
    async (request) => {
      const { engine } = parseWith(EngineBody, request.body, 'body')
      await requireService(control, request.params)
      const { tenant, service } = request.params
      return control.setEngine(tenant, service, engine === 'manifest' ? null : engine)
    },
  )

  app.delete<{ Params: ServiceParams }>(one, { config: change }, async (request, reply) => {
    await requireService(control, request.params)
    await control.deleteService(request.params.tenant, request.params.service)
    return reply.status(204).send()
  })
}
