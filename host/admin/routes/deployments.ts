/**
 * Deploying. The upload is hostile: its size is capped before it is read, uploads at the same time are capped
 * for each tenant, the manifest is parsed as untrusted data. A client that leaves does not interrupt a deploy:
 * either all of it happens or nothing.
 */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { MAXIMUM_LIMITS } from '../../../sandbox/protocol/limits.ts'
import type { DeployRequest } from '../../core/control.ts'
import { VelaError } from '../../core/errors.ts'
import { parseManifestJson } from '../../manifest/manifest.ts'
import { tenantAccess } from '../access.ts'
import { parseWith } from '../body.ts'
import { asVelaError, problemOfError } from '../problems.ts'
import { DEPLOY_BODY_BYTES, DeploymentBody, type DeployEvent } from '../wire.ts'
import { requireTenant, STREAM_HEADERS, type RouteContext, type ServiceParams } from './context.ts'

export function deploymentRoutes(app: FastifyInstance, context: RouteContext): void {
  // Places held by requests whose handler has not begun; the handler takes its own over, because a deploy goes
  // on (and still counts) when its client leaves.
  const releases = new WeakMap<FastifyRequest, () => void>()
  app.post<{ Params: ServiceParams }>(
    '/v1/tenants/:tenant/services/:service/deployments',
    {
      config: { access: tenantAccess('deploy') },
      bodyLimit: DEPLOY_BODY_BYTES,
      // After the guard and before the body is read.
      preParsing: (request, _reply, payload, done) => {
        // Gone while its token was looked up: its `close` has been, and nobody would give a place back.
        if (request.raw.destroyed || request.raw.socket.destroyed) {
          done(new VelaError('VELA_ADMIN_BAD_REQUEST', 'the connection was closed'))
          return
        }
        try {
          const release = context.uploads(request.params.tenant)
          releases.set(request, release)
          request.raw.once('close', () => {
            if (!request.raw.complete) release()
          })
          done(null, payload)
        } catch (error) {
          done(asVelaError(error))
        }
      },
      onResponse: (request, _reply, done) => {
        releases.get(request)?.()
        done()
      },
    },
    async (request, reply) => {
      const release = releases.get(request)
      releases.delete(request)
      try {
        const deploy = await deployRequestOf(request, context)
        const wantsProgress = request.headers.accept?.includes('application/x-ndjson') === true
        return wantsProgress
          ? await streamDeploy(request, reply, context, deploy)
          : await context.control.deploy(deploy)
      } finally {
        release?.()
      }
    },
  )
}

async function deployRequestOf(
  request: FastifyRequest<{ Params: ServiceParams }>,
  { control }: RouteContext,
): Promise<DeployRequest> {
  const { tenant, service } = request.params
  const body = parseWith(DeploymentBody, request.body, 'body')
  await requireTenant(control, tenant)
  const manifest = parseManifestJson(body.manifest)
  if (manifest.name !== service) {
    throw new VelaError(
      'VELA_ADMIN_BAD_REQUEST',
      `the address names service ${JSON.stringify(service)}, the manifest ${JSON.stringify(manifest.name)}`,
      { details: { key: 'manifest.name' } },
    )
  }
  const sizeBytes = Buffer.byteLength(body.source)
  if (sizeBytes > MAXIMUM_LIMITS.bundleBytes) {
    throw new VelaError(
      'VELA_DEPLOY_TOO_LARGE',
      `the bundle has ${sizeBytes} bytes; at most ${MAXIMUM_LIMITS.bundleBytes} are allowed`,
      { details: { sizeBytes, allowed: MAXIMUM_LIMITS.bundleBytes } },
    )
  }
  return { tenant, manifest, bundle: { source: body.source, sourceMap: body.sourceMap } }
}

/** The status line is out before the outcome is known, so the outcome is the last line. */
async function streamDeploy(
  request: FastifyRequest,
  reply: FastifyReply,
  { control, log }: RouteContext,
  deploy: DeployRequest,
): Promise<FastifyReply> {
  reply.hijack()
  const out = reply.raw
  out.writeHead(200, STREAM_HEADERS)
  const write = (event: DeployEvent): void => {
    if (out.writable) out.write(`${JSON.stringify(event)}\n`)
  }
  try {
    const result = await control.deploy({
      ...deploy,
      onProgress: (step) => write({ event: 'progress', step }),
    })
    write({ event: 'result', result })
  } catch (thrown) {
    const error = asVelaError(thrown)
    if (error.status >= 500)
      log.error('admin.failed', { requestId: request.id, code: error.code, err: thrown })
    write({ event: 'error', problem: problemOfError(error, request.id) })
  }
  out.end()
  return reply
}
