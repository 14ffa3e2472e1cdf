/** What the control API does with well-meant and hostile requests, over a real socket. */
import { once } from 'node:events'
import { connect } from 'node:net'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { VelaError } from '../../host/core/errors.ts'
import { deployRequest, startTestHost, type TestHost } from './harness.ts'

let host: TestHost
beforeAll(async () => {
  host = await startTestHost({ uploads: { perTenant: 2, total: 3 } })
})
afterAll(() => host.close())

const shop = '/v1/tenants/acme/services/shop'
const operator = (): { token: string } => ({ token: host.tokens.operator })

/** A raw request, for what no HTTP client would send. */
function rawAnswer(bytes: string): Promise<string> {
  const { port } = new URL(host.url)
  return new Promise((settle, fail) => {
    let text = ''
    const socket = connect(Number(port), '127.0.0.1', () => socket.write(bytes))
    socket.on('data', (chunk) => (text += chunk.toString()))
    socket.on('end', () => settle(text))
    socket.on('error', fail)
  })
}

test('malformed JSON is answered with its place and without its text', async () => {
  const raw = '{\n  "value": "hunter2"\n  "more": 1\n}'
  const answer = await host.request('PUT', `${shop}/secrets/KEY`, { ...operator(), raw })
  expect(answer.status).toBe(400)
  expect(answer.json).toMatchObject({ code: 'VELA_ADMIN_BAD_REQUEST', details: { line: 3, column: 3 } })
  expect(answer.text).not.toContain('hunter2')
})

test.each([
  ['POST', '/v1/tenants', {}, 'name'],
  ['POST', '/v1/tenants', { name: 'x', limits: { cpuMs: -1 } }, 'limits.cpuMs'],
  ['POST', '/v1/tenants', { name: 'x', limits: { cpu: 1 } }, 'limits'],
  ['POST', '/v1/tokens', { tenant: 'acme', scopes: ['root'] }, 'scopes.0'],
  ['POST', '/v1/tokens', { tenant: 'acme', scopes: [] }, 'scopes'],
  ['POST', `${shop}/invoke`, { method: 1 }, 'method'],
  ['POST', `${shop}/invoke`, { method: 'm', args: {} }, 'args'],
  ['PUT', `${shop}/secrets/KEY`, { value: 1 }, 'value'],
  ['POST', `${shop}/deployments`, { manifest: {} }, 'source'],
  ['POST', `${shop}/rollback`, { version: 7 }, 'version'],
])('%s %s with %j names the key %s', async (method, path, body, key) => {
  const answer = await host.request(method, path, { ...operator(), body })
  expect(answer.status).toBe(400)
  expect(answer.json).toMatchObject({ code: 'VELA_ADMIN_BAD_REQUEST', details: { in: 'body', key } })
})

test('keys that no route knows are refused, prototype keys among them', async () => {
  for (const raw of ['{"name":"x","admin":true}', '{"name":"x","__proto__":{"limits":{}}}']) {
    const answer = await host.request('POST', '/v1/tenants', { ...operator(), raw })
    expect([answer.status, answer.json['code']]).toEqual([400, 'VELA_ADMIN_BAD_REQUEST'])
  }
  expect(({} as { limits?: unknown }).limits).toBeUndefined()
})

test('a body of another content type is refused', async () => {
  const headers = { 'content-type': 'text/plain' }
  const answer = await host.request('POST', '/v1/tenants', { ...operator(), raw: '{}', headers })
  expect([answer.status, answer.json['code']]).toEqual([400, 'VELA_ADMIN_BAD_REQUEST'])
})

test('a body over the cap is refused, and without a token it is not even read', async () => {
  const raw = JSON.stringify({ name: 'x'.repeat(300 * 1024) })
  const tooLarge = await host.request('POST', '/v1/tenants', { ...operator(), raw })
  expect([tooLarge.status, tooLarge.json['code']]).toEqual([413, 'VELA_GATEWAY_BODY_TOO_LARGE'])
  // Announced, never sent: an answer comes at once because nobody waits for the body.
  const unread = await rawAnswer(
    `POST ${shop}/deployments HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: 60000000\r\n\r\n`,
  )
  expect(unread).toContain('401')
  expect(unread).toContain('VELA_AUTH_MISSING')
})

test('nesting that would overflow a reader is refused', async () => {
  const raw = `{"method":"m","args":[${'['.repeat(50_000)}${']'.repeat(50_000)}]}`
  const answer = await host.request('POST', `${shop}/invoke`, { ...operator(), raw })
  expect([answer.status, answer.json['code']]).toEqual([400, 'VELA_ADMIN_BAD_REQUEST'])
})

