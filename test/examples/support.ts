/** An example of the project in a host of its own, on the engine that a suite wants; the sources are those that `npm start` runs. */
import { join } from 'node:path'
import { bundleService, type ConfigInput, type LogEntry, type Runtime } from '../../host/index.ts'
import type { JsonValue, Manifest } from '../../host/registry/types.ts'
import { startRuntime } from '../e2e/support.ts'
import type { EngineName } from '../engines.ts'

const EXAMPLES = join(import.meta.dirname, '..', '..', 'examples')

export interface ExampleHost extends AsyncDisposable {
  readonly runtime: Runtime
  readonly gateway: string
  /** Where the service answers, without a slash at the end. */
  readonly url: string
  readonly log: LogEntry[]
  /** Deploys it once more, with other vars: another version. */
  redeploy(vars?: Readonly<Record<string, JsonValue>>): Promise<void>
  get(path: string): Promise<Answer>
  post(path: string, body?: string | object): Promise<Answer>
  remove(path: string): Promise<Answer>
}

export interface Answer {
  readonly status: number
  readonly headers: Headers
  readonly body: unknown
}

export interface ExampleOptions {
  readonly engine: EngineName
  readonly vars?: Readonly<Record<string, JsonValue>>
  readonly limits?: Manifest['limits']
  readonly config?: ConfigInput
}

export async function startExample(
  name: string,
  { engine, vars = {}, limits = {}, config = {} }: ExampleOptions,
): Promise<ExampleHost> {
  const { manifest, bundle } = await bundleService(join(EXAMPLES, name))
  const { runtime, urls } = await startRuntime({ cells: { spares: 0 }, ...config })
  const deploy = async (values: Readonly<Record<string, JsonValue>>): Promise<void> => {
    const own = {
      ...manifest,
      engine,
      vars: { ...manifest.vars, ...values },
      limits: { ...manifest.limits, ...limits },
    }
    await runtime.deploy({ tenant: 'demo', manifest: own, bundle })
  }
  if ((await runtime.registry.getTenant('demo')) === undefined) await runtime.registry.createTenant('demo')
  await deploy(vars)
  const log: LogEntry[] = []
  runtime.tail('demo', manifest.name, (entry) => log.push(entry))
  const url = `${urls.gateway}/demo/${manifest.name}`
  const ask = async (method: string, path: string, body?: string | object): Promise<Answer> => {
    const response = await fetch(`${url}${path}`, {
      method,
      ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    })
    const text = await response.text()
    const isJson = response.headers.get('content-type')?.includes('json') === true
    return { status: response.status, headers: response.headers, body: isJson ? JSON.parse(text) : text }
  }
  return {
    runtime,
    gateway: urls.gateway,
    url,
    log,
    redeploy: (values = {}) => deploy({ ...vars, ...values }),
    get: (path) => ask('GET', path),
    post: (path, body) => ask('POST', path, body),
    remove: (path) => ask('DELETE', path),
    [Symbol.asyncDispose]: () => runtime.stop(),
  }
}

/** What `count` calls at the same time answered. */
export const atOnce = <Result>(count: number, call: (at: number) => Promise<Result>): Promise<Result[]> =>
  Promise.all(Array.from({ length: count }, (_, at) => call(at)))
