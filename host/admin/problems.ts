/**
 * How the control API fails: always an RFC 9457 problem document with the request's id. What is not a VelaError
 * is a fault of ours: it goes to the log whole and to the client as a title alone (no stack, no path).
 */
import type { Socket } from 'node:net'
import type { FastifyInstance, FastifyReply } from 'fastify'
import { ERRORS, problemOf, VelaError, type Problem } from '../core/errors.ts'

export interface AdminLog {
  info(event: string, fields: Record<string, unknown>): void
  warn(event: string, fields: Record<string, unknown>): void
  error(event: string, fields: Record<string, unknown>): void
}

export function problemOfError(error: VelaError, requestId: string): Problem {
  const problem = problemOf(error.code, requestId, error.message)
  const showDetails = ERRORS[error.code].exposed && Object.keys(error.details).length > 0
  return showDetails ? { ...problem, details: error.details } : problem
}

export function installProblems(app: FastifyInstance, log: AdminLog): void {
  app.setErrorHandler((thrown, request, reply) => {
    const error = asVelaError(thrown)
    if (ERRORS[error.code].status >= 500) {
      log.error('admin.failed', { requestId: request.id, code: error.code, err: thrown })
    }
    return sendProblem(reply, error, request.id)
  })
  app.setNotFoundHandler((request, reply) => {
    const message = `there is no ${request.method} ${request.url.split('?', 1)[0] ?? ''} in the control API`
    return sendProblem(reply, new VelaError('VELA_ADMIN_NOT_FOUND', message), request.id)
  })
}

export function sendProblem(
  reply: Pick<FastifyReply, 'header' | 'status' | 'send'>,
  error: VelaError,
  requestId: string,
): FastifyReply {
  if (error.status === 401) void reply.header('www-authenticate', 'Bearer')
  if (error.status === 429 || error.status === 503) void reply.header('retry-after', '1')
  // As bytes: to text fastify would add a charset, which this media type does not have.
  const document = Buffer.from(JSON.stringify(problemOfError(error, requestId)))
  return reply.status(error.status).header('content-type', 'application/problem+json').send(document)
}

/** Fastify's own refusals are the caller's mistakes; anything else that is thrown here is ours. */
export function asVelaError(thrown: unknown): VelaError {
  if (thrown instanceof VelaError) return thrown
  const { code, statusCode } = (thrown ?? {}) as { code?: unknown; statusCode?: unknown }
  if (code === 'FST_ERR_CTP_BODY_TOO_LARGE') {
    return new VelaError('VELA_GATEWAY_BODY_TOO_LARGE', 'the body is larger than this address accepts')
  }
  if (code === 'FST_ERR_CTP_INVALID_MEDIA_TYPE') {
    return new VelaError('VELA_ADMIN_BAD_REQUEST', 'send the body as content-type application/json')
  }
  if (
    typeof code === 'string' &&
    code.startsWith('FST_') &&
    typeof statusCode === 'number' &&
    statusCode < 500
  ) {
    const message = thrown instanceof Error ? thrown.message : 'malformed request'
    return new VelaError('VELA_ADMIN_BAD_REQUEST', message, { cause: thrown })
  }
  return new VelaError('VELA_GATEWAY_INTERNAL', 'internal failure', { cause: thrown })
}

/** What is not HTTP at all gets a problem too, and its connection is closed. */
export function refuseMalformed(error: NodeJS.ErrnoException, socket: Socket): void {
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy()
    return
  }
  const code =
    error.code === 'HPE_HEADER_OVERFLOW'
      ? 'VELA_GATEWAY_HEADERS_TOO_LARGE'
      : error.code === 'ERR_HTTP_REQUEST_TIMEOUT'
        ? 'VELA_GATEWAY_TIMEOUT'
        : 'VELA_ADMIN_BAD_REQUEST'
  const problem = problemOf(code)
  const body = JSON.stringify(problem)
  socket.end(
    `HTTP/1.1 ${problem.status} Refused\r\ncontent-type: application/problem+json\r\n` +
      `content-length: ${Buffer.byteLength(body)}\r\nconnection: close\r\n\r\n${body}`,
  )
}
