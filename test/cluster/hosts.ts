/**
 * Real hosts for tests of the cluster: each a process of `vela start` with its own data folder and free ports, and between it and NATS
 * a cable that can be cut. A cut is a silent one: connections stay and nothing passes, as when a network is partitioned.
 */
import { spawn, type ChildProcess } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { createAdminClient, type AdminClient } from '../../host/admin/client.ts'
import type { DeployRequest, DeployResult } from '../../host/core/control.ts'
import { type Cable, createCable } from './cable.ts'
import { LAUNCHER } from '../cli/run.ts'
import { Kvm } from '@nats-io/kv'
import { connect as connectNats } from '@nats-io/transport-node'
import { type NatsServer, type NatsServerOptions, startNats } from '../nats/server.ts'

/** An operator's, on every host of these tests. */
export const TOKEN = 'vela_test_cluster_operator_token'

/** Shorter than the defaults, long enough for a loaded machine. */
export const TIMES = { heartbeatMs: 400, leaseMs: 2500, lostAfterMs: 4000 } as const

export interface HostOptions {
  readonly name?: string
  /** Kept over restarts; made in the cluster's folder when it is not given. */
  readonly data?: string
  /** Null: the host is alone. */
  readonly nats?: string | null
  readonly clusterKey?: string
  readonly times?: { readonly heartbeatMs: number; readonly leaseMs: number; readonly lostAfterMs: number }
  readonly env?: Readonly<Record<string, string>>
}

export interface Host {
  readonly name: string
  readonly data: string
  readonly gateway: string
  readonly admin: string
  readonly pid: number
  readonly client: AdminClient
  /** The body of `GET <gateway>/<tenant>/<service><path>`; throws with the status if it is not 2xx. */
  get(tenant: string, service: string, path?: string): Promise<string>
  /** All that it has written to stderr: its log. */
  log(): string
  readonly running: boolean
  /** Resolves when the process is gone. */
  kill(signal?: NodeJS.Signals): Promise<void>
  /** SIGSTOP: it lives, and does nothing. Its cells are left running. */
  pause(): void
  resume(): void
  /** SIGTERM; resolves with the exit code. */
  stop(): Promise<number | null>
}

const START_MS = 150_000
const STOP_MS = 60_000

/** Resolves when it serves. */
export async function startHost(options: HostOptions & { readonly data: string }): Promise<Host> {
  const { name = 'host', data, nats, clusterKey } = options
  const times = options.times ?? TIMES
  const env = {
    PATH: process.env['PATH'] ?? '',
    VELA_ADMIN_TOKEN: TOKEN,
    VELA_NODE_NAME: name,
    VELA_NODE_HEARTBEAT_MS: String(times.heartbeatMs),
    VELA_NODE_LEASE_MS: String(times.leaseMs),
    VELA_NODE_LOST_AFTER_MS: String(times.lostAfterMs),
    VELA_CELLS_SPARES: '0',
    ...(clusterKey === undefined ? {} : { VELA_NATS_CLUSTER_KEY: clusterKey }),
    ...options.env,
  }
  const args = ['start', '--json', '--port', '0', '--admin-port', '0', '--data', data]
  if (nats !== undefined && nats !== null) args.push('--nats', nats)
  const child = spawn(process.execPath, [LAUNCHER, ...args], {
    cwd: data,
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const onExit = (): void => void child.kill('SIGKILL')
  process.once('exit', onExit)
  let log = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    log = (log + text).slice(-2_000_000)
  })
  const gone = new Promise<void>((resolve) => child.once('close', () => resolve()))
  void gone.then(() => process.off('exit', onExit))
  const { gateway, admin } = await readyLine(child, () => log)
  const running = (): boolean => child.exitCode === null && child.signalCode === null
  return {
    name,
    data,
    gateway,
    admin,
    pid: child.pid ?? 0,
    client: createAdminClient({ url: admin, token: TOKEN }),
    async get(tenant, service, path = '/') {
      const response = await fetch(`${gateway}/${tenant}/${service}${path}`)
      const body = await response.text()
      if (response.ok) return body
      throw new Error(`${name} answered ${response.status}: ${body}`)
    },
    log: () => log,
    get running() {
      return running()
    },
    async kill(signal = 'SIGKILL') {
      child.kill(signal)
      await gone
    },
    pause: () => void child.kill('SIGSTOP'),
    resume: () => void child.kill('SIGCONT'),
    async stop() {
      if (!running()) return child.exitCode
      child.kill('SIGCONT')
      child.kill('SIGTERM')
      const late = setTimeout(() => child.kill('SIGKILL'), STOP_MS)
      await gone
      clearTimeout(late)
      return child.exitCode
    },
  }
}

