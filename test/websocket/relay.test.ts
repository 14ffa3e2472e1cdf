/**
 * A WebSocket that goes through another guest: the service that the client reached answers with what an actor or another
 * service answered, and the client is joined to whoever holds the socket, in whatever isolate that is.
 */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { BODY } from '../../guest-sdk/kernel/messages.ts'
import type { Call, TurnLink } from '../../host/cells/call.ts'
import { SocketRelay } from '../../host/cells/relay.ts'
import { ProtocolViolation } from '../../sandbox/protocol/frame-reader.ts'
import { describeEngines } from '../engines.ts'
import { startRuntime, type TestRuntime } from '../e2e/support.ts'
import { openSocket, refusal } from './client.ts'

const ROOMS = `
import { Actor } from '@vela/guest-sdk'
const upgrade = (greeting) => {
  const { 0: client, 1: server } = new WebSocketPair()
  server.accept()
  server.send(greeting)
  server.addEventListener('message', ({ data }) => server.send(typeof data === 'string' ? 'echo ' + data : data))
  return new Response(null, { status: 101, webSocket: client, headers: { 'x-held-by': 'rooms' } })
}
export class Room extends Actor {
  fetch() {
    const { 0: client, 1: server } = new WebSocketPair()
    this.ctx.acceptWebSocket(server, ['member'])
    server.send('room ' + this.ctx.id.name)
    return new Response(null, { status: 101, webSocket: client })
  }
  webSocketMessage(ws, text) {
    for (const each of this.ctx.getWebSockets('member')) each.send(text)
  }
}
let canceled = 0
export const cancels = () => canceled
export function die() { for (;;); }
export default {
  fetch(request) {
    request.signal.addEventListener('abort', () => canceled++)
    if (!request.url.endsWith('/brief')) return upgrade('hello')
    const { 0: client, 1: server } = new WebSocketPair()
    server.accept()
    server.send('bye')
    server.close(3001, 'brief')
    return new Response(null, { status: 101, webSocket: client })
  },
}
`
const FRONT = `
export default {
  async fetch(request, env) {
    const { pathname } = new URL(request.url)
    if (pathname === '/service' || pathname === '/brief') return await env.rooms.fetch(request)
    if (pathname === '/narrow') {
      const answer = await env.narrow.fetch(request)
      // Until the others wait there.
      await new Promise((done) => setTimeout(done, 100))
      return answer
    }
    if (pathname === '/lost') {
      const answer = await env.narrow.fetch(request)
      await env.narrow.die().catch(() => undefined)
      return answer
    }
    if (pathname === '/dropped') { await env.rooms.fetch(request); return new Response('no') }
    if (pathname === '/twice') {
      const answer = await env.rooms.fetch(request)
      try { answer.clone() } catch (error) { return new Response(error.name) }
    }
    return await env.ROOM.get(pathname.slice(1)).fetch(request)
  },
}
`
const FAR = `export default { fetch: (request, env) => env.front.fetch(request) }`

