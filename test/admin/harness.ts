/**
 * The control API as tests use it: the real server on a real port over the real registry; only what would start
 * guests is a stand-in, which records what it was asked.
 */
import type { Control, DeployRequest, LogEntry, ServiceStatus } from '../../host/core/control.ts'
import { VelaError } from '../../host/core/errors.ts'
import { createAdminServer, type AdminServerOptions } from '../../host/admin/server.ts'
import { openRegistry } from '../../host/registry/registry.ts'
import type { Deployment, Registry, ServiceRecord } from '../../host/registry/types.ts'
import { versionOf } from '../../host/registry/version.ts'

export const TOKEN_KINDS = [
  'operator',
  'operatorRead',
  'acmeAdmin',
  'acmeDeploy',
  'acmeRead',
  'acmeInvoke',
  'globexAdmin',
] as const
export type TokenKind = (typeof TOKEN_KINDS)[number]

export interface TestHost {
  readonly url: string
  readonly registry: Registry
  readonly control: TestControl
  readonly tokens: Readonly<Record<TokenKind, string>>
  readonly routes: readonly string[]
  readonly logged: { event: string; fields: Record<string, unknown> }[]
  request(method: string, path: string, options?: RequestOptions): Promise<Answer>
  close(): Promise<void>
}

export interface RequestOptions {
  readonly token?: string | undefined
  readonly body?: unknown
  /** Sent as it is. */
  readonly raw?: string
  readonly headers?: Record<string, string>
}

export interface Answer {
  readonly status: number
  readonly headers: Headers
  readonly text: string
  readonly json: Record<string, unknown>
}

export interface TestControl extends Control {
  readonly calls: string[]
  emit(entry: Partial<LogEntry>): void
  readonly listeners: Set<(entry: LogEntry) => void>
  onDeploy: (request: DeployRequest) => Promise<void>
  onInvoke: Control['invoke']
}

export async function startTestHost(options: Partial<AdminServerOptions> = {}): Promise<TestHost> {
  const registry = await openRegistry({})
  const control = createTestControl(registry)
  const routes: string[] = []
  const logged: TestHost['logged'] = []
  const log = (event: string, fields: Record<string, unknown>): void => void logged.push({ event, fields })
  const server = createAdminServer(
    { control, log: { info: log, warn: log, error: log } },
    {
      host: '127.0.0.1',
      port: 0,
      onRoute: (route) => routes.push(`${route.method} ${route.url}`),
      ...options,
    },
  )
  await registry.createTenant('acme')
  await registry.createTenant('globex')
  await control.deploy(deployRequest('acme', 'shop'))
  const tokens: Record<TokenKind, string> = {
    operator: (await registry.createToken(null, ['admin'])).token,
    operatorRead: (await registry.createToken(null, ['read'])).token,
    acmeAdmin: (await registry.createToken('acme', ['admin'])).token,
    acmeDeploy: (await registry.createToken('acme', ['deploy'])).token,
    acmeRead: (await registry.createToken('acme', ['read'])).token,
    acmeInvoke: (await registry.createToken('acme', ['invoke'])).token,
    globexAdmin: (await registry.createToken('globex', ['admin'])).token,
  }
  control.calls.length = 0
  const url = await server.listen()
  return {
    url,
    registry,
    control,
    tokens,
    routes,
    logged,
    request: (method, path, options = {}) => request(url, method, path, options),
    async close() {
      await server.close()
      await registry.close()
    },
  }
}

async function request(url: string, method: string, path: string, options: RequestOptions): Promise<Answer> {
  const body = options.raw ?? (options.body === undefined ? undefined : JSON.stringify(options.body))
  const response = await fetch(`${url}${path}`, {
    method,
    headers: {
      ...(options.token === undefined ? {} : { authorization: `Bearer ${options.token}` }),
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      ...options.headers,
    },
    ...(body === undefined ? {} : { body }),
  })
  const text = await response.text()
  const isJson = /[/+]json/.test(response.headers.get('content-type') ?? '')
  const json = isJson ? (JSON.parse(text) as Record<string, unknown>) : {}
  return { status: response.status, headers: response.headers, text, json }
}

export function deployRequest(tenant: string, name: string, source = 'export default {}'): DeployRequest {
  const manifest = { name, engine: 'v8' as const, routes: [], limits: {}, vars: {}, capabilities: {} }
  return { tenant, manifest, bundle: { source, sourceMap: null } }
}

