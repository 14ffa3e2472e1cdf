/**
 * Fills namespaces before a service under test starts, by way of a service of its own that the same tenant deploys for
 * a moment: what is stored came through the store's front door.
 */
import type { Host, HostManifest, JsonOfHost } from './runtime.ts'
import type { StartServiceOptions } from './types.ts'

const SEEDER = 'vela-kv-seed'
const SOURCE = `export class Seed {
  constructor(ctx, env) { this.env = env }
  async put(binding, entries) {
    for (const [key, value] of entries) await this.env[binding].put(key, value)
  }
}`

type Seed = NonNullable<StartServiceOptions['kvSeed']>

/** Throws a TypeError for a binding that the manifest does not ask for. */
export function checkSeed(manifest: HostManifest, seed: Seed): void {
  const bindings = kvBindings(manifest)
  for (const binding of Object.keys(seed)) {
    if (bindings.has(binding)) continue
    const known = bindings.size === 0 ? 'none' : [...bindings.keys()].join(', ')
    throw new TypeError(`kvSeed: the service asks for no kv binding called ${binding}; it asks for ${known}`)
  }
}

export async function seedKv(host: Host, tenant: string, manifest: HostManifest, seed: Seed): Promise<void> {
  await host.deploy({
    tenant,
    manifest: {
      name: SEEDER,
      engine: 'v8',
      routes: [],
      limits: {},
      vars: {},
      capabilities: { kv: Object.fromEntries(kvBindings(manifest)) },
    },
    bundle: { source: SOURCE, sourceMap: null },
  })
  for (const [binding, values] of Object.entries(seed)) {
    const entries = Object.entries(values).map(([key, value]) => [
      key,
      typeof value === 'string' ? value : JSON.stringify(value),
    ])
    await host.invoke(`${tenant}/${SEEDER}`, 'Seed.put', [binding, entries])
  }
  await host.deleteService(tenant, SEEDER)
}

/** Each with the same namespace and prefix, and the power to write. */
function kvBindings({ name, capabilities }: HostManifest): Map<string, JsonOfHost> {
  const asked = capabilities['kv']
  if (asked === undefined) return new Map()
  const own = Object.entries(fieldsOf(asked))
  const bindings: [string, JsonOfHost][] = own.length === 0 ? [['kv', {}]] : own
  return new Map(
    bindings.map(([binding, value]) => {
      const { namespace = name, prefix = '' } = fieldsOf(value)
      return [binding, { namespace, prefix }]
    }),
  )
}

const fieldsOf = (value: JsonOfHost): { readonly [key: string]: JsonOfHost } =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? value : {}
