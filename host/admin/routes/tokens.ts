/**
 * Tokens. An admin of a tenant manages that tenant's tokens; an operator all of them. Nobody makes a token that
 * reaches further than his own, and deleting answers the same for a foreign token as for one that is not there.
 */
import type { FastifyInstance } from 'fastify'
import { VelaError } from '../../core/errors.ts'
import { assertReach, ownAccess } from '../access.ts'
import { parseWith } from '../body.ts'
import { tokenOf } from '../guard.ts'
import { TenantQuery, TokenBody, type TokenAnswer } from '../wire.ts'
import { requireTenant, type RouteContext } from './context.ts'

export function tokenRoutes(app: FastifyInstance, { control }: RouteContext): void {
  const config = { access: ownAccess('admin') }

  app.get('/v1/tokens', { config }, async (request) => {
    const caller = tokenOf(request)
    const { tenant = caller.tenant } = parseWith(TenantQuery, request.query, 'query')
    assertReach(caller, tenant)
    if (tenant !== null) await requireTenant(control, tenant)
    return control.registry.listTokens(tenant ?? undefined)
  })

  app.post('/v1/tokens', { config }, async (request, reply) => {
    const { tenant, scopes } = parseWith(TokenBody, request.body, 'body')
    assertReach(tokenOf(request), tenant)
    if (tenant !== null) await requireTenant(control, tenant)
    const answer: TokenAnswer = await control.registry.createToken(tenant, [...new Set(scopes)])
    return reply.status(201).send(answer)
  })

  app.delete<{ Params: { id: string } }>('/v1/tokens/:id', { config }, async (request, reply) => {
    const caller = tokenOf(request)
    const { id } = request.params
    const reachable = await control.registry.listTokens(caller.tenant ?? undefined)
    if (!reachable.some((record) => record.id === id)) {
      throw caller.tenant === null
        ? new VelaError('VELA_ADMIN_NOT_FOUND', `there is no token with the id ${JSON.stringify(id)}`)
        : new VelaError('VELA_AUTH_FORBIDDEN', `tenant ${caller.tenant} has no token with this id`)
    }
    await control.registry.deleteToken(id)
    return reply.status(204).send()
  })
}
