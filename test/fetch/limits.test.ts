/** What a hostile server or guest can take: time, memory, connections and requests are each capped, with a code. */
import { describe, expect, test } from 'vitest'
import { brotliCompressSync, deflateSync, gzipSync } from 'node:zlib'
import { readBody } from '../../host/http/client/client.ts'
import { createRateLimit } from '../../host/http/client/rate-limit.ts'
import { createFetchScope } from '../../host/http/client/scope.ts'
import { asker, clientFor, codeOf, scopeFor, serve, serveRaw, until } from './support.ts'

const MIB = 1024 * 1024
const scope = scopeFor()
const OK = 'HTTP/1.1 200 OK\r\n'

describe('time', () => {
  const client = clientFor({ limits: { connectMs: 300, headersMs: 300, bodyIdleMs: 300 } })
  const ask = asker(client, scope)

  test('a server that never answers is given up', async () => {
    const server = await serve(() => undefined)
    expect(await codeOf(ask(server.origin))).toBe('VELA_FETCH_TIMEOUT')
    await until(() => server.sockets[0]?.destroyed === true)
  })

  test('one that stops in the middle of headers or body too', async () => {
    for (const start of ['HTTP/1.1 200 OK\r\nx: ', `${OK}content-length: 9\r\n\r\nabc`]) {
      const server = await serveRaw((socket) => socket.write(start))
      expect(await codeOf(ask(server.origin))).toBe('VELA_FETCH_TIMEOUT')
    }
  })

  test('a name server that never answers too', async () => {
    const slow = clientFor({ limits: { connectMs: 300 }, resolve: () => new Promise(() => undefined) })
    expect(await codeOf(asker(slow, scope)('http://slow.example/'))).toBe('VELA_FETCH_TIMEOUT')
    expect(slow.stats()).toEqual({ tenants: 0, pools: 0, connections: 0 })
  })
})

describe('size', () => {
  const client = clientFor({
    limits: { responseBytes: MIB, requestBytes: MIB, responseHeaderBytes: 8192, responseHeaders: 50 },
  })
  const ask = asker(client, scope)

  test('a body that announces too much is refused before it is read', async () => {
    const server = await serveRaw((socket) => socket.write(`${OK}content-length: ${MIB + 1}\r\n\r\n`))
    expect(await codeOf(ask(server.origin))).toBe('VELA_FETCH_TOO_LARGE')
    await until(() => server.sockets[0]?.destroyed === true)
  })

  test('one that announces nothing is cut at the cap', async () => {
    const server = await serve((_, response) => {
      const more = (): void => {
        while (response.write(Buffer.alloc(65_536)));
        response.once('drain', more)
      }
      more()
    })
    expect(await codeOf(ask(server.origin))).toBe('VELA_FETCH_TOO_LARGE')
    await until(() => server.sockets[0]?.destroyed === true)
  })

  test.each([
    ['gzip', gzipSync(Buffer.alloc(16 * MIB))],
    ['br', brotliCompressSync(Buffer.alloc(16 * MIB))],
    ['gzip, gzip', gzipSync(gzipSync(Buffer.alloc(16 * MIB)))],
    ['deflate, gzip, identity, br', brotliCompressSync(gzipSync(deflateSync(Buffer.alloc(16 * MIB))))],
  ])('%s that decodes to more than the cap is cut there', async (encoding, bytes) => {
    expect(bytes.length).toBeLessThan(MIB)
    const server = await serve((_, response) => response.setHeader('content-encoding', encoding).end(bytes))
    const response = await client.request(scope, { method: 'GET', url: server.origin })
    let decoded = 0
    const reading = (async () => {
      for await (const chunk of response.body ?? []) decoded += chunk.length
    })()
    expect(await codeOf(reading)).toBe('VELA_FETCH_TOO_LARGE')
    expect(decoded).toBeLessThanOrEqual(MIB)
  })

  test('a body encoded too many times is not decoded at all', async () => {
    const server = await serve((_, response) =>
      response.setHeader('content-encoding', 'gzip,gzip,gzip,gzip').end('x'),
    )
    expect(await codeOf(ask(server.origin))).toBe('VELA_FETCH_FAILED')
  })

  test.each([
    ['too large', `${OK}x: ${'y'.repeat(10_000)}\r\n\r\n`, 'VELA_FETCH_TOO_LARGE'],
    ['too many', `${OK}${'x: y\r\n'.repeat(51)}\r\n`, 'VELA_FETCH_TOO_LARGE'],
    ['no HTTP', 'SSH-2.0-OpenSSH_9.6\r\n', 'VELA_FETCH_FAILED'],
    ['of two lengths', `${OK}content-length: 1\r\ncontent-length: 2\r\n\r\na`, 'VELA_FETCH_FAILED'],
    [
      'of length and chunks',
      `${OK}content-length: 1\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n`,
      'VELA_FETCH_FAILED',
    ],
    [
      'an upgrade nobody asked for',
      'HTTP/1.1 101 Switching\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n',
      'VELA_FETCH_FAILED',
    ],
    ['interim without end', 'HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n'.repeat(20), 'VELA_FETCH_FAILED'],
  ])('a head that is %s is refused', async (_, bytes, code) => {
    const server = await serveRaw((socket) => socket.write(bytes))
    expect(await codeOf(ask(server.origin))).toBe(code)
    await until(() => server.sockets.every((socket) => socket.destroyed))
  })

  test('the body of a request is counted, whole and streamed', async () => {
    const server = await serve((request, response) => {
      request.resume().on('end', () => response.end('all'))
    })
    const stream = async function* (bytes: number): AsyncGenerator<Buffer> {
      for (let sent = 0; sent < bytes; sent += 1024) yield await Promise.resolve(Buffer.alloc(1024))
    }
    const post = (body: Buffer | AsyncIterable<Buffer>): Promise<unknown> =>
      codeOf(ask(server.origin, { method: 'POST', body }))
    expect(await post(Buffer.alloc(MIB + 1))).toBe('VELA_FETCH_TOO_LARGE')
    expect(await post(stream(2 * MIB))).toBe('VELA_FETCH_TOO_LARGE')
    expect(await post(stream(MIB))).toMatchObject({ text: 'all' })
  })
})

