/** Real servers on the loopback, and clients that may reach them; everything ends with the test file. */
import { createServer, type IncomingMessage, type RequestListener, type ServerResponse } from 'node:http'
import { createServer as createSecureServer } from 'node:https'
import { type AddressInfo, createServer as createTcpServer, type Server, type Socket } from 'node:net'
import type { TLSSocket } from 'node:tls'
import { afterAll } from 'vitest'
import { VelaError } from '../../host/core/errors.ts'
import {
  type ClientRequest,
  type ClientResponse,
  createHttpClient,
  type HttpClient,
  type HttpClientOptions,
  readBody,
} from '../../host/http/client/client.ts'
import { createFetchScope, type FetchScope, type FetchScopeOptions } from '../../host/http/client/scope.ts'
import { CERTIFICATE, PRIVATE_KEY } from './certificate.ts'

const closers: (() => void | Promise<void>)[] = []
afterAll(async () => {
  for (const close of closers.splice(0)) await close()
})

export interface TestServer {
  readonly port: number
  /** `http://127.0.0.1:port` */
  readonly origin: string
  readonly sockets: Socket[]
}

async function listen(server: Server, host: string, port: number): Promise<TestServer> {
  const sockets: Socket[] = []
  server.on('connection', (socket: Socket) => {
    sockets.push(socket)
    socket.on('error', () => undefined)
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject).listen(port, host, resolve)
  })
  closers.push(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  const { port: taken } = server.address() as AddressInfo
  return { port: taken, origin: `http://${host.includes(':') ? `[${host}]` : host}:${taken}`, sockets }
}

export const serve = (listener: RequestListener, host = '127.0.0.1', port = 0): Promise<TestServer> =>
  listen(createServer(listener), host, port)

export function serveSecure(
  listener: (request: IncomingMessage & { socket: TLSSocket }, response: ServerResponse) => void,
): Promise<TestServer> {
  const server = createSecureServer(
    { cert: CERTIFICATE, key: PRIVATE_KEY },
    listener as unknown as RequestListener,
  )
  return listen(server, '127.0.0.1', 0)
}

/** Bytes as they are, for answers that no HTTP server would give. */
export function serveRaw(onRequest: (socket: Socket) => void): Promise<TestServer> {
  return listen(
    createTcpServer((socket) => socket.once('data', () => onRequest(socket))),
    '127.0.0.1',
    0,
  )
}

export function clientFor(options: HttpClientOptions = {}): HttpClient {
  const client = createHttpClient(options)
  closers.push(() => client.close())
  return client
}

export const ANYWHERE: readonly string[] = ['http://*:*', 'https://*:*']

/** Everything on the loopback, unless it says otherwise. */
export const scopeFor = (options: Partial<FetchScopeOptions> = {}): FetchScope =>
  createFetchScope({
    tenant: 'acme',
    service: 'shop',
    allow: ANYWHERE,
    networks: ['127.0.0.1'],
    ...options,
  })

export interface Answer extends Omit<ClientResponse, 'body'> {
  readonly text: string
  header(name: string): string | undefined
}

export type Ask = (url: string, request?: Partial<ClientRequest>) => Promise<Answer>

/** A whole exchange. */
export function asker(client: HttpClient, scope: FetchScope): Ask {
  return async (url, request = {}) => {
    const response = await client.request(scope, { method: 'GET', url, ...request })
    const { headers } = response
    return {
      ...response,
      text: (await readBody(response)).toString(),
      header: (name) => {
        const at = headers.findIndex((item, index) => index % 2 === 0 && item === name)
        return at < 0 ? undefined : headers[at + 1]
      },
    }
  }
}

/** The code with which it fails, or what it resolves to. */
export async function codeOf(promise: Promise<unknown>): Promise<unknown> {
  const thrown = await errorOf(promise)
  return thrown instanceof VelaError ? thrown.code : thrown
}

export async function errorOf(promise: Promise<unknown>): Promise<unknown> {
  try {
    return await promise
  } catch (thrown) {
    return thrown
  }
}

/** Polls what others do; the test's own time limit ends it. */
export async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 5))
}

/** Resolves with the value at which a count stays. */
export async function settled(count: () => number): Promise<number> {
  let last = -1
  while (count() !== last) {
    last = count()
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
  return last
}

/** A connection is used again in the turn of the event loop after its last response. */
export async function connectionFree(): Promise<void> {
  for (let turn = 0; turn < 3; turn++) await new Promise((resolve) => setImmediate(resolve))
}