describeEngines('a WebSocket held by another guest', (engine) => {
  let host: TestRuntime
  beforeAll(async () => {
    host = await startRuntime({ drainMs: 300 })
    const manifest = { engine, limits: { cpuMs: 2000 } }
    const rooms = { ...manifest, capabilities: { actors: { ROOM: { class: 'Room' } } } }
    await host.deploy('rooms', ROOMS, { manifest: rooms })
    const capabilities = {
      services: { rooms: { service: 'rooms' }, narrow: { service: 'narrow' } },
      actors: { ROOM: { service: 'rooms', class: 'Room' } },
    }
    const limits = { cpuMs: 200, wallMs: 3000, concurrency: 2 }
    await host.deploy('narrow', ROOMS, { manifest: { ...rooms, limits } })
    await host.deploy('front', FRONT, { manifest: { ...manifest, capabilities } })
    await host.deploy('far', FAR, {
      manifest: { ...manifest, capabilities: { services: { front: { service: 'front' } } } },
    })
  })
  afterAll(async () => host[Symbol.asyncDispose]())

  test.each(['front', 'far'])('reaches its client through %s, greeting and all', async (service) => {
    const { socket, next, closed } = await openSocket(host.urls.gateway, `/t/${service}/service`)
    expect(await next()).toBe('hello')
    socket.send('one')
    socket.send(Buffer.alloc(70_000, 7))
    expect(await next()).toBe('echo one')
    expect(((await next()) as Buffer).equals(Buffer.alloc(70_000, 7))).toBe(true)
    socket.close(3000, 'done')
    expect(await closed).toEqual([3000, 'done'])
    await host.settled()
  })

  test('of an actor joins everybody who came by other services', async () => {
    const one = await openSocket(host.urls.gateway, '/t/front/lobby')
    const two = await openSocket(host.urls.gateway, '/t/far/lobby')
    expect([await one.next(), await two.next()]).toEqual(['room lobby', 'room lobby'])
    one.socket.send('hi')
    expect([await one.next(), await two.next()]).toEqual(['hi', 'hi'])
    // The services between have no turn left: only the sockets are open.
    const open = await host.runtime.services('t')
    expect(Object.fromEntries(open.map((each) => [each.service, each.inFlight]))).toEqual({
      far: 0,
      front: 0,
      narrow: 0,
      rooms: 2,
    })
    one.socket.close()
    two.socket.close()
    await Promise.all([one.closed, two.closed])
    await host.settled()
  })

  test('says what it had to say and closes, also if that was before its client came', async () => {
    const { next, closed } = await openSocket(host.urls.gateway, '/t/front/brief')
    expect(await next()).toBe('bye')
    expect(await closed).toEqual([3001, 'brief'])
    await host.settled()
  })

  test('is given up when the guest between answers with something else', async () => {
    const before = (await host.runtime.invoke('t/rooms', 'cancels')) as number
    expect((await refusal(host.urls.gateway, '/t/front/dropped')).status).toBe(200)
    await host.settled()
    expect(await host.runtime.invoke('t/rooms', 'cancels')).toBe(before + 1)
    expect(await (await fetch(`${host.urls.gateway}/t/front/twice`)).text()).toBe('TypeError')
    await host.settled()
  })

  test('leaves room for the next call as soon as it has its client', async () => {
    const paths = ['/t/front/narrow', '/t/front/narrow', '/t/front/narrow']
    const open = await Promise.all(paths.map((path) => openSocket(host.urls.gateway, path)))
    for (const { next, socket } of open) {
      expect(await next()).toBe('hello')
      socket.close()
    }
    await host.settled()
  })

  test('that is lost before its client came is said to be', async () => {
    const { status, body } = await refusal(host.urls.gateway, '/t/front/lost')
    expect([status, body]).toEqual([502, expect.stringContaining('VELA_CELL_LOST')])
    await host.settled()
  })

  test('cannot answer a request that asked for none', async () => {
    const answer = await fetch(`${host.urls.gateway}/t/front/service`)
    expect([answer.status, ((await answer.json()) as { code: string }).code]).toEqual([
      500,
      'VELA_GUEST_BAD_RESPONSE',
    ])
    await host.settled()
  })

  test('ends with the cell that holds it', async () => {
    const { next, closed } = await openSocket(host.urls.gateway, '/t/front/service')
    expect(await next()).toBe('hello')
    await host.runtime.deleteService('t', 'rooms')
    expect((await closed)[0]).toBe(1001)
    await host.settled()
  })
})

test('what breaks the protocol before the client came is the fault of who said it, not of who passes it on', () => {
  const said: unknown[] = []
  const client = {
    data: () => {
      throw new ProtocolViolation('Bytes come that belong to no message')
    },
    failed: (code: string) => void said.push(code),
  }
  const relay = new SocketRelay([], { cancel: (code: string) => void said.push(code) } as TurnLink)
  relay.data(Buffer.from('stray'), BODY.bytes)
  relay.close(1000, '')
  relay.join(client as unknown as Call)
  expect(said).toEqual(['VELA_TURN_CANCELED', 'VELA_CELL_LOST'])
})
