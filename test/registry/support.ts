/** What the registry's tests share: temporary data directories, contents to deploy, and hosts as real child processes. */
import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { onTestFinished } from 'vitest'
import type { ErrorCode } from '../../host/core/errors.ts'
import { openRegistry } from '../../host/registry/registry.ts'
import type { RegistryOptions } from '../../host/registry/registry.ts'
import type { Bundle, Deployment, Manifest, Registry } from '../../host/registry/types.ts'
import { versionOf } from '../../host/registry/version.ts'

/** A registry that is closed when the test ends. */
export async function open(options: RegistryOptions = {}): Promise<Registry> {
  const registry = await openRegistry(options)
  onTestFinished(() => registry.close())
  return registry
}

export function manifestOf(name: string, vars: Manifest['vars'] = {}): Manifest {
  return { name, engine: 'v8', routes: [], limits: {}, vars, capabilities: {} }
}

export interface Content {
  readonly deployment: Deployment
  readonly bundle: Bundle
}

export function contentOf(tenant: string, service: string, source: string): Content {
  const bundle = { source, sourceMap: null }
  const manifest = manifestOf(service)
  const version = versionOf(bundle, manifest)
  const sizeBytes = Buffer.byteLength(source)
  return {
    bundle,
    deployment: {
      tenant,
      service,
      version,
      manifest,
      sizeBytes,
      startupMs: 1.5,
      createdAt: 1_700_000_000_000,
    },
  }
}

/** Deploys `source` and tells its version. */
export async function deploy(registry: Registry, path: string, source: string): Promise<string> {
  const [tenant = '', service = ''] = path.split('/')
  const { deployment, bundle } = contentOf(tenant, service, source)
  await registry.activate(deployment, bundle)
  return deployment.version
}

export function withCode(code: ErrorCode, message: RegExp = /./): object {
  return { asymmetricMatch: (error: unknown) => hasCode(error, code) && message.test(error.message) }
}

function hasCode(error: unknown, code: ErrorCode): error is Error {
  return error instanceof Error && 'code' in error && error.code === code
}

export interface Child {
  readonly process: ChildProcess
  readonly lines: AsyncIterator<string>
  /** The next line, or a failure that tells what the child wrote to its error output. */
  line(): Promise<string>
  kill(): Promise<void>
}

/** Runs a fixture in a process of its own. */
export function run(fixture: string, ...args: string[]): Child {
  const path = fileURLToPath(new URL(`./fixtures/${fixture}`, import.meta.url))
  const child = spawn(process.execPath, [path, ...args], { stdio: ['ignore', 'pipe', 'pipe'] })
  const exited = once(child, 'exit')
  const complaints: string[] = []
  child.stderr.setEncoding('utf8').on('data', (text: string) => complaints.push(text))
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  const kill = async (): Promise<void> => {
    child.kill('SIGKILL')
    await exited
  }
  onTestFinished(kill)
  return {
    process: child,
    lines,
    kill,
    async line() {
      const next = await lines.next()
      if (next.done === true) throw new Error(`the child ended: ${complaints.join('')}`)
      return next.value
    },
  }
}
