/**
 * A whole host for attacks: the real runtime, real cells, real sockets; guests are texts. Whatever a test does to its
 * own tenant, `expectUnharmed` asks a service of another tenant, and the host's health, whether they noticed.
 */
import { readFileSync, readdirSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'
import { expect } from 'vitest'
import type { ConfigInput } from '../../host/core/config.ts'
import type { LogEntry } from '../../host/core/control.ts'
import { Runtime } from '../../host/core/runtime.ts'
import type { JsonValue } from '../../host/registry/types.ts'
import type { Limits } from '../../sandbox/protocol/limits.ts'
import type { EngineName } from '../engines.ts'

export interface Answer {
  readonly status: number
  readonly headers: Headers
  readonly text: string
  /** `code` of a problem document, '' otherwise. */
  readonly code: string
}

export interface GuestOptions {
  readonly limits?: Partial<Limits>
  readonly vars?: Record<string, JsonValue>
  readonly routes?: readonly string[]
  readonly capabilities?: Record<string, JsonValue>
}

export interface Target {
  readonly runtime: Runtime
  readonly gateway: string
  readonly admin: string
  readonly port: number
  /** `at` is tenant/service; the tenant is made if it is not there. */
  deploy(at: string, source: string, options?: GuestOptions): Promise<void>
  /** Deploys a fetch handler: the body of `async fetch(request, env, ctx)`. */
  handler(at: string, body: string, options?: GuestOptions): Promise<void>
  get(path: string, init?: RequestInit): Promise<Answer>
  /** The code with which a deploy is refused, or 'deployed'. */
  refusal(at: string, source: string, options?: GuestOptions): Promise<string>
  /** Fails the test if the other tenant or the host was hurt. */
  expectUnharmed(): Promise<void>
  logOf(at: string): LogEntry[]
  close(): Promise<void>
}

/** On a loaded machine; what attacks the CPU limit sets its own. */
const ROOM_FOR_AN_INTERPRETER = { default: { cpuMs: 1_000 } }

/** Guests are deployed on `engine`. */
export async function startTarget(
  engine: EngineName = 'v8',
  config: Omit<ConfigInput, 'limits'> = {},
): Promise<Target> {
  const runtime = await Runtime.create({
    data: null,
    gateway: { port: 0, ...config.gateway },
    admin: { port: 0 },
    log: { level: 'silent' },
    ...(config.cells === undefined ? {} : { cells: config.cells }),
    ...(engine === 'quickjs' ? { limits: ROOM_FOR_AN_INTERPRETER } : {}),
    ...(config.policy === undefined ? {} : { policy: config.policy }),
    drainMs: 500,
  })
  const { gateway, admin } = await runtime.start()

  const deploy: Target['deploy'] = async (at, source, options = {}) => {
    const [tenant = '', name = ''] = at.split('/')
    if ((await runtime.registry.getTenant(tenant)) === undefined) await runtime.registry.createTenant(tenant)
    const { limits = {}, vars = {}, routes = [], capabilities = {} } = options
    const manifest = { name, engine, routes, limits, vars, capabilities }
    await runtime.deploy({ tenant, manifest, bundle: { source, sourceMap: null } })
  }
  const get: Target['get'] = async (path, init) => {
    const response = await fetch(gateway + path, { signal: AbortSignal.timeout(50_000), ...init })
    const text = await response.text()
    return { status: response.status, headers: response.headers, text, code: codeOf(text) }
  }
  await deploy('witness/echo', `export default { fetch: (request) => new Response('alive ' + request.url) }`)

  return {
    runtime,
    gateway,
    admin,
    port: Number(new URL(gateway).port),
    deploy,
    handler: (at, body, options) =>
      deploy(at, `export default { async fetch(request, env, ctx) { ${body} } }`, options),
    get,
    async refusal(at, source, options) {
      try {
        await deploy(at, source, options)
        return 'deployed'
      } catch (thrown) {
        return String((thrown as { code?: unknown }).code ?? thrown)
      }
    },
    async expectUnharmed() {
      const { status, text } = await get('/witness/echo/there')
      expect(text).toContain('/there')
      expect(status).toBe(200)
      expect(runtime.health().status).toBe('ok')
    },
    logOf(at) {
      const [tenant = '', service = ''] = at.split('/')
      const entries: LogEntry[] = []
      runtime.tail(tenant, service, (entry) => entries.push(entry))
      return entries
    },
    close: () => runtime.stop(),
  }
}

function codeOf(text: string): string {
  try {
    const { code } = JSON.parse(text) as { code?: unknown }
    return typeof code === 'string' ? code : ''
  } catch {
    return ''
  }
}

/** Polls until `condition` gives a value; the deadline is far, for machines that are busy. */
export async function until<Value>(
  what: string,
  condition: () => Value | undefined | false | Promise<Value | undefined | false>,
  deadlineMs: number = 20_000,
): Promise<Value> {
  const end = performance.now() + deadlineMs
  for (;;) {
    const value = await condition()
    if (value !== undefined && value !== false) return value
    if (performance.now() > end) throw new Error(`Never came to pass: ${what}`)
    await pause(10)
  }
}

/** Children of this process that run a cell's program. */
export function cellPids(): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => {
      try {
        const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
        const parent = Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1])
        return parent === process.pid && readFileSync(`/proc/${pid}/cmdline`, 'latin1').includes('cell.js')
      } catch {
        return false
      }
    })
}

export interface RawClient {
  readonly socket: Socket
  /** All that came so far, a byte a character. */
  readonly received: () => string
  send(text: string): void
  /** Resolves with everything once the other side has closed the connection. */
  readonly closed: Promise<string>
}

/** A client that sends what it likes. */
export function rawClient(port: number): RawClient {
  const socket = connect(port, '127.0.0.1')
  let received = ''
  socket.on('data', (chunk) => (received += chunk.toString('latin1')))
  socket.on('error', () => undefined)
  const closed = new Promise<string>((resolve) => socket.once('close', () => resolve(received)))
  return {
    socket,
    received: () => received,
    send: (text) => void socket.write(text, 'latin1'),
    closed,
  }
}

/** Sends one text and gives all that comes back until the server closes. */
export async function rawExchange(port: number, text: string): Promise<string> {
  const client = rawClient(port)
  client.send(text)
  try {
    return await Promise.race([
      client.closed,
      pause(15_000).then(() => `TIMEOUT after ${JSON.stringify(client.received())}`),
    ])
  } finally {
    client.socket.destroy()
  }
}
