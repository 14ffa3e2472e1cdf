/**
 * `startService`: a service in the real sandbox, for its author's tests. It runs where tests run, in Node, and never in a
 * guest; what it shows authors is in types.ts.
 */
import { checkSeed, seedKv } from './kv-seed.ts'
import { createLogLines } from './log-lines.ts'
import { loadRuntime, type Host, type HostManifest, type JsonOfHost } from './runtime.ts'
import type { RunningService, StartService, StartServiceOptions } from './types.ts'

export type { LogLine, RunningService, StartService, StartServiceOptions } from './types.ts'

const TENANT = 'test'
/** What is in flight when a test ends is of no use to anybody. */
const DRAIN_MS = 100
const LOG_WAIT_MS = 5_000
/** Servers of the test itself; a host in operation would refuse them. */
const THIS_MACHINE = ['127.0.0.0/8', '::1/128']

/** Documented where authors see it, in declarations.d.ts. */
export const startService: StartService = async (path = '.', options = {}) => {
  const { Runtime, bundleService } = loadRuntime()
  const bundled = await bundleService(path)
  const manifest = changed(bundled.manifest, options)
  if (options.kvSeed !== undefined) checkSeed(manifest, options.kvSeed)
  const peers = await Promise.all((options.peers ?? []).map((folder) => bundleService(folder)))
  const all = [manifest, ...peers.map((peer) => peer.manifest)]
  const host = await Runtime.create({
    data: null,
    gateway: { port: 0, accessLog: false },
    admin: { port: 0 },
    log: { level: 'silent' },
    cells: { spares: 0 },
    drainMs: DRAIN_MS,
    policy: { default: (options.policy as Record<string, JsonOfHost> | undefined) ?? everything(all) },
  })
  try {
    for (const [name, service] of Object.entries(options.services ?? {}))
      await host.registerService(name, service)
    await host.registry.createTenant(TENANT)
    for (const peer of peers) await host.deploy({ tenant: TENANT, ...peer })
    for (const [key, value] of Object.entries(options.secrets ?? {}))
      await host.registry.putSecret(TENANT, manifest.name, key, value)
    if (options.kvSeed !== undefined) await seedKv(host, TENANT, manifest, options.kvSeed)
    return await serve(host, manifest, bundled.bundle)
  } catch (thrown) {
    await host.stop()
    throw thrown
  }
}

async function serve(
  host: Host,
  manifest: HostManifest,
  bundle: { readonly source: string; readonly sourceMap: string | null },
): Promise<RunningService> {
  const log = createLogLines()
  const { name } = manifest
  const stopTail = host.tail(TENANT, name, (line) => log.add(line))
  const { grants } = await host.deploy({ tenant: TENANT, manifest, bundle })
  const { gateway } = await host.start()
  const url = `${gateway}/${TENANT}/${name}/`
  let stopped: Promise<void> | undefined
  const stop = (): Promise<void> => {
    stopped ??= host.stop().finally(() => {
      stopTail()
      log.close()
    })
    return stopped
  }
  return {
    url,
    denied: grants
      .filter(({ state }) => state !== 'granted')
      .map(({ kind, binding, reason }) => `${kind} ${binding}: ${reason ?? 'not granted'}`),
    async fetch(path = '/', init = {}) {
      if (!path.startsWith('/')) throw new TypeError(`fetch: ${JSON.stringify(path)} begins with no slash`)
      return await fetch(url + path.slice(1), init)
    },
    async invoke<Result>(method: string, ...args: readonly unknown[]) {
      return (await host.invoke(`${TENANT}/${name}`, method, args as JsonOfHost[])) as Result
    },
    async scheduled(cron) {
      await host.runSchedule(TENANT, name, cron)
    },
    logs: () => log.all(),
    waitForLog: (text, timeoutMs = LOG_WAIT_MS) => log.waitFor(text, timeoutMs),
    stop,
    [Symbol.asyncDispose]: stop,
  }
}

function changed(manifest: HostManifest, options: StartServiceOptions): HostManifest {
  const { vars, capabilities, engine } = options
  return {
    ...manifest,
    ...(engine === undefined ? {} : { engine }),
    vars: { ...manifest.vars, ...(vars as HostManifest['vars'] | undefined) },
    capabilities: {
      ...manifest.capabilities,
      ...(capabilities as HostManifest['capabilities'] | undefined),
    },
  }
}

/** A policy that grants each kind that is asked for. */
function everything(manifests: readonly HostManifest[]): Record<string, JsonOfHost> {
  const kinds = manifests.flatMap(({ capabilities }) => Object.keys(capabilities))
  return Object.fromEntries(kinds.map((kind) => [kind, kind === 'fetch' ? { networks: THIS_MACHINE } : true]))
}
