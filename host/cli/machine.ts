/** What can be told about this machine before a host runs on it. Each check really tries what a host will need. */
import { execFile } from 'node:child_process'
import { access, constants } from 'node:fs/promises'
import { createServer } from 'node:net'
import { dirname, resolve } from 'node:path'
import { promisify } from 'node:util'
import type { DoctorCheck } from '../core/control.ts'

const run = promisify(execFile)
const TRY_MS = 5000

export function examineMachine(): Promise<DoctorCheck[]> {
  return Promise.all([
    Promise.resolve(nodeVersion()),
    isolates(),
    permissionModel(),
    networkNamespace(),
    otherUser(),
    port('gateway port', 8787, '--port'),
    port('admin port', 8788, '--admin-port'),
    dataDirectory(process.env['VELA_DATA'] || '.vela'),
  ])
}

function nodeVersion(): DoctorCheck {
  const fits = Number.parseInt(process.versions.node, 10) >= 24
  return {
    name: 'node',
    status: fits ? 'on' : 'failed',
    detail: `${process.version} (24 or newer is needed)`,
  }
}

/** In a process of its own: a broken native module may take its process with it. */
async function isolates(): Promise<DoctorCheck> {
  const script =
    "import ivm from 'isolated-vm'; const isolate = new ivm.Isolate({ memoryLimit: 8 });" +
    "process.stdout.write(String(isolate.createContextSync().evalSync('6 * 7')))"
  try {
    const { stdout } = await run(process.execPath, ['--input-type=module', '--eval', script], {
      timeout: TRY_MS,
      cwd: import.meta.dirname,
    })
    if (stdout === '42') return { name: 'isolates', status: 'on', detail: 'isolated-vm loads and runs' }
    return { name: 'isolates', status: 'failed', detail: 'isolated-vm loads but computes something else' }
  } catch (error) {
    return {
      name: 'isolates',
      status: 'failed',
      detail: `isolated-vm does not load; run npm ci (${firstLine(error)})`,
    }
  }
}

async function permissionModel(): Promise<DoctorCheck> {
  const script =
    "try { require('node:fs').readdirSync('/'); console.log('open') } catch { console.log('shut') }"
  try {
    const { stdout } = await run(process.execPath, ['--permission', '--eval', script], { timeout: TRY_MS })
    const shut = stdout.trim() === 'shut'
    return {
      name: 'permission model',
      status: shut ? 'on' : 'off',
      detail: shut ? 'cells read no files and start no processes' : 'Node did not deny a file',
    }
  } catch (error) {
    return { name: 'permission model', status: 'failed', detail: firstLine(error) }
  }
}

async function networkNamespace(): Promise<DoctorCheck> {
  const name = 'network namespace'
  try {
    await run('unshare', ['--net', ...(process.getuid?.() === 0 ? [] : ['--map-root-user']), 'true'], {
      timeout: TRY_MS,
    })
    return { name, status: 'on', detail: 'cells can have a network without a route' }
  } catch (error) {
    return {
      name,
      status: 'off',
      detail: `not available here: cells are kept from the network by other means (${firstLine(error)})`,
    }
  }
}

async function otherUser(): Promise<DoctorCheck> {
  const root = process.getuid?.() === 0
  return {
    name: 'other user',
    status: root ? 'on' : 'off',
    detail: root
      ? 'the host may give cells another user id'
      : 'cells run as this user; only root may change that',
  }
}

function port(name: string, number: number, flag: string): Promise<DoctorCheck> {
  return new Promise((settle) => {
    const server = createServer()
    server.once('error', (error: NodeJS.ErrnoException) => {
      settle({
        name,
        status: 'off',
        detail: `${number} cannot be had (${error.code}); choose another with ${flag}`,
      })
    })
    server.listen(number, '127.0.0.1', () => {
      server.close(() => settle({ name, status: 'on', detail: `${number} is free` }))
    })
  })
}

async function dataDirectory(folder: string): Promise<DoctorCheck> {
  const name = 'data directory'
  for (let path = resolve(folder); ; path = dirname(path)) {
    try {
      await access(path, constants.W_OK)
      return { name, status: 'on', detail: `${folder} can be written` }
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException
      if (code === 'ENOENT' && dirname(path) !== path) continue
      return {
        name,
        status: 'failed',
        detail: `${folder} cannot be written (${code}); choose another with --data`,
      }
    }
  }
}

function firstLine(error: unknown): string {
  const { stderr, code, message } = error as { stderr?: string; code?: unknown; message?: string }
  if (code === 'ENOENT') return 'no such command'
  const lines = (stderr || message || '').split('\n').map((line) => line.trim())
  return lines.find((line) => /error/i.test(line)) ?? lines.find((line) => line !== '') ?? String(code)
}