describe('number', () => {
  test('a service has so many requests under way, unread bodies counted, and its neighbour is unharmed', async () => {
    const client = clientFor({ limits: { requestsPerService: 3 } })
    const server = await serve((_, response) => response.write('x'))
    const open = (): ReturnType<typeof client.request> =>
      client.request(scope, { method: 'GET', url: server.origin })
    const responses = await Promise.all([open(), open(), open()])
    expect(await codeOf(open())).toBe('VELA_FETCH_RATE_LIMITED')
    const neighbour = await client.request(scopeFor({ service: 'other' }), {
      method: 'GET',
      url: server.origin,
    })
    responses[0]?.body?.cancel()
    responses.push(await open(), neighbour)
    expect(await codeOf(open())).toBe('VELA_FETCH_RATE_LIMITED')
    for (const { body } of responses) body?.cancel()
    expect((await open()).status).toBe(200)
  })

  test('aborted requests count until they are really gone', async () => {
    const client = clientFor({
      limits: { requestsPerService: 2, connectMs: 300 },
      resolve: () => new Promise(() => undefined),
    })
    const ask = asker(client, scope)
    for (let index = 0; index < 2; index++) {
      const controller = new AbortController()
      const asked = codeOf(ask('http://blackhole.example/', { signal: controller.signal }))
      await until(() => client.stats().connections === index + 1)
      controller.abort('gone')
      expect(await asked).toBe('gone')
    }
    expect(await codeOf(ask('http://blackhole.example/'))).toBe('VELA_FETCH_RATE_LIMITED')
    await until(() => client.stats().connections === 0)
    expect(await codeOf(ask('http://blackhole.example/'))).toBe('VELA_FETCH_TIMEOUT')
  })

  test('an origin has so many connections, and what comes more waits its turn', async () => {
    const client = clientFor({ limits: { connectionsPerOrigin: 2 } })
    const server = await serve((_, response) => response.end('x'))
    const ask = asker(client, scope)
    await Promise.all(Array.from({ length: 20 }, () => ask(server.origin)))
    expect(server.sockets).toHaveLength(2)
  })

  test('a tenant has so many connections: idle ones make room, busy ones do not', async () => {
    const client = clientFor({ limits: { connectionsPerTenant: 2 } })
    const idle = await serve((_, response) => response.end('x'))
    const busy = await serve((_, response) => response.write('x'))
    const [one, two, three] = [idle.origin, busy.origin, busy.origin.replace('127.0.0.1', 'localhost')]
    await asker(client, scope)(one)
    const hold = (url: string): ReturnType<typeof client.request> =>
      client.request(scope, { method: 'GET', url })
    const first = await hold(two)
    const second = await hold(two)
    await until(() => idle.sockets[0]?.destroyed === true)
    expect(await codeOf(asker(client, scopeFor({ networks: ['127.0.0.1', '::1'] }))(three))).toBe(
      'VELA_FETCH_RATE_LIMITED',
    )
    expect(await codeOf(asker(client, scopeFor({ tenant: 'globex' }))(one))).toMatchObject({ text: 'x' })
    first.body?.cancel()
    second.body?.cancel()
  })

  test('a rate is kept, each hop of a redirect being a request', async () => {
    let now = 0
    const client = clientFor()
    const slow = createFetchScope(
      { tenant: 'acme', service: 'shop', allow: ['http://*:*'], networks: ['127.0.0.1'], rps: 3 },
      () => now,
    )
    const ask = asker(client, slow)
    const server = await serve((request, response) => {
      if (request.url === '/to') response.writeHead(302, { location: '/' }).end()
      else response.end('x')
    })
    expect((await ask(`${server.origin}/to`)).text).toBe('x')
    expect((await ask(server.origin)).text).toBe('x')
    expect(await codeOf(ask(server.origin))).toBe('VELA_FETCH_RATE_LIMITED')
    now += 334
    expect((await ask(server.origin)).text).toBe('x')
    expect(await codeOf(ask(server.origin))).toBe('VELA_FETCH_RATE_LIMITED')
    now += 334
    expect(await codeOf(ask(`${server.origin}/to`))).toBe('VELA_FETCH_RATE_LIMITED')
  })

  test('a rate never lets more through than a second is worth, and the average', () => {
    let now = 0
    const limit = createRateLimit(10, () => now)
    let taken = 0
    for (; now < 10_000; now += 10) while (limit.take()) taken++
    expect(taken).toBeGreaterThanOrEqual(100)
    expect(taken).toBeLessThanOrEqual(110)
  })
})

test('single bytes cost little: many small chunks are handed over as few', async () => {
  const client = clientFor()
  const server = await serveRaw((socket) => {
    socket.write(`${OK}transfer-encoding: chunked\r\n\r\n${'1\r\nx\r\n'.repeat(10_000)}0\r\n\r\n`)
  })
  const response = await client.request(scope, { method: 'GET', url: server.origin })
  let chunks = 0
  let bytes = 0
  for await (const chunk of response.body ?? []) {
    chunks++
    bytes += chunk.length
  }
  expect(bytes).toBe(10_000)
  expect(chunks).toBeLessThan(100)
  expect(await readBody(response)).toHaveLength(0)
})
