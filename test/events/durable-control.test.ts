/** Operators and programs outside: `vela events`, the control API, and CloudEvents by HTTP, against a real host. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createAdminClient, type AdminClient } from '../../host/admin/client.ts'
import type { BusEvent } from '../../host/events/bus-event.ts'
import type { Subscription } from '../../host/events/types.ts'
import { startHost, type Host } from '../capabilities/support.ts'
import { runVela, type RunResult } from '../cli/run.ts'
import { until } from '../until.ts'

let host: Host
let audit: Subscription
let token: string
let client: AdminClient
const got: BusEvent[] = []
const seen: BusEvent[] = []
let isSick = true

beforeAll(async () => {
  host = await startHost({ cells: { spares: 0 } })
  const { registry, events } = host.runtime
  await registry.createTenant('acme')
  await registry.createTenant('globex')
  token = (await registry.createToken(null, ['admin'])).token
  client = createAdminClient({ url: host.admin, token })
  audit = events.subscribe(
    'acme',
    'orders.*',
    (event) => {
      if (event.subject === 'orders.sick' && isSick) throw new TypeError('cannot stand it')
      got.push(event)
    },
    { kind: 'durable', name: 'audit', retries: 1, backoffMs: 1 },
  )
  await audit.ready
  events.subscribe('acme', '>', (event) => void seen.push(event))
})
afterAll(() => host.runtime.stop())

const vela = (...args: string[]): Promise<RunResult> =>
  runVela(args, { env: { VELA_API_URL: host.admin, VELA_API_TOKEN: token } })

interface Posted {
  readonly status: number
  readonly body: Record<string, unknown>
}

async function post(
  headers: Record<string, string>,
  body?: string | Uint8Array<ArrayBuffer>,
  query = '',
): Promise<Posted> {
  const response = await fetch(`${host.admin}/v1/tenants/acme/events${query}`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}`, ...headers },
    ...(body === undefined ? {} : { body }),
  })
  return { status: response.status, body: (await response.json()) as Record<string, unknown> }
}

const STRUCTURED = { 'content-type': 'application/cloudevents+json; charset=utf-8' }
const EVENT = { specversion: '1.0', id: 'one', source: 'https://example.com/shop', type: 'orders.placed' }
const BINARY = { 'ce-specversion': '1.0', 'ce-id': 'bin', 'ce-source': 'urn:x', 'ce-type': 'orders.bin' }

test('takes a structured CloudEvent, stores it once, and hands it on with all it has', async () => {
  const event = {
    ...EVENT,
    time: '2026-03-04T05:06:07Z',
    subject: 'ann',
    traceparent: '00-1',
    datacontenttype: 'application/json',
    data: { order: 7 },
  }
  const first = await post(STRUCTURED, JSON.stringify(event), '?kind=durable')
  expect(first).toEqual({ status: 202, body: { id: 'one', sequence: 1, duplicate: false } })
  const second = await post(STRUCTURED, JSON.stringify(event), '?kind=durable')
  expect(second).toEqual({ status: 202, body: { id: 'one', sequence: 1, duplicate: true } })
  await until('it is handled', () => got.length === 1)
  const { id, subject, source, key, headers, timeMs, data } = got[0]!
  expect({ id, subject, source, key, headers, timeMs, data }).toEqual({
    id: 'one',
    subject: 'orders.placed',
    source: 'https://example.com/shop',
    key: 'ann',
    headers: { traceparent: '00-1' },
    timeMs: Date.UTC(2026, 2, 4, 5, 6, 7),
    data: { order: 7 },
  })
  expect(seen).toEqual([])
})

test('takes a binary one: JSON, text as bytes, or nothing; ephemeral if nobody says otherwise', async () => {
  const bodies: [Record<string, string>, string | Uint8Array<ArrayBuffer> | undefined, unknown][] = [
    [{ 'content-type': 'application/json' }, '{"a":[1]}', { a: [1] }],
    [{ 'content-type': 'application/vnd.acme+json' }, '"x"', 'x'],
    [{ 'content-type': 'text/plain' }, 'hé', new Uint8Array(Buffer.from('hé'))],
    [{ 'content-type': 'application/octet-stream' }, new Uint8Array([0, 255]), new Uint8Array([0, 255])],
    [{}, undefined, undefined],
  ]
  for (const [headers, body, expected] of bodies) {
    seen.length = 0
    const answer = await post({ ...BINARY, 'ce-region': 'e%C3%BC', 'ce-subject': '%22k', ...headers }, body)
    expect(answer).toEqual({ status: 202, body: { id: 'bin' } })
    await until('it is handled', () => seen.length === 1)
    expect([seen[0]!.data, seen[0]!.headers, seen[0]!.key]).toEqual([expected, { region: 'eü' }, '"k'])
  }
})

test.for([
  ['no CloudEvent', { 'content-type': 'application/json' }, '{}', 400, 'VELA_ADMIN_BAD_REQUEST'],
  ['nothing at all', {}, undefined, 400, 'VELA_ADMIN_BAD_REQUEST'],
  ['a batch', { 'content-type': 'application/cloudevents-batch+json' }, '[]', 400, 'VELA_ADMIN_BAD_REQUEST'],
  ['what is not JSON', STRUCTURED, '{"specversion":', 400, 'VELA_ADMIN_BAD_REQUEST'],
  [
    'what is nested too deeply',
    STRUCTURED,
    `${'['.repeat(500)}${']'.repeat(500)}`,
    400,
    'VELA_ADMIN_BAD_REQUEST',
  ],
  ['what is not UTF-8', STRUCTURED, new Uint8Array([0xff]), 400, 'VELA_ADMIN_BAD_REQUEST'],
  ['a list', STRUCTURED, '[]', 400, 'VELA_EVENT_INVALID'],
  [
    'another version',
    STRUCTURED,
    JSON.stringify({ ...EVENT, specversion: '0.3' }),
    400,
    'VELA_EVENT_INVALID',
  ],
  ['no id', STRUCTURED, JSON.stringify({ ...EVENT, id: undefined }), 400, 'VELA_EVENT_INVALID'],
  ['a bad subject', STRUCTURED, JSON.stringify({ ...EVENT, type: 'a.*' }), 400, 'VELA_EVENT_BAD_SUBJECT'],
  ['the host’s name', STRUCTURED, JSON.stringify({ ...EVENT, source: '/host' }), 400, 'VELA_EVENT_INVALID'],
  [
    'another tenant’s',
    STRUCTURED,
    JSON.stringify({ ...EVENT, source: '/globex/shop' }),
    400,
    'VELA_EVENT_INVALID',
  ],
  [
    'data of Vela’s own form that nobody could read',
    STRUCTURED,
    JSON.stringify({ ...EVENT, datacontenttype: 'application/vela+json', data: '$["map"' }),
    400,
    'VELA_EVENT_INVALID',
  ],
  ['data as a header', { ...BINARY, 'ce-data': '1' }, undefined, 400, 'VELA_EVENT_INVALID'],
  ['a header that is not escaped', { ...BINARY, 'ce-region': '%zz' }, undefined, 400, 'VELA_EVENT_INVALID'],
  [
    'too much data',
    STRUCTURED,
    JSON.stringify({ ...EVENT, data: 'x'.repeat(300_000) }),
    413,
    'VELA_EVENT_TOO_LARGE',
  ],
  ['too large a body', STRUCTURED, ' '.repeat(1_100_000), 413, 'VELA_GATEWAY_BODY_TOO_LARGE'],
] as const)('refuses %s', async ([, headers, body, status, code]) => {
  for (const query of ['', '?kind=durable']) {
    const answer = await post({ ...headers }, body, query)
    expect([answer.status, answer.body['code']]).toEqual([status, code])
  }
})

test('refuses a kind, a tenant and letters that are none', async () => {
  expect((await post(STRUCTURED, JSON.stringify(EVENT), '?kind=eternal')).body['code']).toBe(
    'VELA_ADMIN_BAD_REQUEST',
  )
  const nowhere = { code: 'VELA_TENANT_NOT_FOUND' }
  await expect(client.publishEvent('nobody', EVENT)).rejects.toMatchObject(nowhere)
  await expect(client.eventsStatus('nobody')).rejects.toMatchObject(nowhere)
  const none = { code: 'VELA_EVENTS_CONSUMER_NOT_FOUND' }
  await expect(client.replayEvents('acme', 'host:none', 'all')).rejects.toMatchObject(none)
  await expect(client.discardEvents('acme', 'host:none', [1])).rejects.toMatchObject(none)
  await expect(client.forgetConsumer('globex', 'host:audit')).rejects.toMatchObject(none)
  await expect(client.replayEvents('acme', 'host:audit', [0.5])).rejects.toMatchObject({
    code: 'VELA_ADMIN_BAD_REQUEST',
  })
})

test('vela events publishes, shows consumers and dead letters, and has them tried again', async () => {
  got.length = 0
  const stored = await vela(
    'events',
    'acme',
    '--publish',
    'orders.sick',
    '{"order":9}',
    '--durable',
    '--id',
    'sick-1',
    '--json',
  )
  expect(JSON.parse(stored.stdout)).toMatchObject({ id: 'sick-1', duplicate: false })
  const { sequence } = JSON.parse(stored.stdout) as { sequence: number }
  await until('it is given up', async () => (await client.listDeadEvents('acme')).length === 1)
  const status = JSON.parse((await vela('events', 'acme', '--json')).stdout) as unknown
  expect(status).toMatchObject({
    consumers: [
      { consumer: 'host:audit', pattern: 'orders.*', state: 'running', lag: 0, inFlight: 0, dead: 1 },
    ],
  })
  const table = await vela('events', 'acme')
  expect(table.stdout).toMatch(/host:audit +orders\.\* +running +0 +0 +1/)
  const dead = await vela('events', 'acme', '--dead', 'host:audit')
  expect(dead.stdout).toMatch(
    /host:audit.*orders\.sick.*sick-1.*2.*TypeError: cannot stand it.*\{"order":9\}/,
  )
  expect(JSON.parse((await vela('events', 'acme', '--dead', 'host:none', '--json')).stdout)).toEqual([])

  isSick = false
  const replayed = await vela('events', 'acme', '--replay', 'host:audit', String(sequence))
  expect([replayed.exitCode, replayed.stdout]).toEqual([0, expect.stringContaining('1 dead letter')])
  await until('it is handled', () => got.length === 1)
  expect(got[0]!.data).toEqual({ order: 9 })
  await until('the letter is gone', async () => (await client.listDeadEvents('acme')).length === 0)

  expect((await vela('events', 'acme', '--replay', 'host:none')).exitCode).toBe(4)
  for (const wrong of [
    ['--replay', 'host:audit', 'first'],
    ['--discard', 'host:audit'],
    ['--publish', 'a', '{wrong'],
    ['--publish', 'a', '1', '2'],
    ['--durable'],
    ['--dead', '--forget', 'c'],
  ])
    expect([wrong, (await vela('events', 'acme', ...wrong)).exitCode]).toEqual([wrong, 2])

  const live = await vela('events', 'acme', '--forget', 'host:audit')
  expect([live.exitCode, live.stderr]).toEqual([1, expect.stringContaining('VELA_EVENTS_CONSUMER_IN_USE')])
  await audit.unsubscribe()
  expect((await vela('events', 'acme', '--forget', 'host:audit')).exitCode).toBe(0)
  expect((await client.eventsStatus('acme')).consumers).toEqual([])
})

test('metrics tell what became of durable events', async () => {
  const text = await host.runtime.metrics()
  for (const outcome of ['stored', 'duplicate', 'handled', 'retried', 'dead'])
    expect(text).toMatch(new RegExp(`vela_events_durable_total\\{outcome="${outcome}"\\} [1-9]`))
  expect(text).toMatch(/vela_events_durable_consumers 0/)
})
