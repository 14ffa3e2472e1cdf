/** Hosts of a cluster reduced to their registries: a connection, a store in memory, and followers that write down what they are told. */
import { onTestFinished } from 'vitest'
import { openClusterKey } from '../../host/cluster/cluster-key.ts'
import type { ErasureDeps } from '../../host/cluster/registry/erasure.ts'
import type { Adoption, Follower } from '../../host/cluster/registry/follower.ts'
import { type ClusterRegistry, openClusterRegistry } from '../../host/cluster/registry.ts'
import { parseConfig } from '../../host/core/config.ts'
import { VelaError } from '../../host/core/errors.ts'
import { createLog } from '../../host/core/log.ts'
import { checkRoutes } from '../../host/http/router.ts'
import { openNats } from '../../host/nats/nats.ts'
import type { Nats } from '../../host/nats/types.ts'
import { type LocalRegistry, openRegistry } from '../../host/registry/registry.ts'
import type { Bundle, Deployment } from '../../host/registry/types.ts'
import { versionOf } from '../../host/registry/version.ts'

export interface RegistryNode {
  readonly nats: Nats
  readonly local: LocalRegistry
  readonly registry: ClusterRegistry
  /** What the services of this host were told, in order. */
  readonly told: string[]
  /** How often each service does not start here. */
  readonly failures: Map<string, number>
  /** From here on it follows. */
  follow(): void
}

export interface NodeOptions {
  readonly key?: string
  readonly vela?: string
  readonly nodes?: Partial<ErasureDeps['nodes']>
}

/** Not in the cluster before `registry.sync`. */
export async function openNode(
  url: string,
  prefix: string,
  options: NodeOptions = {},
): Promise<RegistryNode> {
  const config = parseConfig({ nats: { servers: [url], prefix } }).nats
  if (config === null) throw new Error('no configuration')
  const log = createLog(parseConfig({ log: { level: 'silent' } }).log)
  const nats = await openNats(config, log)
  const local = await openRegistry({})
  const registry = openClusterRegistry({
    nats,
    local,
    box: openClusterKey(options.key ?? null),
    checkRoutes,
    nodes: { self: 'a', isAlive: () => true, isMine: () => true, ...options.nodes },
    vela: options.vela ?? '1',
    log,
  })
  const told: string[] = []
  const failures = new Map<string, number>()
  const follower: Follower = {
    exclusively: (_tenant, _service, work) => work(),
    async adopt({ deployment, accepted, store }: Adoption) {
      told.push(`${accepted ? 'take' : 'try'} ${deployment.service} ${deployment.version}`)
      const left = failures.get(deployment.service) ?? 0
      failures.set(deployment.service, left - 1)
      if (left > 0) throw new VelaError('VELA_CELL_START_FAILED', 'not here')
      await store()
    },
    dropService: async (_tenant, service) => void told.push(`drop ${service}`),
    dropTenant: async (tenant) => void told.push(`drop tenant ${tenant}`),
    erase: async (tenant, service) => void told.push(`erase ${tenant}/${service ?? '*'}`),
    reload: async (_tenant, service) => void told.push(`reload ${service}`),
    decided: () => undefined,
  }
  onTestFinished(async () => {
    await registry.close()
    await nats.close()
    await local.close()
  })
  return { nats, local, registry, told, failures, follow: () => registry.follow(follower) }
}

export async function startNode(url: string, prefix: string, options?: NodeOptions): Promise<RegistryNode> {
  const node = await openNode(url, prefix, options)
  await node.registry.sync(10_000)
  node.follow()
  return node
}

/** As a deploy does, without a cell; resolves to the version. */
export async function activate(
  { registry }: RegistryNode,
  tenant: string,
  service: string,
  source: string,
): Promise<string> {
  const bundle: Bundle = { source, sourceMap: null }
  const manifest = {
    name: service,
    engine: 'v8',
    routes: [],
    limits: {},
    vars: {},
    capabilities: {},
  } as const
  const version = versionOf(bundle, manifest)
  const deployment: Deployment = {
    tenant,
    service,
    version,
    manifest,
    sizeBytes: source.length,
    startupMs: 1,
    createdAt: Date.now(),
  }
  await registry.settle?.(tenant, service)
  await registry.activate(deployment, bundle)
  return version
}