test.each(['/v1/tenants/%zz/services', `/v1/tenants/${'a'.repeat(2000)}/services`])(
  'the malformed address %.30s is a problem document',
  async (path) => {
    const answer = await host.request('GET', path, operator())
    expect(answer.headers.get('content-type')).toBe('application/problem+json')
    expect(answer.status).toBeGreaterThanOrEqual(400)
    expect(answer.status).toBeLessThan(500)
  },
)

test('what is not HTTP gets a problem document and is hung up on', async () => {
  const answer = await rawAnswer('NOT HTTP AT ALL\r\n\r\n')
  expect(answer).toMatch(/^HTTP\/1\.1 400 /)
  expect(answer).toContain('VELA_ADMIN_BAD_REQUEST')
})

test.each(['a..b', '%252e%252e', 'Acme', '__proto__', 'a%00b', 'a%2fb', '%F0%9F%92%A9'])(
  'a tenant of the hostile name %s is refused, never found',
  async (name) => {
    const answer = await host.request('GET', `/v1/tenants/${name}/services`, operator())
    expect(answer.status).toBeGreaterThanOrEqual(400)
    expect(answer.status).toBeLessThan(500)
  },
)

test('an unknown tenant, service, version and method are each a 404 of their own code', async () => {
  expect(await codeOf('GET', '/v1/tenants/nobody/services')).toBe('VELA_TENANT_NOT_FOUND')
  expect(await codeOf('GET', '/v1/tenants/acme/services/none/versions')).toBe('VELA_SERVICE_NOT_FOUND')
  expect(await codeOf('GET', '/v1/tenants/acme/services/none/logs')).toBe('VELA_SERVICE_NOT_FOUND')
  expect(await codeOf('POST', `${shop}/rollback`, { version: 'ffffffffffff' })).toBe('VELA_VERSION_NOT_FOUND')
  expect(await codeOf('POST', `${shop}/invoke`, { method: 'missing' })).toBe('VELA_METHOD_NOT_FOUND')
  expect(await codeOf('DELETE', '/v1/tokens/none')).toBe('VELA_ADMIN_NOT_FOUND')
})

test('what fails inside is a bare 500: no message, stack or path of the host', async () => {
  host.control.onInvoke = () => Promise.reject(new TypeError(`boom in ${import.meta.filename}`))
  const answer = await host.request('POST', `${shop}/invoke`, { ...operator(), body: { method: 'm' } })
  expect(answer.status).toBe(500)
  expect(answer.text).not.toMatch(/boom|\.ts|at /)
  const failed = host.logged.find((line) => line.event === 'admin.failed')
  expect(failed?.fields['requestId']).toBe(answer.json['requestId'])
})

test('an error of a guest keeps its code and its details', async () => {
  host.control.onInvoke = () =>
    Promise.reject(new VelaError('VELA_GUEST_THREW', 'TypeError: no', { details: { line: 3 } }))
  const answer = await host.request('POST', `${shop}/invoke`, { ...operator(), body: { method: 'm' } })
  expect(answer.json).toMatchObject({
    code: 'VELA_GUEST_THREW',
    detail: 'TypeError: no',
    details: { line: 3 },
  })
})

test('undefined is told from null in what a method returns', async () => {
  const call = async (): Promise<unknown> =>
    (await host.request('POST', `${shop}/invoke`, { ...operator(), body: { method: 'm' } })).json
  host.control.onInvoke = () => Promise.resolve(undefined)
  expect(await call()).toEqual({})
  host.control.onInvoke = () => Promise.resolve(null)
  expect(await call()).toEqual({ result: null })
})

test('secrets are stored and listed by name; no answer and no log has a value', async () => {
  const path = `${shop}/secrets`
  const value = 'correct-horse-battery'
  expect((await host.request('PUT', `${path}/KEY`, { ...operator(), body: { value } })).status).toBe(204)
  const names = await host.request('GET', path, operator())
  expect(names.text).toBe('["KEY"]')
  expect(await host.registry.readSecrets('acme', 'shop')).toEqual({ KEY: value })
  expect((await host.request('DELETE', `${path}/KEY`, operator())).status).toBe(204)
  expect(JSON.stringify(host.logged)).not.toContain(value)
})

test('every change is logged with the public id of its token, and no token text is', async () => {
  host.logged.length = 0
  await host.request('POST', '/v1/tenants', { ...operator(), body: { name: 'initech' } })
  await host.request('DELETE', '/v1/tenants/initech', operator())
  expect(host.logged.map((line) => [line.fields['method'], line.fields['status']])).toEqual([
    ['POST', 201],
    ['DELETE', 204],
  ])
  expect(JSON.stringify(host.logged)).not.toContain(host.tokens.operator)
})

