/** Secrets: written and deleted, their names listed; no route returns a value. */
import type { FastifyInstance } from 'fastify'
import { tenantAccess } from '../access.ts'
import { parseWith } from '../body.ts'
import { SecretBody } from '../wire.ts'
import { requireTenant, type RouteContext, type ServiceParams } from './context.ts'

interface SecretParams extends ServiceParams {
  key: string
}

export function secretRoutes(app: FastifyInstance, { control }: RouteContext): void {
  const config = { access: tenantAccess('deploy') }
  const all = '/v1/tenants/:tenant/services/:service/secrets'

  app.get<{ Params: ServiceParams }>(all, { config }, async (request) => {
    await requireTenant(control, request.params.tenant)
    return control.registry.listSecrets(request.params.tenant, request.params.service)
  })

  app.put<{ Params: SecretParams }>(`${all}/:key`, { config }, async (request, reply) => {
    const { tenant, service, key } = request.params
    const { value } = parseWith(SecretBody, request.body, 'body')
    await requireTenant(control, tenant)
    await control.putSecret(tenant, service, key, value)
    return reply.status(204).send()
  })

  app.delete<{ Params: SecretParams }>(`${all}/:key`, { config }, async (request, reply) => {
    const { tenant, service, key } = request.params
    await requireTenant(control, tenant)
    await control.deleteSecret(tenant, service, key)
    return reply.status(204).send()
  })
}
