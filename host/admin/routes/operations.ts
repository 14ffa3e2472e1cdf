/** How the host is: for probes, for scrapers, for the command line. */
import type { FastifyInstance } from 'fastify'
import { access } from '../access.ts'
import { tokenOf } from '../guard.ts'
import type { StatusAnswer } from '../wire.ts'
import type { RouteContext } from './context.ts'

export function operationRoutes(app: FastifyInstance, { control }: RouteContext): void {
  // Anyone may call it, so it says one word and counts nothing.
  app.get('/healthz', { config: { access: access.public } }, (_request, reply) => {
    const { status, nats } = control.health()
    // A degraded host serves: whoever takes it out of service for that makes things worse.
    const serves = status === 'ok' || status === 'degraded'
    return reply
      .status(serves ? 200 : 503)
      .send({ status, ...(nats === undefined ? {} : { nats: nats.state }) })
  })

  app.get('/v1/status', { config: { access: access.any } }, (request): StatusAnswer => {
    const { id, tenant, scopes } = tokenOf(request)
    const { status, services, cells, nats, cluster } = control.health()
    const all = {
      services,
      cells,
      ...(nats === undefined ? {} : { nats }),
      ...(cluster === undefined ? {} : { cluster }),
    }
    const counts = tenant === null ? all : {}
    return { status, ...counts, token: { id, tenant, scopes } }
  })

  app.get('/v1/doctor', { config: { access: access.operator } }, () => control.doctor())

  app.get('/v1/nodes', { config: { access: access.operator } }, () => control.nodes())

  app.get('/metrics', { config: { access: access.operator } }, async (_request, reply) =>
    reply.type('text/plain; version=0.0.4; charset=utf-8').send(await control.metrics()),
  )
}
