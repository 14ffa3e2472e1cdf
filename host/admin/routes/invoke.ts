/** Calls an exported method of a service: the plugin call, over HTTP. */
import type { FastifyInstance } from 'fastify'
import { tenantAccess } from '../access.ts'
import { parseWith } from '../body.ts'
import { INVOKE_BODY_BYTES, InvokeBody, type InvokeAnswer } from '../wire.ts'
import { requireService, type RouteContext, type ServiceParams } from './context.ts'

export function invokeRoutes(app: FastifyInstance, { control }: RouteContext): void {
  app.post<{ Params: ServiceParams }>(
    '/v1/tenants/:tenant/services/:service/invoke',
    { config: { access: tenantAccess('invoke') }, bodyLimit: INVOKE_BODY_BYTES },
    async (request): Promise<InvokeAnswer> => {
      const { tenant, service } = request.params
      const { method, args } = parseWith(InvokeBody, request.body, 'body')
      await requireService(control, request.params)
      const result = await control.invoke(`${tenant}/${service}`, method, args)
      return result === undefined ? {} : { result }
    },
  )
}
