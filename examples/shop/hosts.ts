/** Starts what the shop runs on: one host in this process, or two in processes of their own with a nats-server between them. */
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { deployShop, startShopHost } from './host.ts'

export interface ShopSite {
  /** The gateway of each host. */
  readonly gateways: readonly string[]
  /** kill -9, as a power cut would do it. */
  kill(index: number): Promise<void>
  stop(): Promise<void>
}

export interface SiteOptions {
  /** A NATS that runs already; left out, one is started. */
  readonly nats?: string | undefined
  readonly onLetter: (host: string, to: string, subject: string) => void
}

const START_MS = 60_000

export async function startOneHost({ onLetter }: SiteOptions): Promise<ShopSite> {
  const { runtime, gateway } = await startShopHost({
    name: 'one',
    data: null,
    nats: null,
    onLetter: (to, subject) => onLetter('one', to, subject),
  })
  await deployShop(runtime)
  return {
    gateways: [gateway],
    kill: () => Promise.reject(new Error('this host is the program itself')),
    stop: () => runtime.stop(),
  }
}

export async function startTwoHosts({ nats, onLetter }: SiteOptions): Promise<ShopSite> {
  const folder = await mkdtemp(join(tmpdir(), 'vela-shop-'))
  const children: ChildProcess[] = []
  const end = (): void => children.forEach((child) => child.kill('SIGKILL'))
  process.once('exit', end)
  const stop = async (): Promise<void> => {
    // The nats-server came first and goes last.
    for (const child of children.toReversed()) await ended(child, 'SIGTERM')
    process.off('exit', end)
    await rm(folder, { recursive: true, force: true })
  }
  try {
    const url = nats ?? (await startNats(join(folder, 'nats'), children))
    const hosts: ChildProcess[] = []
    const gateways: string[] = []
    for (const name of ['one', 'two']) {
      const args = ['--name', name, '--data', join(folder, name), '--nats', url]
      const child = spawn(
        process.execPath,
        [join(import.meta.dirname, 'host.ts'), ...args, ...(name === 'one' ? ['--deploy'] : [])],
        { stdio: ['ignore', 'pipe', 'inherit'] },
      )
      children.push(child)
      hosts.push(child)
      gateways.push(await gatewayOf(child, (to, subject) => onLetter(name, to, subject)))
    }
    return {
      gateways,
      async kill(index) {
        const child = hosts[index]
        if (child !== undefined) await ended(child, 'SIGKILL')
      },
      stop,
    }
  } catch (error) {
    await stop()
    throw error
  }
}

async function gatewayOf(
  child: ChildProcess,
  onLetter: (to: string, subject: string) => void,
): Promise<string> {
  const ready = Promise.withResolvers<string>()
  const late = setTimeout(() => ready.reject(new Error('a host did not start in time')), START_MS)
  child.once('exit', (code) => ready.reject(new Error(`a host ended with ${code ?? 'a signal'}`)))
  if (child.stdout === null) throw new Error('a host without output')
  createInterface({ input: child.stdout }).on('line', (line) => {
    const said = JSON.parse(line) as { event: string; gateway?: string; to?: string; subject?: string }
    if (said.event === 'ready') ready.resolve(said.gateway ?? '')
    else if (said.event === 'letter') onLetter(said.to ?? '', said.subject ?? '')
  })
  try {
    return await ready.promise
  } finally {
    clearTimeout(late)
  }
}

async function startNats(folder: string, children: ChildProcess[]): Promise<string> {
  const port = await freePort()
  const child = spawn('nats-server', ['-js', '-sd', folder, '-a', '127.0.0.1', '-p', String(port)], {
    stdio: 'ignore',
  })
  await Promise.race([
    once(child, 'spawn'),
    once(child, 'error').then(() => {
      throw new Error(
        'nats-server does not start. Install it (`apt-get install nats-server`, or from nats.io), or say where one runs: --nats nats://127.0.0.1:4222',
      )
    }),
  ])
  children.push(child)
  return `nats://127.0.0.1:${port}`
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  server.close()
  if (address === null || typeof address === 'string') throw new Error('no free port')
  return address.port
}

async function ended(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const exit = once(child, 'exit')
  child.kill(signal)
  await exit
}
