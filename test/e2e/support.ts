/** A real host for a test file: in this process through the embedding API, with real cells, sockets and bundles. */
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { readProcessStats } from '../../host/cells/process-stats.ts'
import { Runtime, type ConfigInput, type DeployResult, type RuntimeUrls } from '../../host/index.ts'
import { parseManifestJson } from '../../host/manifest/manifest.ts'
import type { JsonValue } from '../../host/registry/types.ts'
import { until } from '../until.ts'

export { until }

export interface TestRuntime extends AsyncDisposable {
  readonly runtime: Runtime
  readonly urls: RuntimeUrls
  /** Deploys JavaScript as it stands under `t/<name>`, or another tenant's. */
  deploy(name: string, source: string, options?: SourceOptions): Promise<DeployResult>
  /** A request to a service by its path form. */
  get(path: string, init?: RequestInit): Promise<Response>
  /** No turn of the tenant `t` is in flight. */
  settled(): Promise<void>
}

export interface SourceOptions {
  readonly tenant?: string
  readonly manifest?: Readonly<Record<string, JsonValue>>
}

export async function startRuntime(
  config: ConfigInput = {},
  prepare?: (runtime: Runtime) => Promise<void> | void,
): Promise<TestRuntime> {
  const runtime = await Runtime.create({
    data: null,
    ...config,
    gateway: { port: 0, accessLog: false, ...config.gateway },
    admin: { port: 0 },
    log: { level: 'silent', ...config.log },
  })
  await prepare?.(runtime)
  const urls = await runtime.start()
  return {
    runtime,
    urls,
    deploy: (name, source, options) => deploySource(runtime, name, source, options),
    get: (path, init) => fetch(`${urls.gateway}${path}`, init),
    settled: () =>
      until('no turn is in flight', async () =>
        (await runtime.services('t')).every((one) => one.inFlight === 0),
      ),
    [Symbol.asyncDispose]: () => runtime.stop(),
  }
}

export async function deploySource(
  runtime: Runtime,
  name: string,
  source: string,
  { tenant = 't', manifest = {} }: SourceOptions = {},
): Promise<DeployResult> {
  if ((await runtime.registry.getTenant(tenant)) === undefined) await runtime.registry.createTenant(tenant)
  return await runtime.deploy({
    tenant,
    manifest: parseManifestJson({ ...manifest, name }),
    bundle: { source, sourceMap: null },
  })
}

/** A `fetch` handler around a function body; `request`, `env` and `ctx` are at hand. */
export const handler = (body: string): string =>
  `export default { async fetch(request, env, ctx) { ${body} } }`

export interface TempDir extends Disposable {
  readonly path: string
  /** Writes a file, with the folders above it; returns its path. */
  write(file: string, text: string): string
}

export function tempDir(): TempDir {
  const path = mkdtempSync(join(tmpdir(), 'vela-e2e-'))
  return {
    path,
    write(file, text) {
      const full = join(path, file)
      mkdirSync(dirname(full), { recursive: true })
      writeFileSync(full, text)
      return full
    },
    [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }),
  }
}

export async function problemCode(response: Response): Promise<unknown> {
  const { code } = (await response.json()) as { code?: unknown }
  return code
}

/** Is there a process of this id that still runs? */
export const isRunning = (pid: number): boolean => ![undefined, 'Z', 'X'].includes(statOf(pid)?.state)

/** The cells of a host: its children that run the cell program. */
export function cellPidsOf(hostPid: number): number[] {
  return readdirSync('/proc')
    .map(Number)
    .filter((pid) => pid > 0 && statOf(pid)?.parent === hostPid && commandLineOf(pid).includes('cell.js'))
}

export const residentMb = (pid: number): number => (readProcessStats(pid)?.residentBytes ?? 0) / 1024 / 1024

/** Of this process's cells the one that serves; spares do nothing and stay small. */
export const cellMb = (): number => Math.max(...cellPidsOf(process.pid).map(residentMb))

interface Stat {
  readonly state: string
  readonly parent: number
}

function statOf(pid: number): Stat | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'latin1')
    const [state = '?', parent] = text.slice(text.lastIndexOf(')') + 2).split(' ')
    return { state, parent: Number(parent) }
  } catch {
    return undefined
  }
}

function commandLineOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'latin1')
  } catch {
    return ''
  }
}