test('a deploy answers once, or step by step to those who ask for it', async () => {
  const { manifest, bundle } = deployRequest('acme', 'shop', 'export default { a: 1 }')
  const body = { manifest, ...bundle }
  const plain = await host.request('POST', `${shop}/deployments`, { token: host.tokens.acmeDeploy, body })
  expect(plain.json).toMatchObject({
    tenant: 'acme',
    service: 'shop',
    version: expect.stringMatching(/^\w{12}$/),
  })
  const headers = { accept: 'application/x-ndjson' }
  const streamed = await host.request('POST', `${shop}/deployments`, {
    token: host.tokens.acmeDeploy,
    body,
    headers,
  })
  const events = streamed.text
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as { event: string })
  expect(events.map(({ event }) => event)).toEqual(['progress', 'progress', 'result'])
})

test('a streamed deploy that fails says so in its last line, as a problem', async () => {
  host.control.onDeploy = () =>
    Promise.reject(
      new VelaError('VELA_DEPLOY_START_THREW', 'src/index.ts:1:7: boom', { details: { line: 1 } }),
    )
  const { manifest, bundle } = deployRequest('acme', 'shop')
  const answer = await host.request('POST', `${shop}/deployments`, {
    ...operator(),
    body: { manifest, ...bundle },
    headers: { accept: 'application/x-ndjson' },
  })
  const last = JSON.parse(answer.text.trim().split('\n').at(-1) ?? '') as Record<string, unknown>
  expect(last).toMatchObject({
    event: 'error',
    problem: { code: 'VELA_DEPLOY_START_THREW', detail: 'src/index.ts:1:7: boom', details: { line: 1 } },
  })
  host.control.onDeploy = () => Promise.resolve()
})

test('a manifest for another service than the address names is refused', async () => {
  const { manifest, bundle } = deployRequest('acme', 'other')
  const answer = await host.request('POST', `${shop}/deployments`, {
    ...operator(),
    body: { manifest, ...bundle },
  })
  expect(answer.json['code']).toBe('VELA_ADMIN_BAD_REQUEST')
  expect(answer.json['detail']).toContain('"other"')
})

test('one tenant’s uploads are capped and its neighbour’s go on; places come back', async () => {
  const gate = Promise.withResolvers<void>()
  const inside = Promise.withResolvers<void>()
  let waiting = 0
  host.control.onDeploy = ({ tenant }) => {
    if (tenant !== 'acme') return Promise.resolve()
    if (++waiting === 2) inside.resolve()
    return gate.promise
  }
  const deploy = (tenant: string): ReturnType<TestHost['request']> => {
    const { manifest, bundle } = deployRequest(tenant, 'shop')
    const path = `/v1/tenants/${tenant}/services/shop/deployments`
    return host.request('POST', path, { ...operator(), body: { manifest, ...bundle } })
  }
  const held = [deploy('acme'), deploy('acme')]
  await inside.promise
  const third = await deploy('acme')
  expect([third.status, third.json['code']]).toEqual([429, 'VELA_TENANT_QUOTA_EXCEEDED'])
  expect((await deploy('globex')).status).toBe(200)
  gate.resolve()
  for (const answer of await Promise.all(held)) expect(answer.status).toBe(200)
  expect((await deploy('acme')).status).toBe(200)
  host.control.onDeploy = () => Promise.resolve()
})

test('an upload that breaks off gives its place back', async () => {
  const { port } = new URL(host.url)
  const headers =
    `POST ${shop}/deployments HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${host.tokens.operator}\r\n` +
    'content-type: application/json\r\ncontent-length: 1000\r\nexpect: 100-continue\r\n\r\n{"'
  for (let index = 0; index < 20; index++) {
    const socket = connect(Number(port), '127.0.0.1', () => {
      // In turns: before its token was looked up, and when the host (by "100 Continue") waits for the body.
      if (index % 2 === 0) socket.end(headers, () => socket.destroy())
      else socket.write(headers)
    })
    socket.once('data', () => socket.destroy())
    await once(socket, 'close')
  }
  const { manifest, bundle } = deployRequest('acme', 'shop')
  await expect
    .poll(
      async () =>
        (await host.request('POST', `${shop}/deployments`, { ...operator(), body: { manifest, ...bundle } }))
          .status,
    )
    .toBe(200)
})

test('metrics are Prometheus text', async () => {
  const answer = await host.request('GET', '/metrics', operator())
  expect(answer.headers.get('content-type')).toContain('text/plain; version=0.0.4')
  expect(answer.text).toContain('vela_cells 1')
})

async function codeOf(method: string, path: string, body?: unknown): Promise<unknown> {
  return (await host.request(method, path, { ...operator(), body })).json['code']
}
