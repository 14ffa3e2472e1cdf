/** The capability: what a manifest may ask, what a policy leaves of it, and the shape a guest's half works against. */
import { describe, expect, test } from 'vitest'
import { AskProblem, type CapabilityCall, type CapabilityResult } from '../../host/capabilities/capability.ts'
import { createFetchKind, type FetchOptions } from '../../host/capabilities/fetch.ts'
import type { JsonValue } from '../../host/registry/types.ts'
import { clientFor, codeOf, errorOf, serve, until } from './support.ts'

const client = clientFor()
const kind = createFetchKind(client)
const place = { tenant: 'acme', service: 'shop', version: 'v1' }

const options = (asked: JsonValue): FetchOptions => kind.parse(asked)[0]?.options as FetchOptions

describe('a manifest', () => {
  test('asks for one binding, in one spelling', () => {
    expect(kind.parse({ allow: ['HTTPS://API.example.com:443/'], rps: 5 })).toEqual([
      {
        name: 'fetch',
        options: { allow: ['https://api.example.com'], rps: 5, networks: [], ownPorts: false },
      },
    ])
    expect(options({ allow: ['https://a.example'] }).rps).toBe(100)
  })

  test.each<[JsonValue, (string | number)[]]>([
    [true, []],
    [null, []],
    ['https://a.example', []],
    [['https://a.example'], []],
    [{}, ['allow']],
    [{ allow: [] }, ['allow']],
    [{ allow: 'https://a.example' }, ['allow']],
    [{ allow: [1] }, ['allow']],
    [{ allow: Array.from({ length: 101 }, (_, at) => `https://h${at}.example`) }, ['allow']],
    [{ allow: ['https://a.example', 'a.example'] }, ['allow', 1]],
    [{ allow: ['https://a.example'], rps: 0 }, ['rps']],
    [{ allow: ['https://a.example'], rps: 'many' }, ['rps']],
    [{ allow: ['https://a.example'], networks: ['10.0.0.0/8'] }, ['networks']],
    [{ allow: ['https://a.example'], ownPorts: true }, ['ownPorts']],
    [
      JSON.parse('{"allow":["https://a.example"],"__proto__":{"networks":["::/0"]}}') as JsonValue,
      ['__proto__'],
    ],
  ])('that says %j is told where it is wrong', (asked, path) => {
    try {
      kind.parse(asked)
      expect.unreachable()
    } catch (thrown) {
      expect(thrown).toBeInstanceOf(AskProblem)
      expect((thrown as AskProblem).path).toEqual(path)
    }
  })
})

describe('a policy', () => {
  const asked = options({ allow: ['https://api.example.com', 'https://*.example.org'], rps: 50 })

  test('of `true` grants what is asked, without any network; without a policy nothing is granted', () => {
    expect(kind.narrow(asked, true, place)).toBe(asked)
    expect(kind.defaultPolicy).toBe(false)
    expect(kind.narrow(asked, false, place)).toMatchObject({ refused: expect.any(String) as string })
  })

  test('gives networks and own ports, and takes of the rate', () => {
    const policy = { networks: ['10.0.0.0/8'], ownPorts: true, rps: 10 }
    expect(kind.narrow(asked, policy, place)).toEqual({ ...asked, ...policy })
    expect(kind.narrow(asked, { rps: 1000 }, place)).toMatchObject({ rps: 50 })
  })

  test('must cover every pattern, and the refusal names the one it does not', () => {
    const covering = { allow: ['https://api.example.com', 'https://*.org'] }
    expect(kind.narrow(asked, covering, place)).toMatchObject({ allow: asked.allow })
    expect(kind.narrow(asked, { allow: ['https://api.example.com'] }, place)).toEqual({
      refused: "the operator's policy does not allow fetch to reach https://*.example.org",
    })
    expect(kind.narrow(asked, { allow: [] }, place)).toMatchObject({ refused: expect.any(String) as string })
  })

  test('that is asked again answers with the same object, so that a grant stays open', () => {
    const policy = { networks: ['127.0.0.1'] }
    expect(kind.narrow(asked, policy, place)).toBe(kind.narrow(asked, policy, place))
  })

  test.each<JsonValue>([
    1,
    'yes',
    [],
    null,
    { networks: ['10.0.0.0/99'] },
    { networks: '10.0.0.0/8' },
    { allow: ['example.com'] },
    { allow: 'https://*' },
    { rps: -1 },
    { ownPorts: 1 },
    { network: [] },
  ])('of %j is told what is wrong, and grants nothing', (policy) => {
    expect(kind.checkPolicy(policy)).toBeTypeOf('string')
    expect(kind.narrow(asked, policy, place)).toMatchObject({ refused: expect.any(String) as string })
  })

  test('and what it leaves is said in one line', () => {
    expect(kind.checkPolicy({ allow: ['https://*'], networks: ['::1'], rps: 1 })).toBeUndefined()
    expect(kind.describe(asked)).toBe(
      'https://api.example.com, https://*.example.org; 50 requests/s, public addresses only',
    )
    expect(kind.describe({ allow: ['https://*'], rps: 1, networks: ['::1'], ownPorts: true })).toBe(
      "https://* (any host); 1 requests/s, also ::1, the host's own ports",
    )
  })
})

