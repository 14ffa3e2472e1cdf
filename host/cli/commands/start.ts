/** `vela start`: a host until it is told to stop. The first line of --json is the promise that it serves. */
import type { Command } from 'commander'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Config } from '../../core/config.ts'
import { command, DEFAULT_API_URL } from '../api.ts'
import type { ClusterStatus } from '../../core/control.ts'
import { deployExamples, type Example } from '../examples.ts'
import { configure, createHost, type HostRuntime } from '../host-port.ts'
import { createOutput } from '../output.ts'
import { runUntilStopped } from '../run-host.ts'
import { parsePort } from '../target.ts'
import { jsonLine, printable, styled } from '../text.ts'

interface StartFlags {
  readonly config?: string
  readonly host?: string
  readonly port?: number
  readonly adminHost?: string
  readonly adminPort?: number
  readonly data?: string
  readonly record?: string
  readonly logLevel?: string
  readonly nats?: string
  readonly examples?: true
  readonly json?: true
}

export function startCommand(): Command {
  return command('start', 'start a host')
    .option('--config <file>', 'configuration (VELA_CONFIG, ./vela.config.jsonc)')
    .option('--host <host>', 'address the gateway listens on (127.0.0.1)')
    .option('--port <port>', 'port of the gateway, 0 for any free one (8787)', parsePort)
    .option('--admin-host <host>', 'address the control API listens on (127.0.0.1)')
    .option('--admin-port <port>', 'port of the control API, 0 for any free one (8788)', parsePort)
    .option('--data <dir>', 'data directory (.vela); none keeps everything in memory')
    .option('--record <dir>', 'record what cells are given, for `vela replay`')
    .option('--nats <urls>', 'join the cluster of this NATS (nats://host:port, more by commas)')
    .option('--log-level <level>', 'debug, info, warn, error or silent (info)')
    .option('--examples', 'deploy the examples of this project under tenant demo')
    .action(start)
}

async function start(flags: StartFlags): Promise<void> {
  const { config: file, examples, json, ...configFlags } = flags
  const output = createOutput(json === true)
  const sources = { file, env: process.env, flags: configFlags }
  const config = keepStdoutClean(await configure(sources))
  const tokenFile = config.data === null ? undefined : join(config.data, 'admin-token')
  const isNew = tokenFile !== undefined && !existsSync(tokenFile) && !process.env['VELA_ADMIN_TOKEN']
  const create = (): Promise<HostRuntime> => createHost(config, sources)
  await runUntilStopped(create, output, async (urls, runtime) => {
    const deployed = examples === true ? await deployExamples(runtime, output) : []
    const cluster = await runtime.nodes()
    const node = cluster.self === null ? {} : { node: cluster.self }
    const ready = { event: 'ready', ...urls, pid: process.pid, ...node }
    if (output.json) output.line(jsonLine(examples === true ? { ...ready, examples: deployed } : ready))
    else output.line(banner(urls, deployed, isNew ? tokenFile : undefined, cluster))
  })
}

/** The first line of stdout is ours: a log that was sent there goes to stderr. */
function keepStdoutClean(config: Config): Config {
  if (config.log.destination !== 'stdout') return config
  return { ...config, log: { ...config.log, destination: 'stderr' } }
}

function banner(
  urls: { readonly gateway: string; readonly admin: string },
  examples: readonly Example[],
  tokenFile: string | undefined,
  cluster: ClusterStatus,
): string {
  const lines = [
    '',
    `  ${styled('bold', 'Vela')} serves`,
    `  gateway  ${styled('cyan', urls.gateway)}`,
    `  admin    ${styled('cyan', urls.admin)}`,
  ]
  if (cluster.self !== null) lines.push(`  node     ${clusterText(cluster)}`)
  if (tokenFile !== undefined && existsSync(tokenFile)) {
    lines.push(`  token    ${printable(readFileSync(tokenFile, 'utf8').trim())}`)
    lines.push(styled('dim', `           shown this once, kept in ${tokenFile}; commands run here find it`))
  }
  lines.push('', examples.length > 0 ? '  try' : '  next: vela init my-service && vela deploy my-service')
  for (const example of examples) lines.push(...example.try.map((line) => `    ${printable(line)}`))
  if (examples.length > 0 && urls.admin !== DEFAULT_API_URL) {
    lines.push(styled('dim', `    (for commands: export VELA_API_URL=${printable(urls.admin)})`))
  }
  return `${lines.join('\n')}\n`
}

function clusterText({ self, holdsLease, nodes }: ClusterStatus): string {
  const others = nodes.filter(({ id, state }) => id !== self && state !== 'lost').length
  const state = holdsLease ? `with ${others} other ${others === 1 ? 'host' : 'hosts'}` : 'NATS is lost'
  return `${self ?? ''}, ${state}`
}
