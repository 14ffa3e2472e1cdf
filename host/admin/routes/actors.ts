/** Actors of a service: how many there are and what they store, and the messages that were given up. */
import type { FastifyInstance } from 'fastify'
import { tenantAccess } from '../access.ts'
import { requireService, type RouteContext, type ServiceParams } from './context.ts'

export function actorRoutes(app: FastifyInstance, { control }: RouteContext): void {
  const all = '/v1/tenants/:tenant/services/:service/actors'
  const look = { config: { access: tenantAccess('read', 'deploy') } }

  app.get<{ Params: ServiceParams }>(all, look, async ({ params }) => {
    await requireService(control, params)
    return control.listActors(params.tenant, params.service)
  })

  app.get<{ Params: ServiceParams }>(`${all}/dead`, look, async ({ params }) => {
    await requireService(control, params)
    return control.deadLetters(params.tenant, params.service)
  })
}
