/** What goes out and comes back: methods, headers, bodies in both directions, encodings, aborts. */
import { describe, expect, test } from 'vitest'
import { readBody } from '../../host/http/client/client.ts'
import { asker, clientFor, codeOf, errorOf, scopeFor, serve, serveRaw, settled, until } from './support.ts'

const client = clientFor()
const scope = scopeFor()
const ask = asker(client, scope)
const MIB = 1024 * 1024

const mirror = await serve((request, response) => {
  const chunks: Buffer[] = []
  request
    .on('data', (chunk: Buffer) => chunks.push(chunk))
    .on('end', () => {
      response.setHeader('x-raw', JSON.stringify([request.method, request.url, ...request.rawHeaders]))
      response.end(Buffer.concat(chunks))
    })
})

/** Method, URL and flat headers as the server got them. */
async function seen(request: Parameters<typeof ask>[1], path = '/'): Promise<string[]> {
  const answer = await ask(mirror.origin + path, request)
  return JSON.parse(answer.header('x-raw') ?? '[]') as string[]
}

async function* chunksOf(...texts: string[]): AsyncGenerator<Buffer> {
  for (const text of texts) yield await Promise.resolve(Buffer.from(text))
}

test('a request arrives as it was made, and the response as it was given', async () => {
  const answer = await ask(`${mirror.origin}/a%20b?q=1#gone`, {
    method: 'put',
    headers: ['X-One', '1', 'x-one', '2', 'Content-Type', 'text/plain'],
    body: Buffer.from('hello'),
  })
  expect(answer).toMatchObject({ status: 200, statusText: 'OK', redirected: false, text: 'hello' })
  expect(answer.url).toBe(`${mirror.origin}/a%20b?q=1`)
  const [method, url, ...headers] = JSON.parse(answer.header('x-raw') ?? '') as string[]
  expect([method, url]).toEqual(['PUT', '/a%20b?q=1'])
  expect(headers.join('|')).toContain('x-one|1|x-one|2|content-type|text/plain')
  expect(answer.header('content-length')).toBe('5')
  expect(answer.header('connection')).toBeUndefined()
})

test('headers that come twice stay two, and bytes above ASCII stay bytes', async () => {
  const server = await serve((_, response) => {
    response.setHeader('set-cookie', ['a=1', 'b=2'])
    response.setHeader('x-latin', 'caf\u00e9')
    response.end()
  })
  const { headers, header } = await ask(server.origin)
  expect(headers.filter((item, at) => headers[at - 1] === 'set-cookie' && at % 2 === 1)).toEqual([
    'a=1',
    'b=2',
  ])
  expect(header('x-latin')).toBe('caf\u00e9')
})

describe('framing belongs to the client', () => {
  test('headers of connection and framing are dropped, whatever their case', async () => {
    const evil = [
      'Host',
      'other.example',
      'Connection',
      'close, x-secret',
      'Keep-Alive',
      '1',
      'Transfer-Encoding',
      'chunked',
      ...'Content-Length 999 TE trailers Trailer x Upgrade websocket Expect 100-continue'.split(' '),
      ...'Proxy-Authorization x proxy-connection x Proxy-Anything x HTTP2-Settings x'.split(' '),
    ]
    const raw = await seen({ method: 'POST', headers: [...evil, 'x-kept', '1'], body: Buffer.from('abc') })
    expect(raw.slice(2)).toEqual([
      'host',
      mirror.origin.slice('http://'.length),
      ...'connection keep-alive x-kept 1'.split(' '),
      'accept',
      '*/*',
      'accept-encoding',
      'br, gzip, deflate',
      'user-agent',
      'Vela',
      'content-length',
      '3',
    ])
  })

  test.each([
    ['x-a', 'b\r\nx-injected: 1'],
    ['x-a', 'b\nx-injected: 1'],
    ['x-a', 'b\0c'],
    ['x-a', 'caf\u0119'],
    ['x-a\r\nx-injected', '1'],
    ['x a', '1'],
    ['', '1'],
    ['x:y', '1'],
    ['x\u0119', '1'],
  ])('the header %j: %j is refused and nothing is sent', async (name, value) => {
    const server = await serve((_, response) => response.end())
    expect(await codeOf(ask(server.origin, { headers: [name, value] }))).toBe('VELA_FETCH_INVALID')
    expect(server.sockets).toHaveLength(0)
  })

  test.each([
    '',
    'GET /x HTTP/1.1\r\nHost: x\r\n\r\nGET',
    'G T',
    'GET\r\n',
    'CONNECT',
    'connect',
    'TRACE',
    'Track',
    'A'.repeat(100),
  ])('the method %j is refused', async (method) => {
    expect(await codeOf(ask(mirror.origin, { method }))).toBe('VELA_FETCH_INVALID')
  })

  test('no part of a URL breaks the request line', async () => {
    const [, url] = await seen({}, '/a\r\nb\tc d?e f\n\r"<>`{}\u00e9')
    expect(url).toBe('/abc%20d?e%20f%22%3C%3E`{}%C3%A9')
  })

  test('more or larger headers than allowed are refused', async () => {
    const many = Array.from({ length: 258 }, (_, at) => `x${at}`)
    expect(await codeOf(ask(mirror.origin, { headers: many }))).toBe('VELA_FETCH_INVALID')
    expect(await codeOf(ask(mirror.origin, { headers: ['x', 'y'.repeat(40_000)] }))).toBe(
      'VELA_FETCH_INVALID',
    )
  })
})