async function readyLine(
  child: ChildProcess,
  log: () => string,
): Promise<{ readonly gateway: string; readonly admin: string }> {
  const { promise, resolve, reject } = Promise.withResolvers<string>()
  let text = ''
  child.stdout?.setEncoding('utf8').on('data', (part: string) => {
    text += part
    const end = text.indexOf('\n')
    if (end >= 0) resolve(text.slice(0, end))
  })
  child.once('close', (code) => reject(new Error(`the host ended with ${code}:\n${text}${log()}`)))
  const late = setTimeout(() => {
    child.kill('SIGKILL')
    reject(new Error(`the host did not start:\n${log()}`))
  }, START_MS)
  try {
    const line = await promise
    const ready = JSON.parse(line) as { event?: string; gateway: string; admin: string }
    if (ready.event === 'ready') return ready
    throw new Error(`the host did not start: ${line}\n${log()}`)
  } finally {
    clearTimeout(late)
  }
}

export interface Cluster {
  readonly nats: NatsServer
  /** In the order of their start; a host that was started again stands in its old place. */
  readonly hosts: readonly Host[]
  /** By the index of the host. */
  readonly cables: readonly Cable[]
  /** Another host; resolves when it serves. */
  add(options?: HostOptions): Promise<Host>
  /** The host at that place, with the same data, name and cable: kills it if it lives. */
  restart(index: number): Promise<Host>
  /** Stops what runs, and removes the folders. */
  close(): Promise<void>
}

export interface ClusterOptions extends Omit<HostOptions, 'data' | 'nats'> {
  readonly size: number
  readonly server?: NatsServerOptions
}

/** One nats-server and so many hosts, each behind a cable of its own. Hosts are named h0, h1, … */
export async function startCluster(options: ClusterOptions): Promise<Cluster> {
  const { size, server, ...common } = options
  const home = mkdtempSync(join(tmpdir(), 'vela-cluster-'))
  const nats = await startNats(server)
  const hosts: Host[] = []
  const cables: Cable[] = []
  let count = 0
  const settings: (HostOptions & { readonly data: string })[] = []

  const add = async (own: HostOptions = {}): Promise<Host> => {
    const index = count++
    const cable = await createCable(nats.port)
    cables[index] = cable
    const name = `h${index}`
    const data = own.data ?? join(home, name)
    mkdirSync(data, { recursive: true, mode: 0o700 })
    const setting = { name, nats: cable.url, ...common, ...own, data }
    settings[index] = setting
    return (hosts[index] = await startHost(setting))
  }

  const close = async (): Promise<void> => {
    for (const cable of cables) cable?.mend()
    await Promise.all(hosts.map((host) => host?.stop()))
    await Promise.all(cables.map((cable) => cable?.close()))
    await nats.stop()
    rmSync(home, { recursive: true, force: true })
  }

  try {
    const first = Array.from({ length: size }, () => add())
    await Promise.all(first)
  } catch (error) {
    await close()
    throw error
  }
  return {
    nats,
    hosts,
    cables,
    add,
    async restart(index) {
      await hosts[index]?.kill()
      const setting = settings[index]
      if (setting === undefined) throw new Error(`there is no host ${index}`)
      return (hosts[index] = await startHost(setting))
    },
    close,
  }
}

/** Deploys one module as `service`; `manifest` adds to an empty one. */
export async function deployTo(
  host: Host,
  tenant: string,
  service: string,
  source: string,
  manifest: Partial<DeployRequest['manifest']> = {},
): Promise<DeployResult> {
  return await host.client.deploy({
    tenant,
    manifest: {
      name: service,
      engine: 'v8',
      routes: [],
      limits: {},
      vars: {},
      capabilities: {},
      ...manifest,
    },
    bundle: { source, sourceMap: null },
  })
}

/** Until the check holds; what it throws counts as not yet. Fails with the last reason. */
export async function eventually<Result>(
  what: string,
  check: () => Promise<Result | undefined | false> | Result | undefined | false,
  withinMs = 30_000,
): Promise<Result> {
  const deadline = performance.now() + withinMs
  let reason: unknown = 'not true'
  do {
    try {
      const result = await check()
      if (result !== undefined && result !== false) return result
      reason = 'not true'
    } catch (error) {
      reason = error
    }
    await sleep(20)
  } while (performance.now() < deadline)
  throw new Error(`${what}: not within ${withinMs} ms`, { cause: reason })
}

/** What stands in a bucket, as text. */
export async function valuesOf(nats: NatsServer, bucket: string): Promise<string[]> {
  const connection = await connectNats({ servers: nats.url })
  try {
    const kv = await new Kvm(connection).open(bucket)
    const values: string[] = []
    for await (const key of await kv.keys()) values.push((await kv.get(key))?.string() ?? '')
    return values
  } finally {
    await connection.close()
  }
}
