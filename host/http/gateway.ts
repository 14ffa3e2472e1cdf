/**
 * The public HTTP side: from the socket to a call and back. Everything up to the call's queue is synchronous, in the tick
 * that parsed the request; node:http does the parsing, strictly.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import type { Call, GuestError } from '../cells/call.ts'
import type { GatewayConfig } from '../core/config.ts'
import { VelaError, type ErrorCode } from '../core/errors.ts'
import type { AccessRecord } from '../core/log.ts'
import { answerClientError } from './client-error.ts'
import { Connection } from './connection.ts'
import { HttpCall, type HttpEnd } from './http-call.ts'
import { SocketCall } from './socket-call.ts'
import { handshakeProblem, takeConnection, wantsWebSocket, withUpgrade, type Upgrade } from './upgrade.ts'
import { runMiddleware, type Middleware } from './middleware.ts'
import { NO_BODY, STREAMED_BODY, gatherBody, isInline } from './request-body.ts'
import { sendProblem } from './respond.ts'
import type { Router } from './router.ts'

/** Where matched requests go. */
export interface GatewayTarget {
  readonly tenant: string
  readonly service: string
  readonly requestBodyBytes: number
  readonly responseBodyBytes: number
  readonly socketMessageBytes: number
  readonly socketIdleMs: number
  dispatch(call: Call): void
  threw(error: GuestError, requestId: string): void
  /** `outcome` is 'ok' or an error code. */
  settled(outcome: string, durationMs: number): void
}

export interface GatewayDeps {
  readonly router: () => Router<GatewayTarget>
  readonly middleware: () => readonly Middleware[]
  readonly access: (record: AccessRecord) => void
  /** A request that never reached a service. */
  readonly refused: (code: ErrorCode) => void
}

export interface Gateway {
  /** Resolves to the URL; rejects with VELA_HOST_PORT_TAKEN. */
  listen(): Promise<string>
  /** No new connections; responses say `connection: close`; resolves when none is left or `deadlineMs` has passed. */
  drain(deadlineMs: number): Promise<void>
  close(): Promise<void>
  connections(): number
}

