/**
 * The control API, on a listener of its own: what changes a host never shares a port with what it serves.
 * Routes are files by noun; here they meet the guard (host/admin/access.ts), the caps and the problem documents.
 */
import { randomUUID } from 'node:crypto'
import fastify, { type FastifyInstance } from 'fastify'
import type { Control } from '../core/control.ts'
import { VelaError } from '../core/errors.ts'
import { createAdmission, type AdmissionLimits } from './admission.ts'
import { installJsonParser } from './body.ts'
import { installGuard } from './guard.ts'
import { asVelaError, installProblems, refuseMalformed, sendProblem, type AdminLog } from './problems.ts'
import type { RouteContext } from './routes/context.ts'
import { actorRoutes } from './routes/actors.ts'
import { deploymentRoutes } from './routes/deployments.ts'
import { eventRoutes } from './routes/events.ts'
import { grantRoutes } from './routes/grants.ts'
import { invokeRoutes } from './routes/invoke.ts'
import { logRoutes, type TailOptions } from './routes/logs.ts'
import { operationRoutes } from './routes/operations.ts'
import { scheduleRoutes } from './routes/schedules.ts'
import { secretRoutes } from './routes/secrets.ts'
import { serviceRoutes } from './routes/services.ts'
import { tenantRoutes } from './routes/tenants.ts'
import { tokenRoutes } from './routes/tokens.ts'
import { BODY_BYTES } from './wire.ts'

export interface AdminServerDeps {
  readonly control: Control
  readonly log: AdminLog
}

export interface AdminServerOptions {
  readonly host: string
  /** 0 picks a free one. */
  readonly port: number
  readonly tail?: Partial<TailOptions>
  readonly uploads?: AdmissionLimits
  readonly tails?: AdmissionLimits
  /** Called with each route as it is added; tests prove by it that none is forgotten. */
  readonly onRoute?: (route: { readonly method: string; readonly url: string }) => void
}

export interface AdminServer {
  /** Rejects with VELA_HOST_PORT_TAKEN; else the URL it listens on. */
  listen(): Promise<string>
  /** Ends live tails, lets the rest finish. */
  close(): Promise<void>
}

const TAIL: TailOptions = { heartbeatMs: 15_000, bufferLines: 1000, bufferBytes: 256 * 1024 }
const UPLOADS: AdmissionLimits = { perTenant: 2, total: 8 }
const TAILS: AdmissionLimits = { perTenant: 16, total: 256 }

export function createAdminServer(deps: AdminServerDeps, options: AdminServerOptions): AdminServer {
  const { control, log } = deps
  const closing = new AbortController()
  const app = fastify({
    logger: false,
    bodyLimit: BODY_BYTES,
    exposeHeadRoutes: false,
    requestIdHeader: false,
    genReqId: () => randomUUID(),
    requestTimeout: 60_000,
    keepAliveTimeout: 30_000,
    routerOptions: { maxParamLength: 256 },
    clientErrorHandler: refuseMalformed,
    frameworkErrors: (error, request, reply) => {
      void sendProblem(reply, asVelaError(error), request.id)
    },
  })
  app.server.maxConnections = 1024
  app.server.headersTimeout = 10_000

  installProblems(app, log)
  installJsonParser(app)
  app.addHook('onRoute', (route) => {
    for (const method of [route.method].flat()) options.onRoute?.({ method, url: route.url })
  })
  installGuard(app, (text) => control.registry.verifyToken(text))
  installAudit(app, log)

  const context: RouteContext = {
    control,
    log,
    uploads: createAdmission('uploads', options.uploads ?? UPLOADS),
    tails: createAdmission('tails', options.tails ?? TAILS),
    closing: closing.signal,
  }
  operationRoutes(app, context)
  tenantRoutes(app, context)
  serviceRoutes(app, context)
  deploymentRoutes(app, context)
  grantRoutes(app, context)
  actorRoutes(app, context)
  eventRoutes(app, context)
  invokeRoutes(app, context)
  scheduleRoutes(app, context)
  secretRoutes(app, context)
  tokenRoutes(app, context)
  logRoutes(app, context, { ...TAIL, ...options.tail })

  return {
    async listen() {
      try {
        await app.listen({ host: options.host, port: options.port })
      } catch (error) {
        throw listenError(error, options)
      }
      const address = app.server.address()
      const port = typeof address === 'object' && address !== null ? address.port : options.port
      return `http://${options.host.includes(':') ? `[${options.host}]` : options.host}:${port}`
    },
    async close() {
      closing.abort()
      await app.close()
    },
  }
}

/** Who changed what: every request that is not a read, with the token's public id. */
function installAudit(app: FastifyInstance, log: AdminLog): void {
  app.addHook('onSend', async (_request, reply, payload) => {
    void reply.header('cache-control', 'no-store').header('x-content-type-options', 'nosniff')
    return payload
  })
  app.addHook('onResponse', async (request, reply) => {
    if (request.method === 'GET') return
    log.info('admin.request', {
      requestId: request.id,
      method: request.method,
      route: request.routeOptions.url ?? null,
      params: request.params,
      status: reply.statusCode,
      token: request.velaToken?.id ?? null,
    })
  })
}

function listenError(error: unknown, { host, port }: AdminServerOptions): VelaError {
  const { code } = (error ?? {}) as NodeJS.ErrnoException
  if (code === 'EADDRINUSE') {
    return new VelaError(
      'VELA_HOST_PORT_TAKEN',
      `the control API cannot listen on ${host}:${port}: the port is taken; choose another with --admin-port (0 picks a free one)`,
      { details: { host, port, flag: '--admin-port' }, cause: error },
    )
  }
  return new VelaError(
    'VELA_CONFIG_INVALID',
    `the control API cannot listen on ${host}:${port} (${code ?? 'unknown'})`,
    {
      details: { host, port },
      cause: error,
    },
  )
}
