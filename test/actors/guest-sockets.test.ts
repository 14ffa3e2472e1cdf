/** Actors that hold WebSockets: a chat room with real clients, tags, and what is sent behind a write. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startHost, type Host } from '../capabilities/support.ts'
import { describeEngines } from '../engines.ts'
import { openSocket } from '../websocket/client.ts'

const SOURCE = `
import { Actor } from '@vela/guest-sdk'
class Room extends Actor {
  closed = []
  fetch(request) {
    const { 0: client, 1: server } = new WebSocketPair()
    const nick = new URL(request.url).searchParams.get('nick')
    this.ctx.acceptWebSocket(server, [nick, 'all'])
    server.send('hello ' + nick)
    return new Response(null, { status: 101, webSocket: client })
  }
  async webSocketMessage(socket, message) {
    const [nick] = this.ctx.getTags(socket)
    if (message === 'leave') return socket.close(4001, 'bye')
    if (message === 'evict') return this.ctx.passivate()
    if (message === 'boom') throw new Error('boom')
    if (typeof message !== 'string') return socket.send(message)
    const count = ((await this.ctx.storage.get('count')) ?? 0) + 1
    await this.ctx.storage.put({ count, text: message })
    for (const each of this.ctx.getWebSockets('all')) each.send(count + ' ' + nick + ': ' + message)
  }
  webSocketClose(socket, code, reason) { this.closed.push([code, reason]) }
  state() { return [this.ctx.getWebSockets().length, this.ctx.getWebSockets('ada').length, this.closed] }
}
export class Chat extends Room {}
export class Small extends Room {}
/** Listens by itself instead of by the methods. */
export class Plain extends Actor {
  fetch() {
    const { 0: client, 1: server } = new WebSocketPair()
    server.accept()
    server.addEventListener('message', async ({ data }) => {
      const count = ((await this.ctx.storage.get('count')) ?? 0) + 1
      await this.ctx.storage.put('count', count)
      server.send(data + ' ' + count)
    })
    return new Response(null, { status: 101, webSocket: client })
  }
  count() { return this.ctx.storage.get('count') }
}
export default {
  async fetch(request, env) {
    const { pathname } = new URL(request.url)
    const [, binding, name, method] = pathname.split('/')
    const stub = env[binding].get(name)
    return method === undefined ? await stub.fetch(request) : Response.json((await stub[method]()) ?? null)
  },
}
`

describeEngines('WebSockets of actors', (engine) => {
  let host: Host
  beforeAll(async () => {
    host = await startHost({
      cells: { spares: 0 },
      policy: { tenants: { small: { actors: { quotaMb: 0.001 } } } },
    })
    for (const tenant of ['acme', 'small']) {
      await host.deploy(`${tenant}/chat`, SOURCE, {
        engine,
        capabilities: { actors: { chat: { class: 'Chat' }, plain: { class: 'Plain' } } },
      })
    }
  })
  afterAll(() => host.runtime.stop())
  const state = async (name: string): Promise<unknown> =>
    (await fetch(`${host.gateway}/acme/chat/chat/${name}/state`)).json()

  test('everybody in a room hears everybody, in one order, and it knows who is there', async () => {
    const [ada, bob] = await Promise.all(
      ['ada', 'bob'].map((nick) => openSocket(host.gateway, `/acme/chat/chat/lobby?nick=${nick}`)),
    )
    if (ada === undefined || bob === undefined) throw new Error('no clients')
    expect([await ada.next(), await bob.next()]).toEqual(['hello ada', 'hello bob'])
    ada.socket.send('hi')
    bob.socket.send('yo')
    const heard = [await ada.next(), await ada.next()]
    expect([await bob.next(), await bob.next()]).toEqual(heard)
    expect(heard.map((text) => String(text).slice(0, 1))).toEqual(['1', '2'])
    expect(heard.map((text) => String(text).slice(2)).sort()).toEqual(['ada: hi', 'bob: yo'])
    expect(await state('lobby')).toEqual([2, 1, []])
    ada.socket.close(4000, 'gone')
    await ada.closed
    await expect.poll(() => state('lobby')).toEqual([1, 0, [[4000, 'gone']]])
    bob.socket.send('leave')
    expect(await bob.closed).toEqual([4001, 'bye'])
    await expect.poll(async () => ((await state('lobby')) as unknown[])[0]).toBe(0)
  })

  test('rooms of different names know nothing of each other', async () => {
    const one = await openSocket(host.gateway, '/acme/chat/chat/one?nick=ada')
    const two = await openSocket(host.gateway, '/acme/chat/chat/two?nick=bob')
    await one.next()
    await two.next()
    one.socket.send('only here')
    expect(await one.next()).toBe('1 ada: only here')
    two.socket.send('and here')
    expect(await two.next()).toBe('1 bob: and here')
    one.socket.terminate()
    two.socket.terminate()
  })

  test('bytes come and go as bytes, and a handler that throws does not end the connection', async () => {
    const ada = await openSocket(host.gateway, '/acme/chat/chat/bytes?nick=ada')
    await ada.next()
    ada.socket.send('boom')
    ada.socket.send(Buffer.from([1, 2, 255]))
    expect(await ada.next()).toEqual(Buffer.from([1, 2, 255]))
    ada.socket.terminate()
  })

  test('an actor that leaves asks its clients to come back', async () => {
    const ada = await openSocket(host.gateway, '/acme/chat/chat/moving?nick=ada')
    await ada.next()
    ada.socket.send('evict')
    expect(await ada.closed).toEqual([1012, 'service restart'])
  })

  test('listeners of its own work too', async () => {
    const client = await openSocket(host.gateway, '/acme/chat/plain/p')
    client.socket.send('a')
    expect(await client.next()).toBe('a 1')
    client.socket.send('b')
    expect(await client.next()).toBe('b 2')
    expect(await (await fetch(`${host.gateway}/acme/chat/plain/p/count`)).json()).toBe(2)
    client.socket.terminate()
  })

  test('what was sent behind a write that failed is never heard', async () => {
    const ada = await openSocket(host.gateway, '/small/chat/chat/quota?nick=ada')
    expect(await ada.next()).toBe('hello ada')
    ada.socket.send('x'.repeat(3000))
    // What it says before it knows of the failure is lost with it.
    const asking = setInterval(() => ada.socket.send(Buffer.from('there?')), 20)
    expect(await ada.next()).toEqual(Buffer.from('there?'))
    clearInterval(asking)
    ada.socket.send('fits')
    let heard = await ada.next()
    while (typeof heard !== 'string') heard = await ada.next()
    expect(heard).toBe('1 ada: fits')
    ada.socket.terminate()
  })
})
