/** One host with several tenants, for tests of what guests are given: the real runtime, cells and sockets. */
import type { ConfigInput } from '../../host/core/config.ts'
import type { DeployResult, GrantStatus, LogEntry } from '../../host/core/control.ts'
import { Runtime } from '../../host/core/runtime.ts'
import type { JsonValue, Manifest } from '../../host/registry/types.ts'

export interface Host {
  readonly runtime: Runtime
  readonly gateway: string
  readonly admin: string
  /** `at` is tenant/service; the tenant is made if it is not there. */
  deploy(at: string, source: string, manifest?: Partial<Manifest>): Promise<DeployResult>
  /** Calls a method; what it throws comes back as its code or message. */
  invoke(at: string, method: string, ...args: JsonValue[]): Promise<JsonValue | undefined>
  grantOf(at: string, binding: string): Promise<GrantStatus | undefined>
  decide(at: string, binding: string, decision: 'granted' | 'revoked' | 'policy'): Promise<void>
  /** Fills as the service logs. */
  logOf(at: string): LogEntry[]
}

export async function startHost(
  config: ConfigInput = {},
  before: (runtime: Runtime) => Promise<unknown> = async () => undefined,
): Promise<Host> {
  const runtime = await Runtime.create({
    data: null,
    gateway: { port: 0 },
    admin: { port: 0 },
    log: { level: 'silent' },
    drainMs: 500,
    ...config,
  })
  await before(runtime)
  const { gateway, admin } = await runtime.start()
  return { ...hostOf(runtime), gateway, admin }
}

export function hostOf(runtime: Runtime): Omit<Host, 'gateway' | 'admin'> {
  return {
    runtime,
    async deploy(at, source, manifest = {}) {
      const [tenant, name] = parts(at)
      if ((await runtime.registry.getTenant(tenant)) === undefined)
        await runtime.registry.createTenant(tenant)
      return await runtime.deploy({
        tenant,
        manifest: { name, engine: 'v8', routes: [], limits: {}, vars: {}, capabilities: {}, ...manifest },
        bundle: { source, sourceMap: null },
      })
    },
    invoke: (at, method, ...args) => runtime.invoke(at as `${string}/${string}`, method, args),
    async grantOf(at, binding) {
      const grants = await runtime.grants(...parts(at))
      return grants.find((grant) => grant.binding === binding)
    },
    async decide(at, binding, decision) {
      await runtime.decideGrant(...parts(at), binding, decision)
    },
    logOf(at) {
      const entries: LogEntry[] = []
      runtime.tail(...parts(at), (entry) => entries.push(entry))
      return entries
    },
  }
}

function parts(at: string): [string, string] {
  const [tenant = '', service = ''] = at.split('/')
  return [tenant, service]
}

/** A guest whose method `use` calls `env[binding][method](...args)` and says what became of it. */
export const CALLER = `
import { WorkerEntrypoint } from 'cloudflare:workers'
export default class extends WorkerEntrypoint {
  async use(binding, method, ...args) {
    try {
      const value = await this.env[binding][method](...args)
      return { value: value === undefined ? 'undefined' : value }
    } catch (error) {
      return { name: error.name, message: error.message, code: error.code, hasStackOfHost: /host\\/|node:/.test(error.stack ?? '') }
    }
  }
}
`
