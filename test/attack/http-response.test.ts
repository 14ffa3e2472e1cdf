/** A guest's response can carry what it likes and still is one response: its own, whole, to its own client. */
import { request as httpRequest, Agent } from 'node:http'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { describeEngines } from '../engines.ts'
import { rawClient, rawExchange, startTarget, until, type Target } from './harness.ts'

describeEngines('responses of guests', (engine) => {
  let target: Target
  beforeAll(async () => {
    target = await startTarget(engine)
  })
  afterAll(() => target.close())

  const get = (path: string, method: string = 'GET'): Promise<string> =>
    rawExchange(target.port, `${method} ${path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n`)

  test('a guest cannot break out of a header', async () => {
    const body = `const refused = []
    for (const bad of ['a\\r\\nset-cookie: x=1', 'a\\nb', 'a\\rb', 'a\\0b', 'a\\u010ab', '\\u560a\\u560d']) {
      for (const make of [() => new Headers({ 'x-a': bad }), () => new Headers().append('x-a', bad), () => new Response('', { headers: [['x-a', bad]] }), () => Response.redirect('http://x/' + bad, 302).headers.get('location').includes(bad) || (() => { throw 1 })(), () => request.headers.set('x', bad), () => new Response('', { statusText: bad })])
        try { make(); refused.push(JSON.stringify(bad) + make) } catch {}
      for (const name of [bad, 'a b', 'a:b', '', 'ä']) try { new Headers([[name, 'x']]); refused.push(JSON.stringify(name)) } catch {}
    }
    return Response.json(refused)`
    await target.handler('inject/svc', body)
    expect(await get('/inject/svc/')).toMatch(/\r\n\r\n\[\]$/)
    // Validated once, then changed behind the validation: what is sent must be what was checked.
    const tricky = `let n = 0; const value = { toString() { return n++ === 0 ? 'ok' : 'a\\r\\nx-evil: 1' } }
    const headers = new Headers([['x-a', value]]); String.prototype.toLowerCase = () => 'a\\r\\nx-evil: 1'; RegExp.prototype.exec = () => null; RegExp.prototype.test = () => false
    return new Response('', { headers: [['X-B', 'b'], ['x-c', headers.get('x-a')]] })`
    await target.handler('inject/tricky', tricky)
    expect(await get('/inject/tricky/')).not.toContain('x-evil')
  })

  test('a chunk that lies about its length, or is no bytes at all, cannot write a message of its own', async () => {
    const forged = `5],[0,1,200,[],1,6,0],[3,1,1,0`
    const body = `const lie = (chunk) => Object.defineProperty(chunk, 'length', { value: { valueOf: () => 5, toString: () => '${forged}' } })
    const bytes = () => new TextEncoder().encode('hello')
    if (request.url.endsWith('/patched')) Object.defineProperty(Object.getPrototypeOf(Uint8Array.prototype), 'length', { get: () => ({ valueOf: () => 5, toString: () => '${forged}' }) })
    const chunk = request.url.endsWith('/proxy') ? new Proxy(bytes(), {}) : request.url.endsWith('/own') ? lie(bytes()) : bytes()
    return new Response(new ReadableStream({ pull(c) { c.enqueue(chunk); c.close() } }))`
    await target.handler('chunk/svc', body)
    await target.handler('chunk/sibling', `return new Response('sibling')`)
    const log = target.logOf('chunk/sibling')
    expect(await get('/chunk/svc/own')).toMatch(/\r\n\r\n5\r\nhello\r\n0\r\n\r\n$/)
    expect(await get('/chunk/svc/proxy')).not.toContain('hello')
    expect(await get('/chunk/svc/patched')).not.toMatch(/\],\[/)
    expect(await get('/chunk/sibling/')).toMatch(/sibling$/)
    expect(log.filter(({ message }) => message.includes('ended'))).toEqual([])
    await target.expectUnharmed()
  })

  test('framing is the host’s: a guest’s own never goes out', async () => {
    const headers = `{ 'content-length': '3', 'transfer-encoding': 'chunked', connection: 'upgrade', 'keep-alive': 'x', upgrade: 'h2c', trailer: 'x', te: 'x', 'x-request-id': 'forged', 'Proxy-Connection': 'x', 'x-fine': '1' }`
    await target.handler('frame/svc', `return new Response('0123456789', { headers: ${headers} })`)
    await target.handler(
      'frame/stream',
      `return new Response(new ReadableStream({ start(c) { c.enqueue(new TextEncoder().encode('0123456789')); c.close() } }), { headers: ${headers} })`,
    )
    const whole = await get('/frame/svc/')
    expect(whole).toMatch(/\r\ncontent-length: 10\r\n/)
    expect(whole).toMatch(/\r\n\r\n0123456789$/)
    const streamed = await get('/frame/stream/')
    expect(streamed).toMatch(/a\r\n0123456789\r\n0\r\n\r\n$/)
    for (const answer of [whole, streamed]) {
      expect(answer).not.toMatch(
        /forged|upgrade|h2c|trailer|keep-alive: x|proxy-connection|content-length: 3/i,
      )
      expect(answer).toContain('x-fine: 1')
    }
  })

  test('what has no body sends none, whatever the guest gave', async () => {
    const body = `const status = Number(new URL(request.url).pathname.slice(1)); const stream = () => new ReadableStream({ pull(c) { c.enqueue(new Uint8Array(9000).fill(65)) } })
    if (status) return new Response(null, { status }); return request.url.endsWith('/stream') ? new Response(stream()) : new Response('AAAAAAAA')`
    await target.handler('empty/svc', body)
    for (const status of [204, 205, 304]) {
      const answer = await get(`/empty/svc/${status}`)
      expect(answer).toMatch(new RegExp(`^HTTP/1.1 ${status} [^]*\r\n\r\n$`))
      expect(answer).not.toMatch(/content-length: [1-9]/i)
      // RFC 9110 lets 205 say that nothing follows by an empty chunk; the others have no framing at all.
      if (status !== 205) expect(answer).not.toMatch(/transfer-encoding/i)
      if (status === 204) expect(answer).not.toMatch(/content-length/i)
    }
    for (const path of ['/empty/svc/', '/empty/svc/stream']) {
      const answer = await get(path, 'HEAD')
      expect(answer).toMatch(/^HTTP\/1.1 200 [^]*\r\n\r\n$/)
      expect(answer).not.toContain('AAAA')
    }
    for (const status of [100, 101, 103, 199, 600, 999]) {
      await target.handler('empty/odd', `return new Response(null, { status: ${status} })`)
      expect((await target.get('/empty/odd/')).status).toBe(500)
    }
  })

  test('pipelined requests are answered in order, also when the first is the slowest', async () => {
    const body = `const n = Number(request.headers.get('x-n')); await new Promise((done) => setTimeout(done, (5 - n) * 10)); return new Response('<' + n + '>')`
    await target.handler('pipe/svc', body)
    const requests = [0, 1, 2, 3, 4].map(
      (n) =>
        `GET /pipe/svc/ HTTP/1.1\r\nhost: x\r\nx-n: ${n}\r\n${n === 4 ? 'connection: close\r\n' : ''}\r\n`,
    )
    const answer = await rawExchange(target.port, requests.join(''))
    expect(answer.match(/<\d>/g)).toEqual(['<0>', '<1>', '<2>', '<3>', '<4>'])
  })

  /** Resolves with what came for this id, or 'aborted'. */
  function ask(agent: Agent, id: string, abort: boolean): Promise<string> {
    const { promise, resolve } = Promise.withResolvers<string>()
    const request = httpRequest(
      { port: target.port, path: `/mix/svc/${id}`, method: 'POST', agent },
      (response) => {
        let text = ''
        response.on('data', (chunk: Buffer) => {
          text += chunk.toString()
          if (abort) request.destroy()
        })
        response.on('error', () => resolve('aborted'))
        response.on('end', () => resolve(text))
      },
    )
    request.on('error', () => resolve('aborted'))
    request.end(id.repeat(3))
    if (abort && id.endsWith('7')) setImmediate(() => request.destroy())
    return promise
  }

  test('over shared connections, with many clients and some that leave, everyone gets their own answer', async () => {
    const body = `const id = new URL(request.url).pathname.slice(1); const sent = await request.text()
    if (id.length % 2) await new Promise((done) => setTimeout(done, 1 + id.length % 5))
    const text = id + '|' + sent + '|' + (id + ';').repeat(id.endsWith('3') ? 20000 : 20)
    if (id.endsWith('3') || id.endsWith('8')) return new Response(new ReadableStream({ async pull(c) { c.enqueue(new TextEncoder().encode(text)); c.close() } }))
    if (id.endsWith('9')) throw new Error(id)
    return new Response(text)`
    await target.handler('mix/svc', body, { limits: { cpuMs: 5_000 } })
    const agent = new Agent({ keepAlive: true, maxSockets: 12 })
    const ids = Array.from({ length: 600 }, (_, at) => `${'abcdefg'.slice(0, at % 7)}${at}`)
    const answers = await Promise.all(ids.map((id, at) => ask(agent, id, at % 5 === 2)))
    agent.destroy()
    for (const [at, answer] of answers.entries()) {
      const id = ids[at] as string
      if (answer === 'aborted') expect(at % 5).toBe(2)
      else if (id.endsWith('9')) expect(answer).toContain('VELA_GUEST_THREW')
      else
        expect(answer === `${id}|${id.repeat(3)}|${`${id};`.repeat(id.endsWith('3') ? 20000 : 20)}`).toBe(
          true,
        )
    }
    await until(
      'nothing is left in flight',
      async () => (await target.runtime.services('mix'))[0]?.inFlight === 0,
    )
    await target.expectUnharmed()
  })

  test('a client that leaves cancels its turn, and the guest hears of it', async () => {
    const body = `if (request.url.endsWith('/count')) return new Response(String(globalThis.left ?? 0))
    request.signal.addEventListener('abort', () => { globalThis.left = (globalThis.left ?? 0) + 1 }); await new Promise(() => 0)`
    await target.handler('left/svc', body)
    expect((await target.get('/left/svc/count')).text).toBe('0')
    const client = rawClient(target.port)
    client.send('GET /left/svc/ HTTP/1.1\r\nhost: x\r\n\r\n')
    await until(
      'the turn is in flight',
      async () => (await target.runtime.services('left'))[0]?.inFlight === 1,
    )
    client.socket.destroy()
    await until('the guest was told', async () => (await target.get('/left/svc/count')).text === '1')
  })
})
