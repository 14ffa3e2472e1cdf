/** Every route with every kind of token. A route without a row here fails the first test. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createAdminServer } from '../../host/admin/server.ts'
import { startTestHost, TOKEN_KINDS, type TestHost, type TokenKind } from './harness.ts'

interface Row {
  readonly route: string
  readonly path: string
  readonly allowed: readonly TokenKind[]
}

const shop = '/v1/tenants/acme/services/shop'
const look = ['operator', 'operatorRead', 'acmeAdmin', 'acmeDeploy', 'acmeRead'] as const
const change = ['operator', 'acmeAdmin', 'acmeDeploy'] as const
const operator = ['operator'] as const

const ROWS: readonly Row[] = [
  { route: 'GET /v1/status', path: '/v1/status', allowed: TOKEN_KINDS },
  { route: 'GET /v1/doctor', path: '/v1/doctor', allowed: operator },
  { route: 'GET /v1/nodes', path: '/v1/nodes', allowed: operator },
  { route: 'GET /metrics', path: '/metrics', allowed: operator },
  { route: 'GET /v1/tenants', path: '/v1/tenants', allowed: operator },
  { route: 'POST /v1/tenants', path: '/v1/tenants', allowed: operator },
  { route: 'DELETE /v1/tenants/:tenant', path: '/v1/tenants/acme', allowed: operator },
  { route: 'GET /v1/services', path: '/v1/services', allowed: [...look, 'globexAdmin'] },
  { route: 'GET /v1/tenants/:tenant/services', path: '/v1/tenants/acme/services', allowed: look },
  {
    route: 'DELETE /v1/tenants/:tenant/services/:service',
    path: '/v1/tenants/acme/services/none',
    allowed: change,
  },
  { route: 'GET /v1/tenants/:tenant/services/:service/versions', path: `${shop}/versions`, allowed: look },
  { route: 'POST /v1/tenants/:tenant/services/:service/rollback', path: `${shop}/rollback`, allowed: change },
  {
    route: 'POST /v1/tenants/:tenant/services/:service/deployments',
    path: `${shop}/deployments`,
    allowed: change,
  },
  {
    route: 'POST /v1/tenants/:tenant/services/:service/invoke',
    path: `${shop}/invoke`,
    allowed: ['operator', 'acmeAdmin', 'acmeInvoke'],
  },
  {
    route: 'GET /v1/tenants/:tenant/services/:service/logs',
    path: '/v1/tenants/acme/services/none/logs',
    allowed: look,
  },
  { route: 'GET /v1/tenants/:tenant/services/:service/secrets', path: `${shop}/secrets`, allowed: change },
  {
    route: 'PUT /v1/tenants/:tenant/services/:service/secrets/:key',
    path: `${shop}/secrets/KEY`,
    allowed: change,
  },
  {
    route: 'DELETE /v1/tenants/:tenant/services/:service/secrets/:key',
    path: `${shop}/secrets/KEY`,
    allowed: change,
  },
  { route: 'PUT /v1/tenants/:tenant/services/:service/engine', path: `${shop}/engine`, allowed: operator },
  { route: 'GET /v1/tenants/:tenant/services/:service/actors', path: `${shop}/actors`, allowed: look },
  {
    route: 'GET /v1/tenants/:tenant/services/:service/actors/dead',
    path: `${shop}/actors/dead`,
    allowed: look,
  },
  { route: 'GET /v1/tenants/:tenant/services/:service/grants', path: `${shop}/grants`, allowed: look },
  {
    route: 'PUT /v1/tenants/:tenant/services/:service/grants/:binding',
    path: `${shop}/grants/KV`,
    allowed: operator,
  },
  {
    route: 'POST /v1/tenants/:tenant/services/:service/schedules/run',
    path: `${shop}/schedules/run`,
    allowed: ['operator', 'acmeAdmin', 'acmeDeploy', 'acmeInvoke'],
  },
  { route: 'GET /v1/tenants/:tenant/events', path: '/v1/tenants/acme/events', allowed: look },
  { route: 'GET /v1/tenants/:tenant/events/dead', path: '/v1/tenants/acme/events/dead', allowed: look },
  {
    route: 'POST /v1/tenants/:tenant/events/replay',
    path: '/v1/tenants/acme/events/replay',
    allowed: change,
  },
  {
    route: 'POST /v1/tenants/:tenant/events/discard',
    path: '/v1/tenants/acme/events/discard',
    allowed: change,
  },
  {
    route: 'POST /v1/tenants/:tenant/events/forget',
    path: '/v1/tenants/acme/events/forget',
    allowed: change,
  },
  {
    route: 'POST /v1/tenants/:tenant/events',
    path: '/v1/tenants/acme/events',
    allowed: ['operator', 'acmeAdmin', 'acmeDeploy', 'acmeInvoke'],
  },
  { route: 'GET /v1/tokens', path: '/v1/tokens', allowed: ['operator', 'acmeAdmin', 'globexAdmin'] },
  { route: 'POST /v1/tokens', path: '/v1/tokens', allowed: ['operator', 'acmeAdmin', 'globexAdmin'] },
  // A tenant's admin may ask, and is told the same of a foreign token as of none: see below.
  { route: 'DELETE /v1/tokens/:id', path: '/v1/tokens/none', allowed: operator },
]

let host: TestHost
beforeAll(async () => {
  host = await startTestHost()
})
afterAll(() => host.close())

test('every route of the server has a row in this table, except the probe', () => {
  expect(host.routes.toSorted()).toEqual(['GET /healthz', ...ROWS.map((row) => row.route)].toSorted())
})

test('the probe answers without a token, and with one word', async () => {
  const answer = await host.request('GET', '/healthz')
  expect(answer.status).toBe(200)
  expect(answer.json).toEqual({ status: 'ok' })
})

describe.each(ROWS)('$route', ({ route, path, allowed }) => {
  const method = route.split(' ')[0] ?? ''

  test('needs a token', async () => {
    const answer = await host.request(method, path)
    expect([answer.status, answer.json['code']]).toEqual([401, 'VELA_AUTH_MISSING'])
    expect(answer.headers.get('www-authenticate')).toBe('Bearer')
    expect(answer.headers.get('content-type')).toBe('application/problem+json')
    expect(answer.json['requestId']).toMatch(/^[0-9a-f-]{36}$/)
  })

  test.each([
    'Bearer vela_nobody-has-this-one',
    'Basic YTpi',
    'Bearer',
    'Bearer a b',
    `Bearer ${'x'.repeat(5000)}`,
  ])('refuses the authorization %.30j', async (authorization) => {
    const answer = await host.request(method, path, { headers: { authorization } })
    expect([answer.status, answer.json['code']]).toEqual([401, 'VELA_AUTH_INVALID'])
  })

  test.each(TOKEN_KINDS)('answers a token of kind %s as the table says', async (kind) => {
    // A body that no route accepts: what is allowed in gets no further than its schema.
    const body = method === 'PUT' || method === 'POST' ? { body: { wrong: true } } : {}
    const answer = await host.request(method, path, { token: host.tokens[kind], ...body })
    if (allowed.includes(kind))
      expect(answer.status).not.toSatisfy((status: number) => status === 401 || status === 403)
    else expect([answer.status, answer.json['code']]).toEqual([403, 'VELA_AUTH_FORBIDDEN'])
  })
})

test('a refused caller has caused nothing', async () => {
  host.control.calls.length = 0
  for (const { route, path, allowed } of ROWS) {
    for (const kind of TOKEN_KINDS.filter((kind) => !allowed.includes(kind))) {
      await host.request(route.split(' ')[0] ?? '', path, { token: host.tokens[kind] })
    }
  }
  expect(host.control.calls).toEqual([])
})

test('the refusal names the scope or the tenant that is missing', async () => {
  const scope = await host.request('DELETE', shop, { token: host.tokens.acmeRead })
  expect(scope.json).toMatchObject({ details: { scope: 'deploy' } })
  const tenant = await host.request('GET', `${shop}/versions`, { token: host.tokens.globexAdmin })
  expect(tenant.json).toMatchObject({ details: { tenant: 'acme' } })
})

test('a foreign tenant answers alike whether it, its services and its tokens exist or not', async () => {
  const token = host.tokens.globexAdmin
  const acmeId = (await host.registry.listTokens('acme'))[0]?.id ?? ''
  const pairs = [
    ['GET', '/v1/tenants/acme/services/shop/versions', '/v1/tenants/acme/services/none/versions'],
    ['GET', '/v1/tenants/acme/services', '/v1/tenants/nobody/services'],
    ['DELETE', `/v1/tokens/${acmeId}`, '/v1/tokens/none'],
  ] as const
  for (const [method, there, missing] of pairs) {
    const [one, other] = [
      await host.request(method, there, { token }),
      await host.request(method, missing, { token }),
    ]
    expect(one.status).toBe(403)
    expect(bare(one.text)).toBe(bare(other.text))
  }
  expect(await host.registry.listTokens('acme')).toHaveLength(4)
})

test('an address that does not exist needs a token too, and then is a 404', async () => {
  expect((await host.request('GET', '/v1/nothing')).status).toBe(401)
  const answer = await host.request('GET', '/v1/nothing', { token: host.tokens.acmeRead })
  expect([answer.status, answer.json['code']]).toEqual([404, 'VELA_ADMIN_NOT_FOUND'])
})

test('encoded and doubled slashes do not slip past the tenant in the address', async () => {
  const token = host.tokens.globexAdmin
  for (const path of [
    '/v1/tenants/globex%2f..%2facme/services',
    '/v1/tenants/globex/../acme/services',
    '/v1/tenants//acme/services',
    '/v1/tenants/%61cme/services',
    '/v1/tenants/ACME/services',
  ]) {
    const answer = await host.request('GET', path, { token })
    expect(answer.text).not.toContain('shop')
    expect(answer.status).toBeGreaterThanOrEqual(400)
  }
})

test('a tenant’s admin makes tokens of its own tenant only, and none that reaches further', async () => {
  const token = host.tokens.acmeAdmin
  for (const tenant of ['globex', null, 'nobody']) {
    const answer = await host.request('POST', '/v1/tokens', { token, body: { tenant, scopes: ['read'] } })
    expect(answer.status).toBe(403)
  }
  const made = await host.request('POST', '/v1/tokens', { token, body: { tenant: 'acme', scopes: ['read'] } })
  expect(made.status).toBe(201)
  const { record } = made.json as { record: { id: string } }
  expect((await host.request('DELETE', `/v1/tokens/${record.id}`, { token })).status).toBe(204)
  const { token: text } = made.json as { token: string }
  expect((await host.request('GET', '/v1/status', { token: text })).status).toBe(401)
})

test('only operators see how large the host is, and lists hold what the token reaches', async () => {
  const own = await host.request('GET', '/v1/status', { token: host.tokens.acmeRead })
  expect(own.json).toEqual({
    status: 'ok',
    token: expect.objectContaining({ tenant: 'acme', scopes: ['read'] }),
  })
  const operator = await host.request('GET', '/v1/status', { token: host.tokens.operator })
  expect(operator.json).toMatchObject({ services: 1, cells: 2 })
  const foreign = await host.request('GET', '/v1/services', { token: host.tokens.globexAdmin })
  expect(foreign.text).toBe('[]')
})

test('a port that is taken is named together with the flag that changes it', async () => {
  const { port } = new URL(host.url)
  const log = { info() {}, warn() {}, error() {} }
  const second = createAdminServer({ control: host.control, log }, { host: '127.0.0.1', port: Number(port) })
  await expect(second.listen()).rejects.toMatchObject({
    code: 'VELA_HOST_PORT_TAKEN',
    message: expect.stringMatching(new RegExp(`${port}.*--admin-port`)),
  })
  await second.close()
})

function bare(problem: string): string {
  return problem.replaceAll(/[0-9a-f]{8}-[0-9a-f-]{27}/g, 'id').replaceAll(/acme|nobody/g, 'T')
}
