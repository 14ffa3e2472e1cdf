/** How the host is: for probes, for scrapers, for the command line. */
import type { FastifyInstance } from 'fastify'
import { access } from '../access.ts'
import { tokenOf } from '../guard.ts'
import type { StatusAnswer } from '../wire.ts'
import type { RouteContext } from './context.ts'

export function operationRoutes(app: FastifyInstance, { control }: RouteContext): void {
  // Anyone may call it, so it says one word and counts nothing.
  app.get('/healthz', { config: { access: access.public } }, (_request, reply) => {
    const { status } = control.health()
    return reply.status(status === 'ok' ? 200 : 503).send({ status })
  })

  app.get('/v1/status', { config: { access: access.any } }, (request): StatusAnswer => {
    const { id, tenant, scopes } = tokenOf(request)
    const { status, services, cells } = control.health()
    const counts = tenant === null ? { services, cells } : {}
    return { status, ...counts, token: { id, tenant, scopes } }
  })

  app.get('/v1/doctor', { config: { access: access.operator } }, () => control.doctor())

  app.get('/metrics', { config: { access: access.operator } }, async (_request, reply) =>
    reply.type('text/plain; version=0.0.4; charset=utf-8').send(await control.metrics()),
  )
}
