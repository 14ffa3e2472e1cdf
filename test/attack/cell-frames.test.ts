/**
 * A cell that has been taken over speaks to the host: what breaks the protocol kills it, the requests it had are answered
 * in a typed way, and the host goes on. Real processes behind the real gateway; only the program of the cell is another.
 */
import { spawn } from 'node:child_process'
import type { Socket } from 'node:net'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createBroker } from '../../host/capabilities/broker.ts'
import type { CapabilityKind } from '../../host/capabilities/capability.ts'
import type { CellProcess } from '../../host/cells/cell.ts'
import { createLiveDeployment, type LiveDeployment } from '../../host/cells/live-deployment.ts'
import { createSupervisor, type CellEvent, type Supervisor } from '../../host/cells/supervisor.ts'
import { parseConfig } from '../../host/core/config.ts'
import { createGateway, type Gateway, type GatewayTarget } from '../../host/http/gateway.ts'
import { DEFAULT_LIMITS } from '../../sandbox/protocol/limits.ts'
import { rawClient, rawExchange, until } from './harness.ts'

const PROGRAM = fileURLToPath(new URL('fixtures/fake-cell.ts', import.meta.url))

let gateway: Gateway
let supervisor: Supervisor
let port: number
const events: CellEvent[] = []
const services = new Map<string, LiveDeployment>()
let logged = 0
let abortedCalls = 0

function spawnFake(...args: string[]): CellProcess {
  const child = spawn(process.execPath, ['--no-warnings', PROGRAM, ...args], {
    stdio: ['ignore', 'ignore', 'ignore', 'pipe'],
  })
  const exited = new Promise<{ code: number | null; signal: string | null }>((resolve) => {
    child.once('exit', (code, signal) => resolve({ code, signal }))
  })
  return {
    pid: child.pid ?? -1,
    socket: child.stdio[3] as Socket,
    exited,
    kill: () => void child.kill('SIGKILL'),
  }
}

/** One granted capability, number 0, that reads nothing and never answers. */
const SILENT: CapabilityKind = {
  kind: 'silent',
  defaultPolicy: true,
  checkPolicy: () => undefined,
  parse: () => [{ name: 'silent', options: {} }],
  narrow: (options) => options,
  describe: () => 'nothing',
  open: () => ({
    call: ({ signal }) => {
      signal.addEventListener('abort', () => abortedCalls++)
      return new Promise<never>(() => undefined)
    },
    close: () => undefined,
  }),
}
const manifest = {
  name: 'fake',
  engine: 'v8' as const,
  routes: [],
  limits: {},
  vars: {},
  capabilities: { silent: {} },
}
const grants = createBroker({
  kinds: new Map([['silent', SILENT]]),
  policy: { of: () => true },
  decisionOf: () => undefined,
  epoch: () => 0,
  hosts: () => 0,
  onFailure: () => undefined,
}).open({ tenant: 't', service: 'fake', version: '0', manifest, sizeBytes: 0, startupMs: 0, createdAt: 0 })

beforeAll(async () => {
  const config = parseConfig({ data: null, gateway: { port: 0, accessLog: false } })
  const options = { ...config.cells, spares: 2 }
  supervisor = createSupervisor(
    { spawn: spawnFake, record: () => undefined, onEvent: (event) => events.push(event) },
    options,
  )
  gateway = createGateway(
    {
      router: () => ({ match: (host, url) => ({ target: targetOf(host), url }) }),
      middleware: () => [],
      access: () => undefined,
      refused: () => undefined,
    },
    config.gateway,
  )
  port = Number(new URL(await gateway.listen()).port)
  await supervisor.prepare()
})
afterAll(async () => {
  await gateway.close()
  await supervisor.close()
})

