/** Events of a tenant: its durable consumers, what they gave up, and events from outside, which come as CloudEvents. */
import type { FastifyInstance } from 'fastify'
import { z } from 'zod'
import { tenantAccess } from '../access.ts'
import { parseWith } from '../body.ts'
import { readCloudEvent } from '../cloud-events.ts'
import { ConsumerBody, EVENT_BODY_BYTES, LettersBody } from '../wire.ts'
import { requireTenant, type RouteContext, type TenantParams } from './context.ts'

const KindQuery = z.strictObject({
  kind: z.enum(['ephemeral', 'durable'], 'must be "ephemeral" or "durable"').default('ephemeral'),
})
const DeadQuery = z.strictObject({ consumer: z.string().max(512).optional() })

export function eventRoutes(app: FastifyInstance, { control }: RouteContext): void {
  const all = '/v1/tenants/:tenant/events'
  const look = { config: { access: tenantAccess('read', 'deploy') } }
  const change = { config: { access: tenantAccess('deploy') } }
  // Asked at each request: the runtime has its parts only when all are made.
  const events = (): typeof control.eventsControl => control.eventsControl

  app.get<{ Params: TenantParams }>(all, look, async ({ params: { tenant } }) => {
    await requireTenant(control, tenant)
    return events().status(tenant)
  })

  app.get<{ Params: TenantParams }>(`${all}/dead`, look, async ({ params: { tenant }, query }) => {
    await requireTenant(control, tenant)
    const { consumer } = parseWith(DeadQuery, query, 'query')
    return events().deadEvents(tenant, consumer)
  })

  app.post<{ Params: TenantParams }>(`${all}/replay`, change, async ({ params: { tenant }, body }) => {
    const { consumer, sequences } = parseWith(LettersBody, body, 'body')
    await requireTenant(control, tenant)
    return { count: await events().replay(tenant, consumer, sequences) }
  })

  app.post<{ Params: TenantParams }>(`${all}/discard`, change, async ({ params: { tenant }, body }) => {
    const { consumer, sequences } = parseWith(LettersBody, body, 'body')
    await requireTenant(control, tenant)
    return { count: await events().discard(tenant, consumer, sequences) }
  })

  app.post<{ Params: TenantParams }>(`${all}/forget`, change, async ({ params: { tenant }, body }, reply) => {
    const { consumer } = parseWith(ConsumerBody, body, 'body')
    await requireTenant(control, tenant)
    await events().forgetConsumer(tenant, consumer)
    return reply.status(204).send()
  })

  // A scope of its own: here a body is whatever the event's data is.
  void app.register((scope, _options, done) => {
    scope.removeAllContentTypeParsers()
    scope.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, body, parsed) => parsed(null, body))
    scope.post<{ Params: TenantParams }>(
      all,
      { config: { access: tenantAccess('invoke', 'deploy') }, bodyLimit: EVENT_BODY_BYTES },
      async ({ params: { tenant }, headers, body, query }, reply) => {
        const { kind } = parseWith(KindQuery, query, 'query')
        const bytes = body instanceof Uint8Array ? body : new Uint8Array()
        const event = readCloudEvent(headers, bytes, Date.now())
        await requireTenant(control, tenant)
        return reply.status(202).send(await events().publish(tenant, event, kind))
      },
    )
    done()
  })
}
