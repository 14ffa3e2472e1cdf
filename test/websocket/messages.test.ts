/** WebSockets of guests with real clients: what is sent arrives, in order and whole, and both sides hear of the end. */
import { once } from 'node:events'
import { randomBytes } from 'node:crypto'
import { WebSocket } from 'ws'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { describeEngines } from '../engines.ts'
import { startRuntime, until, type TestRuntime } from '../e2e/support.ts'
import { bundleSource } from '../web/harness.ts'
import { openSocket, refusal, type Client } from './client.ts'
import { SERVICE } from './service.ts'

describeEngines('a WebSocket', (engine) => {
  let host: TestRuntime
  beforeAll(async () => {
    host = await startRuntime()
    await host.deploy('s', SERVICE, { manifest: { engine, limits: { cpuMs: 2000 } } })
  })
  afterAll(async () => host[Symbol.asyncDispose]())

  const opened: Client[] = []
  const open = async (path: string, protocols: readonly string[] = []): Promise<Client> => {
    const client = await openSocket(host.urls.gateway, `/t/s${path}`, protocols)
    opened.push(client)
    return client
  }
  const notes = async (): Promise<string[]> => (await host.runtime.invoke('t/s', 'notes')) as string[]

  afterEach(async () => {
    for (const { socket } of opened.splice(0)) socket.terminate()
    await host.settled()
    await notes()
  })

  describe('messages', () => {
    test('of text and bytes come back as they were, whatever is in them', async () => {
      const { socket, next } = await open('/echo')
      const texts = ['plain', '', 'grüße 👋 \u0000\u2028', '\ufeffmarked', 'ü'.repeat(40_000)]
      for (const text of texts) {
        socket.send(text)
        expect(await next()).toBe(text)
      }
      for (const length of [0, 1, 1024, 1025, 70_000, 1_000_000]) {
        const bytes = randomBytes(length)
        socket.send(bytes)
        expect(bytes.equals((await next()) as Buffer)).toBe(true)
      }
      socket.close()
    })

    test('sent without waiting arrive in order, text and bytes mixed', async () => {
      const { socket, next } = await open('/echo')
      const sent = Array.from({ length: 500 }, (_, at) =>
        at % 3 === 0 ? Buffer.alloc(at * 7, at) : `message ${at}`,
      )
      for (const message of sent) socket.send(message)
      const arrived: (string | Buffer)[] = []
      while (arrived.length < sent.length) arrived.push(await next())
      const show = (message: string | Buffer): string =>
        typeof message === 'string' ? message : message.toString('base64')
      expect(arrived.map(show)).toEqual(sent.map(show))
      socket.close()
    })

    test('in fragments are put together, control frames between them notwithstanding', async () => {
      const { socket, next } = await open('/sizes')
      socket.send('one ', { fin: false })
      socket.ping()
      socket.send('two', { fin: true })
      expect(await next()).toBe('text 7')
      socket.send(Buffer.alloc(3), { fin: false })
      socket.send(Buffer.alloc(0), { fin: false })
      socket.send(Buffer.alloc(4), { fin: true })
      expect(await next()).toBe('bytes 7 ArrayBuffer')
      socket.close()
    })

    test('are each a task of their own: what a listener awaits goes on before the next one', async () => {
      await notes()
      const { socket, next } = await open('/tasks')
      for (const text of ['1', '2', '3']) socket.send(text)
      expect(await next()).toBe('done')
      expect(await notes()).toEqual(['a1', 'b1', 'a2', 'b2', 'a3', 'b3'])
      socket.close()
    })

    test('that the guest sends before it has answered follow the handshake', async () => {
      const { next, socket } = await open('/greet')
      expect([await next(), await next(), await next()]).toEqual(['first', Buffer.from([8, 7]), 'third'])
      socket.close()
    })

    test('may be had as Blobs', async () => {
      const { socket, next } = await open('/blob')
      socket.send(Buffer.from('inside'))
      expect(await next()).toBe('Blob inside')
      socket.close()
    })
  })

  describe('the end of a connection', () => {
    test('that the client closes is heard in the guest with code and reason, and waitUntil still holds', async () => {
      const { socket, closed } = await open('/echo')
      socket.close(3001, 'genug für heute')
      expect(await closed).toEqual([3001, 'genug für heute'])
      await host.settled()
      expect(await notes()).toEqual(['close 3001 genug für heute true 3', 'waited'])
    })

    test('without a code is 1005, and an aborted connection is 1006 and not clean', async () => {
      const polite = await open('/echo')
      polite.socket.close()
      await host.settled()
      expect(await notes()).toEqual(['close 1005  true 3', 'waited'])
      const rude = await open('/echo')
      rude.socket.terminate()
      await host.settled()
      expect(await notes()).toEqual(['close 1006  false 3', 'waited'])
    })

    test.each([
      { args: [1000, 'bye'], told: [1000, 'bye'] },
      { args: [4321], told: [4321, ''] },
      { args: [1011, 'grün'], told: [1011, 'grün'] },
      { args: [], told: [1005, ''] },
    ])('that the guest closes with $args reaches the client behind what was sent', async ({ args, told }) => {
      const { socket, next, closed } = await open('/close')
      socket.send(JSON.stringify(args))
      expect(await next()).toBe('closing')
      expect(await closed).toEqual(told)
      await host.settled()
      expect(await notes()).toEqual(['state 2', 'TypeError', `close ${told.join(' ')} true 3`, 'waited'])
    })
  })

  describe('the handshake', () => {
    test('that a guest answers otherwise is refused with that answer', async () => {
      expect(await refusal(host.urls.gateway, '/t/s/refuse')).toEqual({ status: 401, body: 'not you' })
      const threw = await refusal(host.urls.gateway, '/t/s/throw')
      expect([threw.status, JSON.parse(threw.body)]).toMatchObject([500, { code: 'VELA_GUEST_THREW' }])
      const used = await refusal(host.urls.gateway, '/t/s/used')
      expect([used.status, JSON.parse(used.body)]).toMatchObject([500, { code: 'VELA_GUEST_THREW' }])
      const nowhere = await refusal(host.urls.gateway, '/t/nothing/')
      expect([nowhere.status, JSON.parse(nowhere.body)]).toMatchObject([
        404,
        { code: 'VELA_ROUTE_NOT_FOUND' },
      ])
      await host.settled()
    })

    test('agrees on a subprotocol that the client offered, and on no other', async () => {
      const { socket } = await open('/greet?protocol=chat', ['graphql-ws', 'chat'])
      expect(socket.protocol).toBe('chat')
      socket.close()
      const other = await refusal(host.urls.gateway, '/t/s/greet?protocol=chat')
      expect([other.status, JSON.parse(other.body)]).toMatchObject([500, { code: 'VELA_GUEST_BAD_RESPONSE' }])
    })

    test('carries the guest’s headers, but not those that are the host’s', async () => {
      const socket = new WebSocket(`${host.urls.gateway.replace('http', 'ws')}/t/s/greet`)
      const open = once(socket, 'open')
      const [{ headers }] = (await once(socket, 'upgrade')) as [{ headers: Record<string, string> }]
      expect(headers).toMatchObject({ 'x-from-guest': 'yes', 'x-request-id': expect.any(String) })
      expect(headers['sec-websocket-accept']).not.toContain('forged')
      expect(headers['sec-websocket-extensions']).toBe(undefined)
      await open
      socket.close()
    })

    test('of a client that leaves before the answer cancels the turn', async () => {
      const socket = new WebSocket(`${host.urls.gateway.replace('http', 'ws')}/t/s/never`)
      socket.on('error', () => undefined)
      await until('the turn is in flight', async () =>
        (await host.runtime.services('t')).some((one) => one.inFlight > 0),
      )
      socket.terminate()
      await host.settled()
      expect(await notes()).toEqual(['aborted'])
    })

    test('is not what an ordinary request can get: a 101 to it is no response', async () => {
      const response = await host.get('/t/s/echo')
      expect([response.status, await response.json()]).toMatchObject([
        500,
        { code: 'VELA_GUEST_BAD_RESPONSE' },
      ])
      await host.settled()
    })

    test('names the turn: what listeners do is on behalf of its request', async () => {
      const { socket, next } = await open('/context')
      socket.send('')
      expect(await next()).toMatch(/^[a-z0-9]+-\d+$/)
      socket.close()
    })
  })

  test('a pair talks within the guest, in order, each message once, and closes on both ends', async () => {
    expect(await host.runtime.invoke('t/s', 'local')).toEqual({
      got: [
        ['b', 'MessageEvent', 'one'],
        ['b', 'MessageEvent', 'two'],
        ['a', 'MessageEvent', 'three'],
        ['b', 'CloseEvent', [3000, 'done', true]],
        ['a', 'CloseEvent', [3000, 'done', true]],
      ],
      refused: ['TypeError', 'NotSupportedError', 'TypeError', 'InvalidAccessError', 'SyntaxError'],
      states: [3, 3, 1],
      type: 'arraybuffer',
    })
  })

  test('a response with a WebSocket needs status 101, no body, and an end that nobody uses', async () => {
    expect(await host.runtime.invoke('t/s', 'misuse')).toEqual([
      'RangeError',
      'RangeError',
      'TypeError',
      'TypeError',
      'TypeError',
      '',
    ])
  })

  test('two hundred clients at once are each served by their own socket', async () => {
    const clients = await Promise.all(Array.from({ length: 200 }, () => open('/echo')))
    expect((await host.runtime.services('t'))[0]?.inFlight).toBe(200)
    for (const round of [1, 2]) {
      clients.forEach(({ socket }, at) => socket.send(`${round}:${at}`))
      const answers = await Promise.all(clients.map(({ next }) => next()))
      expect(answers).toEqual(clients.map((_, at) => `${round}:${at}`))
    }
    // Requests go beside them.
    expect((await host.get('/t/s/refuse')).status).toBe(401)
    for (const { socket } of clients) socket.close()
    await host.settled()
  })

  test('hono’s upgradeWebSocket for Workers runs unmodified', async () => {
    const source = await bundleSource(`
    import { Hono } from 'hono'
    import { upgradeWebSocket } from 'hono/cloudflare-workers'
    const app = new Hono()
    const events = []
    app.get('/ws', upgradeWebSocket((c) => ({
      onMessage: (event, ws) => ws.send('hono ' + c.req.query('q') + ' ' + event.data),
      onClose: (event) => events.push('closed ' + event.code),
    })))
    app.get('/events', (c) => c.json(events))
    globalThis.app = app
  `)
    await host.deploy('hono', `${source}\nexport default globalThis.app`, { manifest: { engine } })
    const { socket, next, closed } = await openSocket(host.urls.gateway, '/t/hono/ws?q=a')
    socket.send('hi')
    expect(await next()).toBe('hono a hi')
    socket.close(4000)
    await closed
    await until('the service has heard of it', async () =>
      (await (await host.get('/t/hono/events')).text()).includes('closed 4000'),
    )
    expect((await host.get('/t/hono/ws')).status).toBe(404)
  })
})