function createTestControl(registry: Registry): TestControl {
  const calls: string[] = []
  const listeners = new Set<(entry: LogEntry) => void>()
  const called = (...parts: unknown[]): void => void calls.push(parts.map(String).join(' '))

  const control: TestControl = {
    registry,
    calls,
    listeners,
    onDeploy: () => Promise.resolve(),
    onInvoke: (target, method, args) => Promise.resolve({ target, method, args: [...args] }),
    emit(entry) {
      for (const listener of listeners) listener({ ...LOG_ENTRY, ...entry })
    },
    async deploy(request) {
      const { tenant, manifest, bundle } = request
      called('deploy', tenant, manifest.name)
      request.onProgress?.('checking')
      await control.onDeploy(request)
      request.onProgress?.('storing')
      const deployment: Deployment = {
        tenant,
        service: manifest.name,
        version: versionOf(bundle, manifest),
        manifest,
        sizeBytes: Buffer.byteLength(bundle.source),
        startupMs: 3,
        createdAt: Date.now(),
      }
      const record = await registry.activate(deployment, bundle)
      const { sizeBytes, startupMs, version } = deployment
      return {
        tenant,
        service: manifest.name,
        version,
        url: urlOf(record),
        sizeBytes,
        startupMs,
        grants: [],
        asksMore: [],
      }
    },
    rollback: (tenant, service, version) => registry.rollback(tenant, service, version),
    async deleteService(tenant, service) {
      called('deleteService', tenant, service)
      await registry.deleteService(tenant, service)
    },
    eventsControl: {
      status: () => Promise.resolve({ events: 0, bytes: 0, quotaBytes: 1, consumers: [] }),
      deadEvents: () => Promise.resolve([]),
      replay: () => Promise.resolve(0),
      discard: () => Promise.resolve(0),
      forgetConsumer: () => Promise.resolve(),
      publish: (tenant, { id }, kind) => {
        called('publish', tenant, id, kind)
        return Promise.resolve({ id })
      },
    },
    async deleteTenant(tenant, force) {
      called('deleteTenant', tenant, force)
      await registry.deleteTenant(tenant, force)
    },
    async services(tenant) {
      const records = await registry.listServices(tenant)
      return records.map((record) => statusOf(record))
    },
    versions: (tenant, service) => registry.listVersions(tenant, service),
    async putSecret(tenant, service, key, value) {
      called('putSecret', tenant, service, key)
      await registry.putSecret(tenant, service, key, value)
    },
    grants: async () => [],
    setEngine: async (tenant, service, engine) => {
      called('setEngine', tenant, service, engine)
      return { engine: engine ?? 'v8', override: engine }
    },
    decideGrant: async (tenant, service, binding, decision) => {
      called('decideGrant', tenant, service, binding, decision)
      return []
    },
    runSchedule: async (tenant, service, cron = '* * * * *') => {
      called('runSchedule', tenant, service, cron)
      return { cron, scheduledTime: 0, durationMs: 1 }
    },
    deleteSecret: (tenant, service, key) => registry.deleteSecret(tenant, service, key),
    invoke: (target, method, args) => {
      called('invoke', target, method)
      if (method === 'missing') throw new VelaError('VELA_METHOD_NOT_FOUND', `${target} exports no missing`)
      return control.onInvoke(target, method, args)
    },
    tail(tenant, service, listener) {
      called('tail', tenant, service)
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
    listActors: () => Promise.resolve({ active: { Cart: 2 }, stored: 3, bytes: 400, deadLetters: 1 }),
    deadLetters: () =>
      Promise.resolve([{ class: 'Cart', name: 'ann', method: 'add', reason: 'threw', at: 1, args: '[1]' }]),
    doctor: () => Promise.resolve([{ name: 'node', status: 'on' as const, detail: 'v24' }]),
    metrics: () => Promise.resolve('# TYPE vela_cells gauge\nvela_cells 1\n'),
    nodes: async () => ({ self: null, holdsLease: false, nodes: [] }),
    health: () => ({ status: 'ok', services: 1, cells: 2 }),
  }
  return control
}

const LOG_ENTRY: LogEntry = {
  time: 0,
  tenant: 'acme',
  service: 'shop',
  version: '000000000000',
  level: 'info',
  source: 'guest',
  message: '',
}

function urlOf({ tenant, service }: ServiceRecord): string {
  return `http://127.0.0.1:8787/${tenant}/${service}`
}

function statusOf(record: ServiceRecord): ServiceStatus {
  return { ...record, url: urlOf(record), routes: [], engine: 'v8', state: 'idle', replicas: 0, inFlight: 0 }
}
