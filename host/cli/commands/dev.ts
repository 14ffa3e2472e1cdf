/**
 * `vela dev [path]`: a host in memory with one service in it, deployed again whenever its files change. An edit
 * that does not deploy is reported and the version before it keeps serving.
 */
import type { Command } from 'commander'
import { command } from '../api.ts'
import { createDevSession } from '../dev-session.ts'
import { ensureTenant } from '../examples.ts'
import { configure, createHost, type HostRuntime } from '../host-port.ts'
import { createOutput } from '../output.ts'
import { runUntilStopped } from '../run-host.ts'
import { parsePort } from '../target.ts'
import { jsonLine, printable, styled } from '../text.ts'
import { watchService, type Watcher } from '../watch.ts'

interface DevFlags {
  readonly tenant: string
  readonly name?: string
  readonly port?: number
  readonly adminPort?: number
  readonly json?: true
}

export function devCommand(): Command {
  return command('dev', 'run a service here and deploy it again when its files change')
    .argument('[path]', 'folder or file', '.')
    .option('--tenant <tenant>', 'tenant it runs under', 'demo')
    .option('--name <name>', 'name of the service (the manifest’s)')
    .option('--port <port>', 'port of the gateway, 0 for any free one (8787)', parsePort)
    .option('--admin-port <port>', 'port of the control API, 0 for any free one (8788)', parsePort)
    .action(dev)
}

async function dev(path: string, flags: DevFlags): Promise<void> {
  const output = createOutput(flags.json === true)
  const sources = {
    env: process.env,
    // The session shows what the service says; the host's own log would say it again.
    flags: {
      port: flags.port,
      adminPort: flags.adminPort,
      data: null,
      ...(hasLogLevel() ? {} : { logLevel: 'silent' }),
    },
  }
  const config = await configure(sources)
  const create = (): Promise<HostRuntime> =>
    createHost({ ...config, log: { ...config.log, destination: 'stderr' } }, sources)
  let watcher: Watcher | undefined
  try {
    await runUntilStopped(create, output, async (urls, runtime) => {
      await ensureTenant(runtime, flags.tenant)
      const session = createDevSession({ runtime, output }, { path, ...flags })
      const watchFiles = await session.deploy()
      if (output.json) output.line(jsonLine({ event: 'ready', ...urls, pid: process.pid }))
      watcher = watchService(path, watchFiles, () => session.deploy())
      output.note(styled('dim', `watching ${printable(path)}; Ctrl-C ends it`, process.stderr))
    })
  } finally {
    watcher?.close()
  }
}

const hasLogLevel = (): boolean => (process.env['VELA_LOG_LEVEL'] ?? '') !== ''