describe('a call', async () => {
  const server = await serve((request, response) => {
    if (request.url === '/never') return
    response.setHeader('X-Was', `${request.method} ${String(request.headers['x-sent'] ?? '')}`)
    if (request.url === '/slow') response.write('first')
    else request.pipe(response)
  })
  const capability = kind.open(
    { allow: ['http://*:*'], rps: 1000, networks: ['127.0.0.1'], ownPorts: false },
    place,
  )
  const call = (request: JsonValue, rest: Partial<CapabilityCall> = {}): Promise<CapabilityResult> =>
    Promise.resolve(
      capability.call({
        origin: { gone: false, onGone: () => () => undefined },
        method: 'request',
        args: [request],
        body: undefined,
        requestId: 'r',
        deadlineMs: Number.POSITIVE_INFINITY,
        depth: 0,
        signal: new AbortController().signal,
        ...rest,
      }),
    )
  const get = (path: string): JsonValue => ({
    method: 'GET',
    url: server.origin + path,
    headers: [],
    redirect: 'follow',
  })

  test('answers with the head as its value and the bytes beside it', async () => {
    const request = {
      method: 'POST',
      url: `${server.origin}/x`,
      headers: ['X-Sent', '1'],
      redirect: 'follow',
    }
    const { value, body } = await call(request, { body: Buffer.from('hi') })
    expect(value).toMatchObject({
      status: 200,
      statusText: 'OK',
      url: `${server.origin}/x`,
      redirected: false,
    })
    expect((value as { headers: string[] }).headers.slice(0, 2)).toEqual(['x-was', 'POST 1'])
    const chunks: Uint8Array[] = []
    if (body instanceof Uint8Array) chunks.push(body)
    else for await (const chunk of body ?? []) chunks.push(chunk)
    expect(Buffer.concat(chunks).toString()).toBe('hi')
  })

  test('has no bytes where there can be none, and streams what is still to come', async () => {
    expect((await call({ method: 'HEAD', url: server.origin, headers: [] })).body).toBeUndefined()
    const { body } = await call(get('/slow'))
    const iterator = (body as AsyncIterable<Uint8Array>)[Symbol.asyncIterator]()
    expect(Buffer.from((await iterator.next()).value as Uint8Array).toString()).toBe('first')
    await iterator.return?.()
    await until(() => server.sockets.some((socket) => socket.destroyed))
  })

  test.each<JsonValue>([
    null,
    'http://x.example/',
    [],
    {},
    { method: 'GET', url: 1, headers: [] },
    { method: 'GET', url: 'http://x.example/', headers: ['odd'] },
    { method: 'GET', url: 'http://x.example/', headers: [['a', 'b']] },
    { method: 'GET', url: 'http://x.example/', headers: { length: 0 } },
    { method: 'GET', url: 'http://x.example/', headers: [], redirect: 'always' },
    { method: ['GET'], url: 'http://x.example/', headers: [] },
  ])('of %j is refused', async (request) => {
    expect(await codeOf(call(request))).toBe('VELA_FETCH_INVALID')
  })

  test('of another method than `request` is refused', async () => {
    expect(await codeOf(call(get('/'), { method: 'constructor' }))).toBe('VELA_FETCH_INVALID')
  })

  test('that the guest gives up ends as an AbortError, and closes the connection', async () => {
    const controller = new AbortController()
    const sockets = server.sockets.length
    const asked = errorOf(call(get('/never'), { signal: controller.signal }))
    await until(() => server.sockets.slice(sockets).length + 1 > 0 && client.stats().connections > 0)
    controller.abort()
    expect(await asked).toMatchObject({ name: 'AbortError' })
  })

  test('after the grant is gone fails', async () => {
    const asked = codeOf(call(get('/never')))
    capability.close()
    expect(await asked).toBe('VELA_FETCH_FAILED')
    expect(await codeOf(call(get('/')))).toBe('VELA_FETCH_FAILED')
  })
})