/** Every host name is a tenant with a cell of its own. */
function targetOf(tenant: string): GatewayTarget {
  let live = services.get(tenant)
  if (live === undefined) {
    live = createLiveDeployment({
      limits: DEFAULT_LIMITS,
      calmMs: 30_000,
      acquireCell: (index) => supervisor.acquire(tenant, index),
      prepare: () => ({ config: '{}', source: Buffer.from(''), codeCache: undefined }),
      perform: (grant, call) => grants.perform(grant, call),
      onLog: (_level, text) => (logged += text.length),
      onFault: () => undefined,
    })
    services.set(tenant, live)
  }
  const service = live
  return {
    tenant,
    service: 'fake',
    requestBodyBytes: 1000,
    socketMessageBytes: 1_000,
    socketIdleMs: 60_000,
    responseBodyBytes: DEFAULT_LIMITS.responseBodyBytes,
    dispatch: (call) => service.dispatch(call),
    threw: () => undefined,
    settled: () => undefined,
  }
}

const get = (tenant: string, path: string): Promise<string> =>
  rawExchange(port, `GET ${path} HTTP/1.1\r\nhost: ${tenant}\r\nconnection: close\r\n\r\n`)
const handshake = (tenant: string): string =>
  `GET /${tenant} HTTP/1.1\r\nhost: ${tenant}\r\nconnection: upgrade\r\nupgrade: websocket\r\n` +
  'sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n'
const upgraded = (tenant: string): Promise<string> => rawExchange(port, handshake(tenant))
const endsOf = (tenant: string): string[] =>
  events
    .filter(({ kind, owner }) => kind === 'ended' && owner === `tenant:${tenant}`)
    .map(({ reason }) => reason ?? '')

const VIOLATIONS = [
  'unknown-kind',
  'kind-of-the-host',
  'oversized',
  'wrong-sequence',
  'sequence-zero',
  'done-twice',
  'unknown-guest',
  'status-99',
  'status-1000',
  'status-101',
  'status-text',
]
VIOLATIONS.push(
  'header-crlf',
  'header-name-crlf',
  'header-upper',
  'header-nul',
  'header-number',
  'header-odd',
  'header-object',
  'body-short',
  'body-negative',
  'body-fraction',
  'body-kind',
  'garbage',
  'no-newline',
  'no-list',
  'no-messages',
  'message-kind',
  'deep',
  'id-text',
  'error-number',
  'loaded-garbage',
  'fault-garbage',
  'fault-constructor',
  'fault-message',
)

const FORGED_CALLS = [
  'call-unknown-grant',
  'call-negative-grant',
  'call-grant-text',
  'call-twice',
  'call-id-of-a-turn',
  'call-id-text',
  'call-id-beyond',
  'call-args-object',
  'call-args-garbage',
  'call-args-short',
  'call-method-object',
  'call-body-kind',
  'call-turn-text',
  'call-body-ahead',
]

