/**
 * Services as their authors have them, bundled and deployed the ordinary way into one host per test file, and asked over
 * HTTP. What they fetch is a server of the test on the loopback, granted by the operator's policy.
 */
import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { afterAll, beforeAll, describe } from 'vitest'
import { bundleService, type BundledService } from '../../host/bundle/bundler.ts'
import { Runtime } from '../../host/core/runtime.ts'
import type { Manifest } from '../../host/registry/types.ts'
import type { EngineName } from '../engines.ts'
import { LIBRARIES } from './catalogue.ts'

export const SERVICES: string = join(import.meta.dirname, 'services')

export interface Service {
  /** `path` is the service's own. */
  fetch(path: string, init?: RequestInit): Promise<Response>
  /** POSTs a value as JSON. */
  post(path: string, value: unknown, init?: RequestInit): Promise<Response>
}

export interface LibraryHost {
  /** The host's own, once `beforeAll` has run. */
  readonly runtime: () => Runtime
  readonly gateway: () => string
  readonly at: (tenant: string, name: string) => Service
  /** `file` is a file of ./services; what is not in the manifest is the default. */
  deploy(tenant: string, file: string, manifest: Partial<Manifest>): Promise<Service>
  /** A service without libraries, in the tenant of the engine. */
  deploySource(engine: EngineName, source: string): Promise<Service>
  /** Describes the library on each engine it is listed with; `manifest` is asked for at deploy. */
  describe(
    name: string,
    suite: (service: Service, engine: EngineName) => void,
    manifest?: () => Partial<Manifest>,
  ): void
}

/** First requests compile a lot, and a loaded machine takes twice the time for it; the rest is what any service gets. */
const LIMITS = { default: { cpuMs: 1000 } }

export function createLibraryHost(): LibraryHost {
  let runtime: Runtime | undefined
  let gateway = ''
  let sources = 0
  const bundles = new Map<string, Promise<BundledService>>()

  beforeAll(async () => {
    runtime = await Runtime.create({
      data: null,
      gateway: { port: 0, accessLog: false },
      admin: { port: 0 },
      log: { level: 'silent' },
      cells: { spares: 1 },
      drainMs: 500,
      limits: LIMITS,
      policy: { default: { fetch: { networks: ['127.0.0.1/32'] } } },
    })
    gateway = (await runtime.start()).gateway
  })
  afterAll(() => runtime?.stop())

  const running = (): Runtime => {
    if (runtime === undefined) throw new Error('the host runs only while tests do')
    return runtime
  }
  const at = (tenant: string, name: string): Service => {
    const ask = (path: string, init?: RequestInit): Promise<Response> =>
      fetch(`${gateway}/${tenant}/${name}${path}`, { redirect: 'manual', ...init })
    return {
      fetch: ask,
      post: (path, value, init = {}) =>
        ask(path, {
          method: 'POST',
          body: JSON.stringify(value),
          ...init,
          headers: { 'content-type': 'application/json', ...(init.headers as Record<string, string>) },
        }),
    }
  }
  const createTenant = async (tenant: string): Promise<void> => {
    const { registry } = running()
    if ((await registry.getTenant(tenant)) === undefined) await registry.createTenant(tenant)
  }
  const deploy = async (tenant: string, file: string, given: Partial<Manifest>): Promise<Service> => {
    const path = join(SERVICES, file)
    const bundled = bundles.get(file) ?? bundleService(path)
    bundles.set(file, bundled)
    const { manifest, bundle } = await bundled
    await createTenant(tenant)
    const merged = { ...manifest, ...given }
    await running().deploy({ tenant, manifest: merged, bundle })
    return at(tenant, merged.name)
  }
  const deploySource = async (engine: EngineName, source: string): Promise<Service> => {
    await createTenant(engine)
    const name = `source-${++sources}`
    const manifest = { name, engine, routes: [], limits: {}, vars: {}, capabilities: {} }
    await running().deploy({ tenant: engine, manifest, bundle: { source, sourceMap: null } })
    return at(engine, name)
  }
  return {
    runtime: running,
    gateway: () => gateway,
    at,
    deploy,
    deploySource,
    describe(name, suite, manifest = () => ({})) {
      const engines = LIBRARIES.find((library) => library.name === name)?.engines ?? []
      if (engines.length === 0) throw new Error(`${name} is not in the catalogue`)
      for (const engine of engines) {
        describe(`${name} on ${engine}`, () => {
          beforeAll(async () => void (await deploy(engine, `${name}.ts`, { ...manifest(), engine })))
          suite(at(engine, name), engine)
        })
      }
    },
  }
}

export interface Upstream {
  /** `http://127.0.0.1:port`, once `beforeAll` has run. */
  readonly origin: () => string
  /** A manifest that asks to fetch from it. */
  readonly asked: () => Pick<Manifest, 'capabilities'>
}

/** A server of the test; call it before `createLibraryHost().describe`, so that its origin is known to what is deployed. */
export function createUpstream(
  listener: (request: IncomingMessage, response: ServerResponse, body: string) => void,
): Upstream {
  const server = createServer((request, response) => {
    void text(request).then((body) => listener(request, response, body))
  })
  beforeAll(async () => {
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
  })
  afterAll(() => {
    server.close()
    server.closeAllConnections()
  })
  const origin = (): string => `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return { origin, asked: () => ({ capabilities: { fetch: { allow: [origin()] } } }) }
}

export interface ServerSentEvent {
  readonly event?: string
  readonly id?: string
  readonly data: string
}

/** The events of a whole `text/event-stream`, as an EventSource would tell them; comments are left out. */
export function parseEvents(stream: string): ServerSentEvent[] {
  return stream.split(/\r?\n\r?\n/).flatMap((block) => {
    const fields = block
      .split(/\r?\n/)
      .map((line) => /^(event|id|data)(?:: ?(.*))?$/.exec(line))
      .filter((match) => match !== null)
    const valuesOf = (name: string): string[] =>
      fields.filter(([, field]) => field === name).map(([, , value = '']) => value)
    const data = valuesOf('data')
    if (data.length === 0) return []
    const event = valuesOf('event').at(-1)
    const id = valuesOf('id').at(-1)
    return [
      {
        ...(event === undefined ? {} : { event }),
        ...(id === undefined ? {} : { id }),
        data: data.join('\n'),
      },
    ]
  })
}
