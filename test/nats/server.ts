/**
 * A real nats-server for tests: on a free port of this machine, with JetStream in a folder of its own, which can be killed,
 * frozen and started again on the same port and data. Where the program is missing, Debian's package is fetched and
 * unpacked, and said so.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { randomInt } from 'node:crypto'
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { createServer, connect as dial } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

export interface NatsServerOptions {
  /** `vela-test` if left out; servers of one cluster need different ones. */
  readonly name?: string
  /** PEM files. With `ca` clients must show a certificate. */
  readonly tls?: { readonly cert: string; readonly key: string; readonly ca?: string }
  readonly auth?: { readonly token: string } | { readonly user: string; readonly password: string }
  /** Lines of nats-server's configuration, after all others. */
  readonly config?: string
  /** False: without JetStream. */
  readonly jetstream?: boolean
  /** Where JetStream keeps its files; a folder that is removed at the end when it is not given. */
  readonly dir?: string
}

export interface NatsServer {
  /** `nats://127.0.0.1:port` (`tls://127.0.0.1:port` with TLS). */
  readonly url: string
  readonly port: number
  readonly pid: number
  /** Resolves when the process is gone. SIGKILL by default. */
  kill(signal?: NodeJS.Signals): Promise<void>
  /** Kills it if it lives, and starts it again with the same port and data. */
  restart(): Promise<void>
  /** Kills it and starts it again with nothing of what it kept. */
  wipe(): Promise<void>
  /** SIGSTOP: it lives, holds its connections, and answers nothing. */
  pause(): void
  resume(): void
  /** Removes what JetStream has kept. While it is dead. */
  loseDisk(): void
  /** Ends it and removes what it kept. */
  stop(): Promise<void>
  /** What the server has logged since its first start. */
  log(): string
}

const START_MS = 20_000

export async function startNats(options: NatsServerOptions = {}): Promise<NatsServer> {
  const program = findProgram()
  const home = mkdtempSync(join(tmpdir(), 'vela-nats-'))
  const port = await freePort()
  const configFile = join(home, 'nats.conf')
  const logFile = join(home, 'log')
  writeFileSync(configFile, configOf(options, port, options.dir ?? join(home, 'data')))
  let child: ChildProcess | undefined
  let guard: ChildProcess | undefined
  const onExit = (): void => void child?.kill('SIGKILL')
  process.once('exit', onExit)

  const start = async (): Promise<void> => {
    const log = openSync(logFile, 'a')
    const started = spawn(program, ['-c', configFile], { stdio: ['ignore', log, log] })
    child = started
    guard?.kill('SIGKILL')
    guard = guardOf(started)
    await answers(
      port,
      () => started.exitCode !== null || started.signalCode !== null,
      () => readLog(logFile),
    )
  }
  const kill = async (signal: NodeJS.Signals = 'SIGKILL'): Promise<void> => {
    const running = child
    if (running === undefined || running.exitCode !== null || running.signalCode !== null) return
    const gone = new Promise((resolve) => running.once('exit', resolve))
    running.kill(signal)
    await gone
  }
  await start()
  return {
    url: options.tls === undefined ? `nats://127.0.0.1:${port}` : `tls://127.0.0.1:${port}`,
    port,
    get pid() {
      return child?.pid ?? 0
    },
    kill,
    restart: async () => {
      await kill()
      await start()
    },
    wipe: async () => {
      await kill()
      rmSync(options.dir ?? join(home, 'data'), { recursive: true, force: true })
      await start()
    },
    pause: () => void child?.kill('SIGSTOP'),
    resume: () => void child?.kill('SIGCONT'),
    loseDisk: () => rmSync(options.dir ?? join(home, 'data'), { recursive: true, force: true }),
    stop: async () => {
      process.off('exit', onExit)
      await kill()
      guard?.kill('SIGKILL')
      rmSync(home, { recursive: true, force: true })
    },
    log: () => readLog(logFile),
  }
}

/** Ends the server when this process has ended, however that was: a killed test worker runs no handlers. */
function guardOf(server: ChildProcess): ChildProcess {
  const script = 'cat > /dev/null; kill -9 "$0"'
  const guard = spawn('sh', ['-c', script, String(server.pid)], { stdio: ['pipe', 'ignore', 'ignore'] })
  guard.unref()
  return guard
}

const readLog = (file: string): string => (existsSync(file) ? readFileSync(file, 'utf8') : '')

