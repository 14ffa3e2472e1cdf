/**
 * Finds the host for the testing helper. The SDK does not depend on it: a service can be written, and its types
 * checked, without one. It is loaded by Node itself, not through the test runner, which would transform each of its files
 * anew for every test file and whose mocks have no business there.
 */
import { existsSync } from 'node:fs'
import { createRequire, enableCompileCache, flushCompileCache } from 'node:module'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { JsonValue } from '../types/web.ts'
import type { LogLine } from './types.ts'

/** What the helper needs of `vela-runtime`; a test holds the real one against it. */
export interface VelaRuntime {
  readonly Runtime: { create(config: RuntimeConfig): Promise<Host> }
  bundleService(path: string): Promise<{ readonly manifest: HostManifest; readonly bundle: HostBundle }>
}

export interface RuntimeConfig {
  readonly data: null
  readonly gateway: { readonly port: 0; readonly accessLog: false }
  readonly admin: { readonly port: 0 }
  readonly log: { readonly level: 'silent' }
  readonly cells: { readonly spares: 0 }
  readonly drainMs: number
  readonly policy: Record<string, JsonOfHost>
}

/** As the host writes it: without `readonly`. */
export type JsonOfHost = string | number | boolean | null | JsonOfHost[] | { [key: string]: JsonOfHost }

export interface HostManifest {
  readonly name: string
  readonly engine: 'v8' | 'quickjs'
  readonly routes: readonly string[]
  readonly limits: object
  readonly vars: Readonly<Record<string, JsonOfHost>>
  readonly capabilities: Readonly<Record<string, JsonOfHost>>
}

export interface HostBundle {
  readonly source: string
  readonly sourceMap: string | null
}

export interface Host {
  readonly registry: {
    createTenant(name: string): Promise<unknown>
    putSecret(tenant: string, service: string, key: string, value: string): Promise<void>
  }
  registerService(name: string, provider: object): Promise<object>
  deploy(request: {
    readonly tenant: string
    readonly manifest: HostManifest
    readonly bundle: HostBundle
  }): Promise<{ readonly grants: readonly HostGrant[] }>
  deleteService(tenant: string, service: string): Promise<void>
  invoke(
    target: `${string}/${string}`,
    method: string,
    args: readonly JsonOfHost[],
  ): Promise<JsonValue | undefined>
  runSchedule(tenant: string, service: string, cron?: string): Promise<unknown>
  tail(tenant: string, service: string, listener: (line: LogLine) => void): () => void
  start(): Promise<{ readonly gateway: string }>
  stop(): Promise<void>
}

export interface HostGrant {
  readonly binding: string
  readonly kind: string
  readonly state: 'granted' | 'denied' | 'revoked'
  readonly reason?: string
}

const NAME = 'vela-runtime'
const NEEDED_MAJOR = 24

export interface LoadOptions {
  /** Where `vela-runtime` is looked for, after the SDK's own place. */
  readonly from?: string
  /** The host beside the SDK, in a clone of the project. */
  readonly beside?: string
  readonly nodeVersion?: string
}

/** Throws an Error that says what to install. */
export function loadRuntime({
  from = process.cwd(),
  beside = fileURLToPath(new URL('../../host/index.ts', import.meta.url)),
  nodeVersion = process.versions.node,
}: LoadOptions = {}): VelaRuntime {
  if (Number.parseInt(nodeVersion, 10) < NEEDED_MAJOR) {
    throw new Error(
      `@vela/guest-sdk/testing needs Node ${NEEDED_MAJOR} and this is ${nodeVersion}; run the tests with it (\`npm install --save-dev node@${NEEDED_MAJOR}\` brings it)`,
    )
  }
  const require = createRequire(import.meta.url)
  const path = installed(require, from) ?? (existsSync(beside) ? beside : undefined)
  if (path === undefined) {
    throw new Error(
      `@vela/guest-sdk/testing runs services in the real sandbox, which is the package ${NAME}, and it is not installed: \`npm install --save-dev ${NAME}\``,
    )
  }
  const modules = join(from, 'node_modules')
  const isCached = existsSync(modules)
  // Half the time of a start is reading the host's code. In the project, since a folder for all users could be poisoned.
  if (isCached) enableCompileCache(join(modules, '.cache', 'vela'))
  const runtime = require(path) as VelaRuntime
  // A test runner may end its processes without asking.
  if (isCached) flushCompileCache()
  return runtime
}

function installed(require: NodeJS.Require, from: string): string | undefined {
  try {
    return require.resolve(NAME, { paths: [import.meta.dirname, from] })
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code === 'MODULE_NOT_FOUND') return undefined
    throw thrown
  }
}