describe('a cell that breaks the protocol is killed, and its requests are answered', () => {
  for (const name of VIOLATIONS) {
    test(name, async () => {
      const answer = await get(name, `/${name}`)
      expect(answer).toMatch(/^HTTP\/1\.1 502 [^]*VELA_CELL_LOST/)
      expect(answer).not.toContain('evil')
      expect(endsOf(name)).toContain('protocol')
      expect(new Set(endsOf(name))).toEqual(new Set(['protocol']))
      expect(await get(name, '/good')).toMatch(/^HTTP\/1\.1 200 [^]*\r\n\r\nok$/)
    })
  }

  test('forged calls of capabilities: grants, ids, arguments and bodies that nobody gave it', async () => {
    const answers = await Promise.all(FORGED_CALLS.map((name) => get(name, `/${name}`)))
    const kept = FORGED_CALLS.filter((name, index) => {
      const refused = /^HTTP\/1\.1 502 [^]*VELA_CELL_LOST/.test(answers[index] ?? '')
      return !refused || endsOf(name).length === 0 || endsOf(name).some((reason) => reason !== 'protocol')
    })
    expect(kept).toEqual([])
  })

  test('forged messages of WebSockets: twice, in pieces that belong to none, out of bounds, without an end', async () => {
    const forms = ['first', 'twice', 'bytes', 'data', 'within', 'more-bytes', 'size', 'code']
    const names = forms.map((form) => `socket-${form}`)
    const answers = await Promise.all(names.map((name) => upgraded(name)))
    for (const name of names) expect(new Set(endsOf(name))).toEqual(new Set(['protocol']))
    expect(answers[0]).toMatch(/^HTTP\/1\.1 502 /)
    for (const answer of answers.slice(1)) expect(answer).toMatch(/^HTTP\/1\.1 101 [^]*VELA_CELL_LOST/)
    expect(await upgraded('socket-credit')).toMatch(/^HTTP\/1\.1 101 [^]*ok/)
    expect(endsOf('socket-credit')).toEqual([])
  })

  test('a WebSocket that runs ahead of its credit to a client that does not read', async () => {
    const client = rawClient(port)
    client.socket.pause()
    client.send(handshake('socket-ahead'))
    await until('the cell is killed', () => endsOf('socket-ahead').includes('protocol'))
    client.socket.destroy()
    expect(await get('socket-ahead', '/good')).toMatch(/^HTTP\/1\.1 200 /)
  })

  test('settling twice: the first answer stands, the cell does not', async () => {
    expect(await get('twice', '/settles-twice')).toMatch(/^HTTP\/1\.1 200 /)
    await until('the cell is killed', () => endsOf('twice').includes('protocol'))
  })

  test('a response that runs ahead of its credit to a client that does not read', async () => {
    const client = rawClient(port)
    client.socket.pause()
    client.send('GET /runs-ahead HTTP/1.1\r\nhost: ahead\r\n\r\n')
    await until('the cell is killed', () => endsOf('ahead').includes('protocol'))
    client.socket.destroy()
    expect(await get('ahead', '/good')).toMatch(/^HTTP\/1\.1 200 /)
  })

  test('a cell that greets in a version of its own is not taken', async () => {
    const failed: CellEvent[] = []
    const strange = createSupervisor(
      {
        spawn: () => spawnFake('bad-hello'),
        record: () => undefined,
        onEvent: (event) => failed.push(event),
      },
      { ...parseConfig({ data: null }).cells, spares: 0 },
    )
    await expect(Promise.resolve(strange.acquire('x'))).rejects.toMatchObject({
      code: 'VELA_CELL_START_FAILED',
    })
    await strange.close()
    expect(failed.some(({ reason }) => reason === 'protocol')).toBe(true)
  })
})

test('a call that its cell leaves behind ends with its turn', async () => {
  const before = abortedCalls
  expect(await get('behind', '/call-left-behind')).toMatch(/^HTTP\/1\.1 200 /)
  await until('it is aborted', () => abortedCalls === before + 1)
})

test('a cell that exits in the middle is lost, not more', async () => {
  expect(await get('exits', '/exits')).toMatch(/^HTTP\/1\.1 502 [^]*VELA_CELL_LOST/)
  expect(await get('exits', '/good')).toMatch(/^HTTP\/1\.1 200 /)
})

test('what is no violation is sound when it goes out: lengths, framing, logs', async () => {
  const ascii = await get('sound', '/false-ascii')
  const [head = '', body = ''] = ascii.split('\r\n\r\n')
  if (ascii.startsWith('HTTP/1.1 200'))
    expect(/content-length: (\d+)/.exec(head)?.[1]).toBe(String(body.length))
  else expect(ascii).toMatch(/^HTTP\/1\.1 502 /)
  const framing = await get('sound', '/framing')
  expect(framing).toMatch(/\r\n\r\nok$/)
  expect(framing).toMatch(/content-length: 2\r\n/)
  expect(framing).not.toMatch(/chunked|upgrade/i)
  expect(await get('sound', '/log-flood')).toMatch(/^HTTP\/1\.1 200 /)
  // The rate is kept by the log (limits-quantity.test.ts); here the lines only must not break anything.
  await until('the lines came', () => logged > 3_000_000)
})

test('a service whose cells break the protocol again and again is paused', async () => {
  await until('it is paused', async () => (await get('again', '/garbage')).includes('VELA_GUEST_QUARANTINED'))
  expect(await get('good', '/good')).toMatch(/^HTTP\/1\.1 200 /)
})