export function createGateway(deps: GatewayDeps, config: GatewayConfig): Gateway {
  const requestIds = createRequestIds()
  const connections = new Map<Socket, Connection>()
  /** WebSockets and event streams. */
  const lasting = new Set<Lasting>()
  let draining = false
  const isDraining = (): boolean => draining

  const handle = (request: IncomingMessage, response: ServerResponse, upgrade?: Upgrade): void => {
    const startedMs = performance.now()
    const connection = connections.get(request.socket)
    // Gone between parsing and now: nobody would read an answer.
    if (connection === undefined) return void response.destroy()
    const { remote } = connection
    const head = connection.head(request, config.trustProxy)
    const requestId = head.clientRequestId === '' ? requestIds() : head.clientRequestId
    if (draining) response.shouldKeepAlive = false
    const refuse = (code: ErrorCode, detail: string): void => {
      const close = !request.complete && head.bodyBytes !== 0
      const bytes = sendProblem(response, code, requestId, { detail, close })
      deps.refused(code)
      finish(request, requestId, remote, startedMs, undefined, { status: response.statusCode, bytes, code })
    }
    const path = request.url ?? ''
    if (head.authority === '')
      return refuse('VELA_GATEWAY_BAD_REQUEST', 'The Host header is missing or malformed')
    if (!path.startsWith('/')) return refuse('VELA_GATEWAY_BAD_REQUEST', 'The request target must be a path')
    if (upgrade !== undefined) {
      if (draining) return refuse('VELA_GATEWAY_DRAINING', 'This host is shutting down')
      const problem = handshakeProblem(request)
      if (problem !== undefined) return refuse('VELA_GATEWAY_BAD_REQUEST', problem)
    }
    const match = deps.router().match(head.host, path)
    if (match === undefined)
      return refuse('VELA_ROUTE_NOT_FOUND', 'Nothing is deployed at this host and path')
    const { target } = match
    if (head.bodyBytes > target.requestBodyBytes) {
      return refuse(
        'VELA_GATEWAY_BODY_TOO_LARGE',
        `This service accepts at most ${target.requestBodyBytes} bytes`,
      )
    }
    const onEnd = (end: HttpEnd): void => {
      connection.ended(call)
      lasting.delete(call)
      finish(request, requestId, remote, startedMs, target, end)
    }
    const http = new HttpCall({
      request,
      response,
      requestId,
      url: `http://${head.authority}${match.url}`,
      headersJson: upgrade === undefined ? head.headersJson : withUpgrade(head.headersJson),
      startedMs,
      requestLimitBytes: target.requestBodyBytes,
      responseLimitBytes: target.responseBodyBytes,
      closing: isDraining,
      onLast: () => lasting.add(call),
      onEnd,
      onThrew: (error) => target.threw(error, requestId),
    })
    const call =
      upgrade === undefined
        ? http
        : new SocketCall({
            request,
            upgrade,
            http,
            messageBytes: target.socketMessageBytes,
            idleMs: target.socketIdleMs,
            onOpen: () => lasting.add(call),
            onEnd,
          })
    connection.opened(call)
    const dispatch = (): void =>
      upgrade === undefined
        ? dispatchBody(request, response, head.bodyBytes, http, target)
        : target.dispatch(call)
    const middleware = deps.middleware()
    if (middleware.length === 0) return dispatch()
    response.once('close', () => call.closed())
    const { tenant, service } = target
    runMiddleware(middleware, { request, response, requestId, tenant, service }, dispatch, (thrown) => {
      call.failed('VELA_GATEWAY_INTERNAL', thrown instanceof Error ? thrown.message : '')
    })
  }

  const finish = (
    request: IncomingMessage,
    requestId: string,
    remote: string,
    startedMs: number,
    target: GatewayTarget | undefined,
    { status, bytes, code, closeCode }: HttpEnd,
  ): void => {
    const durationMs = performance.now() - startedMs
    target?.settled(code ?? 'ok', durationMs)
    if (!config.accessLog) return
    const method = request.method ?? ''
    const { tenant, service } = target ?? {}
    deps.access({
      requestId,
      method,
      path: request.url ?? '',
      status,
      durationMs,
      bytes,
      tenant,
      service,
      remote,
      code,
      closeCode,
    })
  }

  const server = createServer(
    {
      maxHeaderSize: config.headerBytes,
      headersTimeout: config.headersTimeoutMs,
      requestTimeout: config.requestTimeoutMs,
      keepAliveTimeout: config.keepAliveTimeoutMs,
      connectionsCheckingInterval: 1000,
      noDelay: true,
      // A request without a body needs none of a stream's machinery.
      optimizeEmptyRequests: true,
      shouldUpgradeCallback: wantsWebSocket,
    },
    (request, response) => handle(request, response),
  )
  server.on('upgrade', (request: IncomingMessage, socket: Socket, head: Buffer) => {
    const upgrade = takeConnection(request, socket, head)
    handle(request, upgrade.response, upgrade)
  })
  server.maxConnections = config.maxConnections
  server.on('checkContinue', (request: IncomingMessage, response: ServerResponse) => {
    // A request that is refused for its head must not be told to send its body.
    request.once('resume', () => response.writeContinue())
    handle(request, response)
  })
  server.on('clientError', (error: NodeJS.ErrnoException, socket: Socket) => {
    answerClientError(error, socket, requestIds(), deps.refused)
  })
  server.on('connection', (socket: Socket) => {
    const connection = new Connection(socket)
    connections.set(socket, connection)
    socket.once('close', () => {
      connections.delete(socket)
      connection.closed()
    })
  })

  /** Those that node has given away, too. */
  const closeAll = (): void => {
    server.closeAllConnections()
    for (const socket of connections.keys()) socket.destroy()
  }

  return {
    listen: () => listen(server, config),
    async drain(deadlineMs) {
      draining = true
      const closed = new Promise<void>((resolve) => server.close(() => resolve()))
      // A connection turns idle after its last response; one that never sent a request counts as busy for Node.
      const closeIdle = (): void => {
        // They would last for ever; some have begun only since the last look.
        for (const one of lasting) {
          lasting.delete(one)
          one.shut(GOING_AWAY, 'going away')
        }
        server.closeIdleConnections()
        for (const socket of connections.keys()) if (socket.bytesRead === 0) socket.destroy()
      }
      closeIdle()
      const idler = setInterval(closeIdle, DRAIN_LOOK_MS)
      const timer = setTimeout(closeAll, deadlineMs)
      await closed
      clearInterval(idler)
      clearTimeout(timer)
    },
    async close() {
      closeAll()
      await new Promise<void>((resolve) => server.close(() => resolve()))
    },
    connections: () => connections.size,
  }
}

const DRAIN_LOOK_MS = 50
/** RFC 6455: what the server does when it goes down. */
const GOING_AWAY = 1001

interface Lasting {
  shut(code: number, reason: string): void
}

function dispatchBody(
  request: IncomingMessage,
  response: ServerResponse,
  bodyBytes: number,
  call: HttpCall,
  target: GatewayTarget,
): void {
  if (bodyBytes === 0) {
    call.setBody(NO_BODY)
    return target.dispatch(call)
  }
  if (!isInline(bodyBytes)) {
    call.setBody(STREAMED_BODY)
    return target.dispatch(call)
  }
  gatherBody(request, (body) => {
    call.setBody(body)
    if (!response.destroyed) target.dispatch(call)
  })
}

async function listen(server: Server, config: GatewayConfig): Promise<string> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      reject(
        error.code === 'EADDRINUSE'
          ? new VelaError(
              'VELA_HOST_PORT_TAKEN',
              `The port ${config.port} is taken; choose another with --port or gateway.port, 0 for any free one`,
            )
          : new VelaError(
              'VELA_CONFIG_INVALID',
              `The gateway cannot listen on ${config.host}:${config.port}: ${error.message}`,
            ),
      )
    })
    server.listen(config.port, config.host, () => resolve())
  })
  const { address, family, port } = server.address() as AddressInfo
  const any = address === '0.0.0.0' || address === '::'
  return `http://${any ? 'localhost' : family === 'IPv6' ? `[${address}]` : address}:${port}`
}

function createRequestIds(): () => string {
  const prefix = Math.floor(performance.timeOrigin).toString(36)
  let count = 0
  return () => `${prefix}-${++count}`
}
