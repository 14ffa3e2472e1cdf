/**
 * Vela as an operator runs it: the CLI's `start`, services deployed over the control API, every default limit on.
 * Nothing is set for the benchmark but free ports, a temporary data directory, and the cordon or the policy where a
 * scenario asks for one.
 */
import { randomBytes } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Contender, ContenderName, Guest, Running, StartOptions } from '../contract.ts'
import { field, parseJson } from '../unknown.ts'
import { createFolder } from './folder.ts'
import { type Server, startServer } from './process.ts'
import { createVelaApi, type VelaEngine } from './vela-api.ts'

/** Every guest runs on `engine`; on QuickJS the contender is `vela-quickjs`, so that Vela can be its own peer. */
export function createVela(engine: VelaEngine): Contender {
  const name = engine === 'v8' ? 'vela' : 'vela-quickjs'
  return { name, start: (guests, options) => start(name, engine, guests, options) }
}

const MAIN = new URL('../../host/cli/main.ts', import.meta.url).pathname

interface Ready {
  readonly gateway: string
  readonly admin: string
}

async function start(
  name: ContenderName,
  engine: VelaEngine,
  guests: readonly Guest[],
  options: StartOptions,
): Promise<Running> {
  const folder = await createFolder('vela')
  const token = `bench_${randomBytes(24).toString('base64url')}`
  const tenants = [...new Set(guests.map((guest) => guest.tenant))]
  let server: (Server & { readonly ready: Ready }) | undefined
  try {
    await writeFile(join(folder.path, 'vela.config.json'), JSON.stringify(configOf(tenants, options)))
    server = await startHost(folder.path, token, options)
    await deployAll(server.ready.admin, token, engine, tenants, guests)
    if (options.unloaded) {
      // A deploy loads the service to check it. After a restart every service is known and none has an isolate.
      await server.stop()
      server = await startHost(folder.path, token, options)
    }
    const running = server
    return {
      name,
      url: (tenant, service) => `${running.ready.gateway}/${tenant}/${service}`,
      pids: () => running.pids(),
      async stop() {
        await running.stop()
        await folder.remove()
      },
    }
  } catch (error) {
    await server?.stop()
    await folder.remove()
    throw error
  }
}

function configOf(tenants: readonly string[], options: StartOptions): Record<string, unknown> {
  return {
    ...(options.cordon ? { cells: { cordons: { bench: tenants } } } : {}),
    ...(options.policy === undefined ? {} : { policy: options.policy }),
  }
}

function startHost(
  folder: string,
  token: string,
  { allCores = false }: StartOptions,
): Promise<Server & { readonly ready: Ready }> {
  const ports = ['--port', '0', '--admin-port', '0']
  const files = ['--data', join(folder, 'data'), '--config', join(folder, 'vela.config.json')]
  return startServer(
    {
      command: process.execPath,
      args: [MAIN, 'start', '--json', ...ports, ...files],
      env: { VELA_ADMIN_TOKEN: token },
      folder,
      allCores,
    },
    readyLine,
  )
}

function readyLine(line: string): Ready | undefined {
  // A line still being written parses to nothing: the next look sees it whole.
  const event = line.startsWith('{') ? parseJson(line) : undefined
  const gateway = field(event, 'gateway')
  const admin = field(event, 'admin')
  if (field(event, 'event') !== 'ready' || typeof gateway !== 'string' || typeof admin !== 'string')
    return undefined
  return { gateway, admin }
}

async function deployAll(
  admin: string,
  token: string,
  engine: VelaEngine,
  tenants: readonly string[],
  guests: readonly Guest[],
): Promise<void> {
  const api = createVelaApi(admin, token)
  try {
    for (const tenant of tenants) await api.createTenant(tenant)
    for (const guest of guests) await api.deploy(guest, engine)
  } finally {
    api.close()
  }
}
