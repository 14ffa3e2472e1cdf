/**
 * What a guest can hold outside its own heap, or for longer than a turn: calls, unread bodies, sockets, compressors, keys,
 * messages, and work that goes on when the answer is out. Each has a cap, a typed refusal, and neighbours that go on.
 */
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { readProcessStats } from '../../host/cells/process-stats.ts'
import { describeEngines } from '../engines.ts'
import { openSocket, refusal } from '../websocket/client.ts'
import { cellPids, until } from './harness.ts'
import { startPowers, type Powers } from './powers.ts'

const residentMb = (): number =>
  Math.max(...cellPids().map((pid) => readProcessStats(pid)?.residentBytes ?? 0)) / 1024 / 1024

describeEngines('what is held', (engine) => {
  let target: Powers
  beforeAll(async () => {
    target = await startPowers(engine)
  })
  afterAll(() => target.close())
  afterEach(() => target.expectUnharmed())

  test('calls in flight over the number are refused, and the others go on', async () => {
    const body = `const calls = await Promise.allSettled(Array.from({ length: 30 }, () => env.callee.later(50)))
      return Response.json(calls.map(({ value, reason }) => value ?? reason.code))`
    await target.powerful('acme/calls', body, { limits: { calls: 10 } })
    const results = JSON.parse((await target.get('/acme/calls/')).text) as string[]
    expect(results.filter((result) => result === 'late')).toHaveLength(10)
    expect(results.filter((result) => result === 'VELA_CAPABILITY_OVERLOADED')).toHaveLength(20)
  })

  test('bodies that nobody reads count among them, stop their server, and end with the turn', async () => {
    const body = `if (request.url.endsWith('/again')) return new Response((await (await fetch(env.origin + '/plain')).text()))
      const answers = await Promise.allSettled(Array.from({ length: 12 }, () => fetch(env.origin + '/endless')))
      return Response.json(answers.map(({ value, reason }) => value?.status ?? reason.code))`
    await target.powerful('acme/unread', body, { limits: { calls: 5 } })
    const before = process.memoryUsage().rss
    const results = JSON.parse((await target.get('/acme/unread/')).text) as unknown[]
    expect(results.filter((result) => result === 200)).toHaveLength(5)
    expect(results.filter((result) => result === 'VELA_CAPABILITY_OVERLOADED')).toHaveLength(7)
    expect((process.memoryUsage().rss - before) / 1024 / 1024).toBeLessThan(100)
    expect((await target.get('/acme/unread/again')).text).toBe('plain')
  })

  test('arguments over their size are refused without being read', async () => {
    await target.powerful(
      'acme/args',
      `try { return new Response(String((await env.callee.echo('x'.repeat(2e6)))[0].length)) } catch (error) { return new Response(error.name + ' ' + error.code) }`,
      { limits: { cpuMs: 5_000 } },
    )
    expect((await target.get('/acme/args/')).text).toBe('RangeError VELA_CAPABILITY_BAD_CALL')
  })

  test('sockets over the number are refused, and one that goes makes room', async () => {
    const body = `const { 0: client, 1: server } = new WebSocketPair(); server.accept(); server.addEventListener('message', ({ data }) => server.send(data)); return new Response(null, { status: 101, webSocket: client })`
    await target.handler('acme/sockets', body, { limits: { sockets: 2 } })
    const open = [
      await openSocket(target.gateway, '/acme/sockets/'),
      await openSocket(target.gateway, '/acme/sockets/'),
    ]
    expect((await refusal(target.gateway, '/acme/sockets/')).status).toBe(429)
    open[0]?.socket.close()
    await open[0]?.closed
    const third = await until('there is room', () =>
      openSocket(target.gateway, '/acme/sockets/').catch(() => undefined),
    )
    third.socket.send('still served')
    expect(await third.next()).toBe('still served')
    for (const { socket } of [...open, third]) socket.terminate()
  })

  test('compressors over the number end the one that was idle longest, and the cell stays small', async () => {
    const body = `const noise = crypto.getRandomValues(new Uint8Array(60000)), open = []
      for (let i = 0; i < 140; i++) { const { writable, readable } = new CompressionStream('gzip'), writer = writable.getWriter(), reader = readable.getReader(); writer.write(noise).catch(() => 0); await reader.read(); open.push({ writer, reader }) }
      const ends = await Promise.all([open[0], open[139]].map(async ({ writer, reader }) => { try { writer.close().catch(() => 0); for (;;) if ((await reader.read()).done) return 'ended' } catch (error) { return error.name } }))
      return Response.json(ends)`
    await target.handler('holds/compressors', body, { limits: { cpuMs: 10_000 } })
    const ends = JSON.parse((await target.get('/holds/compressors/')).text) as string[]
    expect(ends).toEqual(['QuotaExceededError', 'ended'])
    expect(residentMb()).toBeLessThan(250)
  })

  test('keys without number are the guest’s own memory, not the cell’s', async () => {
    const body = `const all = []; const data = new Uint8Array(16); for (let i = 0; i < 1500; i++) { const key = await crypto.subtle.importKey('raw', crypto.getRandomValues(new Uint8Array(32)), { name: 'HMAC', hash: 'SHA-256' }, false, ['sign']); await crypto.subtle.sign('HMAC', key, data); all.push(key) } return new Response('held ' + all.length)`
    await target.handler('holds/keys', body, { limits: { cpuMs: 15_000 } })
    expect((await target.get('/holds/keys/')).text).toBe('held 1500')
    expect(residentMb()).toBeLessThan(250)
  })

  test('messages that nobody takes are the guest’s memory, and fill it', async () => {
    const body = `const { port1, port2 } = new MessageChannel(); globalThis.kept = port2; const text = 'x'.repeat(10000); for (;;) port1.postMessage([text, {}, new Uint8Array(10000)])`
    await target.handler('holds/messages', body, { limits: { cpuMs: 20_000, memoryMb: 16 } })
    const { code } = await target.get('/holds/messages/')
    expect(code).toMatch(/^VELA_(TURN_EXCEEDED_MEMORY|GUEST_THREW)$/)
  })

  const ENDLESS: Readonly<Record<string, string>> = {
    'two ports that answer each other': `const { port1, port2 } = new MessageChannel(); port1.onmessage = port2.onmessage = ({ target }) => { step(); target.postMessage(0) }; port1.postMessage(0)`,
    timers: `const again = () => { step(); setTimeout(again, 0) }; again()`,
    'calls of another service': `const again = () => { step(); env.callee.echo(1).then(again, again) }; again()`,
  }
  for (const [index, [name, begin]] of Object.entries(ENDLESS).entries()) {
    test(`work after the answer does not go on by itself: ${name}`, async () => {
      const at = `acme/after${index}`
      // Time stands still within an entry, so that times are entries.
      const body = `globalThis.entries ??= new Set()
        if (request.url.endsWith('/entries')) return new Response(String(entries.size))
        const step = () => { entries.add(Date.now()) }
        ${begin}; return new Response('sent')`
      await target.powerful(at, body, { limits: { cpuMs: 1_000 } })
      expect((await target.get(`/${at}/`)).text).toBe('sent')
      const end = performance.now() + 400
      for (let round = 0; round < 60 || performance.now() < end; round++) await target.get('/witness/echo/')
      expect(Number((await target.get(`/${at}/entries`)).text)).toBeLessThan(6)
    })
  }
})
