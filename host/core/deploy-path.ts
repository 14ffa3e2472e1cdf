/** Part of the composition root: deploys from a folder or file, as embedders and the examples do. */
import { bundleService } from '../bundle/bundler.ts'
import type { Parts } from './parts.ts'
import type { DeployResult } from './control.ts'

/** A folder with a manifest, or one .ts or .js file. */
export interface DeployPath {
  readonly tenant: string
  readonly path: string
  readonly name?: string
}

export async function deployPath(
  { services, metrics, registry, urls }: Parts,
  { tenant, path, name }: DeployPath,
): Promise<DeployResult> {
  let bundled: Awaited<ReturnType<typeof bundleService>>
  try {
    bundled = await bundleService(path, name === undefined ? {} : { name })
    // Code that embeds the runtime is the operator: its tenants need not be made first.
    if ((await registry.getTenant(tenant)) === undefined) await registry.createTenant(tenant)
  } catch (thrown) {
    metrics.deployed('refused')
    throw thrown
  }
  const { manifest, bundle } = bundled
  return await services.deploy({ tenant, manifest, bundle }, urls.gateway)
}
