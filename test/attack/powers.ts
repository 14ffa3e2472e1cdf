/**
 * A host whose guests have every kind of power: key-value storage, fetch to a server of ours, and another service. What a
 * hostile guest does with them must stay its own affair.
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { gzipSync } from 'node:zlib'
import type { JsonValue } from '../../host/registry/types.ts'
import type { EngineName } from '../engines.ts'
import { startTarget, type GuestOptions, type Target } from './harness.ts'

export interface Powers extends Target {
  /** `http://127.0.0.1:port` of a server that guests of `acme` may reach, and guests of `poor` may not. */
  readonly origin: string
  /** What that server was asked, in order. */
  readonly asked: { readonly method: string; readonly url: string; readonly rawHeaders: readonly string[] }[]
  /** `target.handler` with every power. */
  powerful(at: string, body: string, options?: GuestOptions): Promise<void>
  /** `target.deploy` with every power. */
  powerfulModule(at: string, source: string, options?: GuestOptions): Promise<void>
}

const CALLEE = `
export const echo = (...args) => args
export const fail = () => { throw new RangeError('out of range', { cause: new Error('inner') }) }
export const later = (ms) => new Promise((done) => setTimeout(() => done('late'), ms))
export default { async fetch(request) { return new Response(request.method + ' ' + await request.text(), { headers: { 'x-from': 'callee' } }) } }`

/** Everything may be asked for; the addresses decide. */
const ANYWHERE = ['http://*:*', 'https://*:*']

/** A gibibyte of zeros in a mebibyte: gzip members one behind the other are one text. */
const bombOf = (mebibytes: number): Buffer => {
  const member = gzipSync(Buffer.alloc(64 * 1024 * 1024), { level: 9 })
  return Buffer.concat(Array.from({ length: mebibytes / 64 }, () => member))
}

export async function startPowers(engine: EngineName): Promise<Powers> {
  const asked: Powers['asked'] = []
  const bomb = bombOf(1024)
  const answer = (request: IncomingMessage, response: ServerResponse): void => {
    const { method = '', url = '', rawHeaders } = request
    asked.push({ method, url, rawHeaders })
    const { pathname, searchParams } = new URL(url, 'http://x')
    request.resume()
    if (pathname === '/to') response.writeHead(307, { location: searchParams.get('at') ?? '' }).end()
    else if (pathname === '/bomb') response.writeHead(200, { 'content-encoding': 'gzip' }).end(bomb)
    else if (pathname === '/endless') {
      response.writeHead(200)
      const more = (): void => {
        while (response.write(Buffer.alloc(65_536, 'x')));
        response.once('drain', more)
      }
      more()
    } else if (pathname === '/broken') response.destroy()
    else response.writeHead(200, { 'x-pad': 'p', ['__proto__']: 'own' }).end('plain')
  }
  const sockets = new Set<Socket>()
  const server = createServer(answer)
    .on('connection', (socket) => {
      sockets.add(socket)
      socket.on('error', () => undefined)
    })
    .listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  const { port } = server.address() as AddressInfo
  const policy = { default: { fetch: true }, tenants: { acme: { fetch: { networks: ['127.0.0.1'] } } } }
  const target = await startTarget(engine, { policy })
  const capabilities: Record<string, JsonValue> = {
    kv: {},
    fetch: { allow: ANYWHERE },
    services: { callee: { service: 'callee' } },
    workers: {},
  }
  await target.deploy('acme/callee', CALLEE)
  const origin = `http://127.0.0.1:${port}`
  const all = (options: GuestOptions = {}): GuestOptions => ({
    capabilities,
    ...options,
    vars: { origin, ...options.vars },
  })
  return {
    ...target,
    origin,
    asked,
    powerful: (at, body, options) => target.handler(at, body, all(options)),
    powerfulModule: (at, source, options) => target.deploy(at, source, all(options)),
    async close() {
      await target.close()
      for (const socket of sockets) socket.destroy()
      server.close()
    },
  }
}
