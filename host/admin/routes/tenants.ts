/** Tenants: made and deleted by operators alone. */
import type { FastifyInstance } from 'fastify'
import { access } from '../access.ts'
import { parseWith } from '../body.ts'
import { ForceQuery, TenantBody } from '../wire.ts'
import { requireTenant, type RouteContext, type TenantParams } from './context.ts'

export function tenantRoutes(app: FastifyInstance, { control }: RouteContext): void {
  const config = { access: access.operator }

  app.get('/v1/tenants', { config }, () => control.registry.listTenants())

  app.post('/v1/tenants', { config }, async (request, reply) => {
    const { name, limits } = parseWith(TenantBody, request.body, 'body')
    const tenant = await control.registry.createTenant(name, limits)
    return reply.status(201).send(tenant)
  })

  app.delete<{ Params: TenantParams }>('/v1/tenants/:tenant', { config }, async (request, reply) => {
    const { force } = parseWith(ForceQuery, request.query, 'query')
    await requireTenant(control, request.params.tenant)
    await control.deleteTenant(request.params.tenant, force === 'true')
    return reply.status(204).send()
  })
}
