/** Runs a schedule now, for authors who do not want to wait for it. The answer comes when the run is over. */
import type { FastifyInstance } from 'fastify'
import { tenantAccess } from '../access.ts'
import { parseWith } from '../body.ts'
import { RunBody } from '../wire.ts'
import { requireService, type RouteContext, type ServiceParams } from './context.ts'

export function scheduleRoutes(app: FastifyInstance, { control }: RouteContext): void {
  app.post<{ Params: ServiceParams }>(
    '/v1/tenants/:tenant/services/:service/schedules/run',
    { config: { access: tenantAccess('invoke', 'deploy') } },
    async (request) => {
      const { cron } = parseWith(RunBody, request.body, 'body')
      await requireService(control, request.params)
      return control.runSchedule(request.params.tenant, request.params.service, cron)
    },
  )
}
