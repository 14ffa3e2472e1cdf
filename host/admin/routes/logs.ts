/**
 * Live logs as NDJSON. The stream ends when the client leaves, the host closes, or its token stops being valid:
 * a token that is deleted must not keep reading through a connection opened before.
 */
import type { FastifyInstance } from 'fastify'
import { VelaError } from '../../core/errors.ts'
import { assertAccess, bearerOf, tenantAccess, type Access } from '../access.ts'
import { createTailStream, type TailLimits } from '../tail-stream.ts'
import { requireService, STREAM_HEADERS, type RouteContext, type ServiceParams } from './context.ts'

export interface TailOptions extends TailLimits {
  readonly heartbeatMs: number
}

const LAST_LINE_MS = 1000

export function logRoutes(app: FastifyInstance, context: RouteContext, options: TailOptions): void {
  const { control, tails, closing } = context
  const rule: Access = tenantAccess('read', 'deploy')
  app.get<{ Params: ServiceParams }>(
    '/v1/tenants/:tenant/services/:service/logs',
    { config: { access: rule } },
    async (request, reply) => {
      const { tenant, service } = request.params
      await requireService(control, request.params)
      // Gone during the look-ups: its `close` has been, and nothing would ever end this tail.
      if (request.raw.socket.destroyed)
        throw new VelaError('VELA_ADMIN_BAD_REQUEST', 'the connection was closed')
      const release = tails(tenant)
      reply.hijack()
      const out = reply.raw
      out.writeHead(200, STREAM_HEADERS)
      const stream = createTailStream(out, options)
      const stopTail = control.tail(tenant, service, (entry) => stream.send(entry))

      const stillAllowed = async (): Promise<boolean> => {
        const token = await control.registry.verifyToken(bearerOf(request.headers.authorization))
        if (token === undefined) return false
        assertAccess(rule, token, tenant)
        return true
      }
      const end = (reason: 'closing' | 'token'): void => {
        stream.end(reason)
        // A reader that has stalled never takes the last line, and must not hold the host up.
        setTimeout(() => out.destroy(), LAST_LINE_MS).unref()
      }
      const beat = (): void => {
        stillAllowed().then(
          (allowed) => (allowed ? stream.heartbeat() : end('token')),
          () => end('token'),
        )
      }
      const heart = setInterval(beat, options.heartbeatMs)
      const onClosing = (): void => end('closing')
      closing.addEventListener('abort', onClosing, { once: true })
      out.once('close', () => {
        clearInterval(heart)
        closing.removeEventListener('abort', onClosing)
        stopTail()
        release()
      })
      return reply
    },
  )
}