function configOf(options: NatsServerOptions, port: number, dir: string): string {
  const { tls, auth } = options
  const lines = [`listen: "127.0.0.1:${port}"`, `server_name: ${JSON.stringify(options.name ?? 'vela-test')}`]
  if (options.jetstream !== false) {
    lines.push(`jetstream { store_dir: ${JSON.stringify(dir)}, max_mem: 256MB, max_file: 4GB }`)
  }
  if (tls !== undefined) {
    const ca = tls.ca === undefined ? '' : `, ca_file: ${JSON.stringify(tls.ca)}, verify: true`
    lines.push(`tls { cert_file: ${JSON.stringify(tls.cert)}, key_file: ${JSON.stringify(tls.key)}${ca} }`)
  }
  if (auth !== undefined) {
    lines.push(
      'token' in auth
        ? `authorization { token: ${JSON.stringify(auth.token)} }`
        : `authorization { user: ${JSON.stringify(auth.user)}, password: ${JSON.stringify(auth.password)} }`,
    )
  }
  return `${[...lines, options.config ?? ''].join('\n')}\n`
}

/**
 * Below what systems give to those who ask for any: else an outgoing connection could have the port by the time it is listened at, or while its
 * server is down.
 */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = randomInt(10_000, 32_000)
    const server = createServer()
    const { promise, resolve } = Promise.withResolvers<boolean>()
    server.once('error', () => resolve(false))
    server.listen(port, '127.0.0.1', () => resolve(true))
    if (!(await promise)) continue
    await new Promise((closed) => server.close(closed))
    return port
  }
}

/** Until the server greets: it does so before anything else, with TLS too. */
async function answers(port: number, isGone: () => boolean, log: () => string): Promise<void> {
  const deadline = performance.now() + START_MS
  while (performance.now() < deadline) {
    if (isGone()) break
    if (await greets(port)) return
    await sleep(10)
  }
  throw new Error(`nats-server did not start:\n${log()}`)
}

async function greets(port: number): Promise<boolean> {
  const socket = dial({ port, host: '127.0.0.1' })
  try {
    return await new Promise<boolean>((resolve) => {
      socket.setTimeout(1000, () => resolve(false))
      socket.once('data', (data: Buffer) => resolve(data.toString('latin1').startsWith('INFO ')))
      socket.once('error', () => resolve(false))
      socket.once('close', () => resolve(false))
    })
  } finally {
    socket.destroy()
  }
}

const PLACES = ['/usr/sbin', '/usr/bin', '/usr/local/sbin', '/usr/local/bin']

function findProgram(): string {
  const cache = join(import.meta.dirname, '../../node_modules/.cache/nats-server')
  const unpacked = join(cache, 'usr/sbin')
  const look = (): string | undefined => {
    const folders = [...(process.env['PATH'] ?? '').split(':'), ...PLACES, unpacked, join(cache, 'usr/bin')]
    return folders
      .filter((folder) => folder !== '')
      .map((folder) => join(folder, 'nats-server'))
      .find(existsSync)
  }
  const found = look()
  if (found !== undefined) return found
  console.warn('tests: nats-server is not installed; fetching the package nats-server of this Debian')
  install(cache)
  const program = look()
  if (program === undefined) throw new Error(HOW)
  return program
}

const HOW =
  'These tests need nats-server 2.9 or newer and could not fetch it. Install it (Debian, Ubuntu: apt-get install nats-server) and run them again.'

/** Several test files may be at this at the same time: each waits for the others, or has a folder of its own until it is done. */
function install(cache: string): void {
  const run = (name: string, args: readonly string[], cwd?: string): boolean =>
    spawnSync(name, args, {
      stdio: ['ignore', 'inherit', 'inherit'],
      timeout: 300_000,
      ...(cwd === undefined ? {} : { cwd }),
      // RUNLEVEL=1: invoke-rc.d then starts no service of the package.
      env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive', RUNLEVEL: '1' },
    }).status === 0
  if (process.getuid?.() === 0) {
    const patient = ['-o', 'DPkg::Lock::Timeout=120']
    const install = [...patient, 'install', '-y', '--no-install-recommends', 'nats-server']
    if (run('apt-get', install) || (run('apt-get', [...patient, 'update']) && run('apt-get', install))) return
  }
  mkdirSync(dirname(cache), { recursive: true })
  const mine = mkdtempSync(`${cache}-`)
  try {
    if (!run('apt-get', ['download', 'nats-server'], mine)) throw new Error(HOW)
    const name = readdirSync(mine).find((file) => file.endsWith('.deb'))
    const unpacked = join(mine, 'unpacked')
    if (name === undefined || !run('dpkg', ['-x', join(mine, name), unpacked])) throw new Error(HOW)
    try {
      renameSync(unpacked, cache)
    } catch (error) {
      if (!existsSync(cache)) throw error
    }
  } finally {
    rmSync(mine, { recursive: true, force: true })
  }
}