test('the environment names no proxy for guests', async () => {
  const proxy = await serve((_, response) => response.end('proxied'))
  const names = ['HTTP_PROXY', 'http_proxy', 'HTTPS_PROXY', 'ALL_PROXY', 'NODE_USE_ENV_PROXY']
  for (const name of names) process.env[name] = name === 'NODE_USE_ENV_PROXY' ? '1' : proxy.origin
  try {
    const direct = asker(clientFor(), scope)
    expect((await direct(mirror.origin, { method: 'POST', body: Buffer.from('direct') })).text).toBe('direct')
    expect(proxy.sockets).toHaveLength(0)
  } finally {
    for (const name of names) Reflect.deleteProperty(process.env, name)
  }
})

describe('bodies', () => {
  test('a streamed body is sent chunked, and an empty one too', async () => {
    const raw = await seen({ method: 'POST', body: chunksOf('a', '', 'bc') })
    expect(raw.join(' ')).toContain('transfer-encoding chunked')
    expect((await ask(mirror.origin, { method: 'POST', body: chunksOf('a', '', 'bc') })).text).toBe('abc')
    expect((await ask(mirror.origin, { method: 'POST', body: chunksOf() })).text).toBe('')
  })

  test('GET and HEAD have none', async () => {
    for (const method of ['GET', 'head'])
      expect(await codeOf(ask(mirror.origin, { method, body: Buffer.from('x') }))).toBe('VELA_FETCH_INVALID')
  })

  test('an answer to HEAD, and a status without content, have no body', async () => {
    const server = await serve((request, response) => {
      response.writeHead(request.url === '/204' ? 204 : 200, { 'content-encoding': 'gzip', 'x-is': 'here' })
      response.end()
    })
    for (const [path, method] of [
      ['/204', 'GET'],
      ['/', 'HEAD'],
    ] as const) {
      const response = await client.request(scope, { method, url: server.origin + path })
      expect([response.body, response.headers.includes('here')]).toEqual([undefined, true])
    }
  })

  test('a small one that came with its head can be taken whole', async () => {
    const response = await client.request(scope, {
      method: 'POST',
      url: mirror.origin,
      body: Buffer.from('all'),
    })
    expect(response.body?.takeWhole()?.toString()).toBe('all')
    expect(await readBody(response)).toHaveLength(0)
  })

  test('a response that nobody reads stops the server, and all of it comes when it is read', async () => {
    let written = 0
    const total = 64 * MIB
    const server = await serve((_, response) => {
      const more = (): void => {
        while (written < total) {
          written += MIB
          if (!response.write(Buffer.alloc(MIB))) {
            response.once('drain', more)
            return
          }
        }
        response.end()
      }
      more()
    })
    const response = await client.request(scope, { method: 'GET', url: server.origin })
    expect(await settled(() => written)).toBeLessThan(total / 2)
    let bytes = 0
    for await (const chunk of response.body ?? []) bytes += chunk.length
    expect(bytes).toBe(total)
  })

  test('a server that does not read stops the sender', async () => {
    let read = (): void => undefined
    const server = await serve((request, response) => {
      read = () => {
        let bytes = 0
        request
          .on('data', (chunk: Buffer) => (bytes += chunk.length))
          .on('end', () => response.end(String(bytes)))
      }
    })
    let pulled = 0
    const body = (async function* () {
      for (; pulled < 64; pulled++) yield await Promise.resolve(Buffer.alloc(MIB))
    })()
    const answer = ask(server.origin, { method: 'POST', body })
    expect(await settled(() => pulled)).toBeLessThan(32)
    read()
    expect((await answer).text).toBe(String(64 * MIB))
  })

  test('an answer before the end of the request ends the sending', async () => {
    const server = await serve((_, response) => response.end('enough'))
    let returned = false
    const body: AsyncIterable<Buffer> = {
      [Symbol.asyncIterator]: () => {
        let first = true
        return {
          next: () => {
            const wait = !first
            first = false
            return wait
              ? new Promise(() => undefined)
              : Promise.resolve({ done: false, value: Buffer.from('x') })
          },
          return: () => {
            returned = true
            return Promise.resolve({ done: true, value: undefined })
          },
        }
      },
    }
    expect((await ask(server.origin, { method: 'POST', body })).text).toBe('enough')
    await until(() => returned)
  })

  test('a body that fails closes the connection, and its reason stays out of the message', async () => {
    const body = (async function* () {
      yield await Promise.resolve(Buffer.from('x'))
      throw new Error('/secret/path')
    })()
    const thrown = (await errorOf(ask(mirror.origin, { method: 'POST', body }))) as Error
    expect(thrown).toMatchObject({ code: 'VELA_FETCH_FAILED', message: 'the body of the request failed' })
  })

  test('one that ends too early is an error, not a short body', async () => {
    const server = await serveRaw((socket) => {
      socket.write('HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc', () => socket.destroy())
    })
    expect(await codeOf(ask(server.origin))).toBe('VELA_FETCH_FAILED')
  })
})

test('a range is asked for without encoding, and a wish of the guest is kept', async () => {
  expect((await seen({ headers: ['range', 'bytes=0-1'] })).join(' ')).toContain('accept-encoding identity')
  expect((await seen({ headers: ['Accept-Encoding', 'zstd'] })).join(' ')).toContain(
    'accept-encoding zstd accept',
  )
})
