/**
 * Deploys the project's own examples: every folder of examples/ that has a manifest, under tenant demo. What is
 * already there unchanged is left alone; one that is broken is reported and does not stop the host.
 */
import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { toVelaError, VelaError } from '../core/errors.ts'
import { bundle, versionOf, type HostRuntime } from './host-port.ts'
import type { Output } from './output.ts'
import { printableLines } from './text.ts'

export interface Example {
  readonly service: string
  readonly version: string
  readonly url: string
  /** Commands that show what it does. */
  readonly try: readonly string[]
}

type ExamplesHost = Pick<HostRuntime, 'registry' | 'services' | 'deploy'>

const TENANT = 'demo'
const TRIES: Readonly<Record<string, (url: string) => readonly string[]>> = {
  cart: (url) => [
    `curl -d '{"sku":"tea","quantity":2}' ${url}carts/ada/items`,
    `curl -X POST ${url}carts/ada/checkout`,
  ],
  chat: (url) => [
    `curl -d 'good morning' '${url}rooms/tea?name=ada' # and open ${url} in a browser`,
    `curl ${url}rooms/tea`,
  ],
  hello: (url) => [`curl '${url}?name=Ada'`],
  notes: (url) => [`curl -H 'content-type: application/json' -d '{"title":"buy tea"}' ${url}`, `curl ${url}`],
  pipeline: (url) => [`curl -d '[97, 600851475143, 1000000007]' ${url}jobs`, `curl ${url}results`],
  quote: () => [`npx vela invoke ${TENANT}/quote quote '[[{"sku":"tea","quantity":3}]]'`],
  'rate-limiter': (url) => [`curl -i '${url}?key=ada'`],
  stream: (url) => [`curl -N ${url}`, `curl -o /dev/null '${url}bytes?mb=10'`],
}
const EXAMPLES = join(import.meta.dirname, '..', '..', 'examples')

export async function deployExamples(
  runtime: ExamplesHost,
  output: Output,
  folder: string = EXAMPLES,
): Promise<Example[]> {
  await ensureTenant(runtime, TENANT)
  const deployed: Example[] = []
  for (const name of exampleFolders(folder)) {
    try {
      deployed.push(await deployExample(runtime, join(folder, name)))
    } catch (thrown) {
      const { message, code } = toVelaError(thrown, 'VELA_DEPLOY_BUNDLE_FAILED')
      output.note(`example ${name} was not deployed: ${printableLines(message, '  ')} (${code})`)
    }
  }
  return deployed
}

export async function ensureTenant(runtime: Pick<HostRuntime, 'registry'>, tenant: string): Promise<void> {
  try {
    if ((await runtime.registry.getTenant(tenant)) === undefined) await runtime.registry.createTenant(tenant)
  } catch (error) {
    if (!(error instanceof VelaError) || error.code !== 'VELA_TENANT_EXISTS') throw error
  }
}

function exampleFolders(folder: string): string[] {
  if (!existsSync(folder)) return []
  return readdirSync(folder, { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && existsSync(join(folder, entry.name, 'vela.jsonc')))
    .map((entry) => entry.name)
    .sort()
}

async function deployExample(runtime: ExamplesHost, folder: string): Promise<Example> {
  const bundled = await bundle(folder)
  const version = await versionOf(bundled)
  const services = await runtime.services(TENANT)
  const present = services.find((one) => one.service === bundled.manifest.name)
  if (present?.activeVersion === version) return exampleOf(present.service, version, present.url)
  const { manifest } = bundled
  const result = await runtime.deploy({ tenant: TENANT, manifest, bundle: bundled.bundle })
  return exampleOf(result.service, result.version, result.url)
}

function exampleOf(service: string, version: string, url: string): Example {
  return { service, version, url, try: TRIES[service]?.(url) ?? [`curl ${url}`] }
}
