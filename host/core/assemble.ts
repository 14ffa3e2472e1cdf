/**
 * The composition root's other half: makes every part of a host and joins them. Parts get what they need from here as narrow
 * functions. What was opened is closed again when a later part fails.
 */
import { ensureFirstToken } from '../admin/first-token.ts'
import { createCellPool } from '../cells/cell-pool.ts'
import { createGateway } from '../http/gateway.ts'
import type { Middleware } from '../http/middleware.ts'
import { openRegistry } from '../registry/registry.ts'
import { createCatalog } from '../services/catalog.ts'
import { createScheduler } from '../services/scheduler.ts'
import { createServices } from '../services/services.ts'
import { createHostCapabilities } from './capabilities.ts'
import { setCollectorFlags } from './collector-flags.ts'
import { portsOf, type Parts } from './components.ts'
import { parseConfig, type ConfigInput } from './config.ts'
import { createLifecycle } from './lifecycle.ts'
import { createLog } from './log.ts'
import { createMetrics } from './metrics.ts'

const HOOK_TIMEOUT_MS = 30_000

export async function assemble(input: ConfigInput): Promise<Parts> {
  const config = parseConfig(input)
  setCollectorFlags()
  const log = createLog(config.log)
  const metrics = createMetrics()
  const registry = await openRegistry({
    ...(config.data === null ? {} : { dataDir: config.data }),
    onLog: (level, message) => log[level]('store', { message }),
  })
  const opened: { close(): Promise<unknown> }[] = [log, registry]
  try {
    await ensureFirstToken(registry, config.data, process.env['VELA_ADMIN_TOKEN'])
    const urls = { gateway: '', admin: '' }
    const catalog = createCatalog()
    const hosts = new Map<string, object>()
    const capabilities = await createHostCapabilities({
      config,
      log,
      metrics,
      registry,
      catalog,
      hosts,
      ownPorts: () => portsOf(urls),
    })
    opened.push(capabilities)
    const cells = await createCellPool({ config, log, metrics })
    opened.push(cells)
    const { broker, decisions } = capabilities
    const services = await createServices({
      config,
      registry,
      cells,
      log,
      metrics,
      broker,
      decisions,
      catalog,
      actors: capabilities.actors,
    })
    const lifecycle = createLifecycle(
      { log },
      { hookTimeoutMs: Math.max(HOOK_TIMEOUT_MS, config.drainMs * 2) },
    )
    const middleware: Middleware[] = []
    const gateway = createGateway(
      {
        router: () => services.router,
        middleware: () => middleware,
        access: (record) => log.access(record),
        refused: (code) => metrics.refused(code),
      },
      config.gateway,
    )
    return {
      config,
      log,
      metrics,
      registry,
      cells,
      services,
      scheduler: createScheduler({ catalog }),
      capabilities,
      hosts,
      lifecycle,
      gateway,
      middleware,
      urls,
    }
  } catch (thrown) {
    for (const part of opened.reverse()) await part.close()
    throw thrown
  }
}
