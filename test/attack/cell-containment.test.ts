/**
 * What is left to a guest that owns its cell's process: a probe runs in the cell's place, started exactly as cells are,
 * once as JavaScript that has got out of the isolate, and once without Node's permission model, as machine code would run.
 */
import { spawn } from 'node:child_process'
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { buildCellImage, type CellImage } from '../../host/cells/cell-image.ts'
import { commandLine, createSpawner, probeContainment, type Containment } from '../../host/cells/spawn.ts'
import type { Targets } from './fixtures/probe.ts'

const SIBLING_USER = 2_059_998
const OWN_USER = 2_059_999

let image: CellImage
let containment: Containment
let server: Server
let hostDir: string
let sharedDir: string
let connections = 0
let sibling: ReturnType<ReturnType<typeof createSpawner>>
let confined: Record<string, string>
let broken: Record<string, string>

beforeAll(async () => {
  image = await buildCellImage()
  containment = probeContainment(image)
  hostDir = await mkdtemp(join(tmpdir(), 'vela-host-'))
  sharedDir = await mkdtemp(join(tmpdir(), 'vela-shared-'))
  await chmod(sharedDir, 0o777)
  await writeFile(join(hostDir, 'secret'), 'the secret', { mode: 0o600 })
  server = createServer((_request, response) => response.end()).listen(0, '127.0.0.1')
  server.on('connection', () => connections++)
  await new Promise((resolve) => server.once('listening', resolve))
  // Another tenant's cell, as it is.
  sibling = startSibling()
  await new Promise((resolve) => sibling.socket.once('data', resolve))
  const targets: Targets = {
    hostPid: process.pid,
    siblingPid: sibling.pid,
    hostPort: (server.address() as AddressInfo).port,
    secretFile: join(hostDir, 'secret'),
    writableDir: sharedDir,
  }
  const probe = await build({
    entryPoints: [fileURLToPath(new URL('fixtures/probe.ts', import.meta.url))],
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node24',
    write: false,
  })
  await writeFile(join(image.dir, 'cell.js'), probe.outputFiles[0]?.text ?? '')
  await writeFile(join(image.dir, 'targets.json'), JSON.stringify(targets))
  confined = await reportOf(createSpawner({ image, containment, memoryMb: 64 })().socket)
  broken = await runBroken()
})

afterAll(async () => {
  sibling.kill()
  await sibling.exited
  server.close()
  for (const dir of [hostDir, sharedDir]) await rm(dir, { recursive: true, force: true })
  await image.remove()
})

function startSibling(): typeof sibling {
  const { command, args } = commandLine(image, containment, 64, SIBLING_USER)
  const child = spawn(command, args, {
    env: {},
    cwd: image.dir,
    stdio: ['ignore', 'ignore', 'ignore', 'pipe'],
  })
  const exited = new Promise<{ code: number | null; signal: string | null }>((resolve) =>
    child.once('exit', (code, signal) => resolve({ code, signal })),
  )
  return {
    pid: child.pid ?? -1,
    socket: child.stdio[3] as never,
    exited,
    kill: () => void child.kill('SIGKILL'),
  }
}

/** The cell's command without Node's own refusals. */
async function runBroken(): Promise<Record<string, string>> {
  const { command, args } = commandLine(image, containment, 64, OWN_USER)
  const bare = args.filter((arg) => arg !== '--permission' && !arg.startsWith('--allow-'))
  const child = spawn(command, bare, {
    env: {},
    cwd: image.dir,
    stdio: ['ignore', 'ignore', 'inherit', 'pipe'],
  })
  return await reportOf(child.stdio[3] as never)
}

async function reportOf(socket: NodeJS.ReadableStream): Promise<Record<string, string>> {
  let text = ''
  for await (const chunk of socket) text += String(chunk)
  return JSON.parse(text) as Record<string, string>
}

const refusals = (results: Record<string, string>, names: readonly string[]): Record<string, boolean> =>
  Object.fromEntries(names.map((name) => [name, results[name]?.startsWith('refused: ') ?? false]))
const all = (names: readonly string[]): Record<string, boolean> =>
  Object.fromEntries(names.map((name) => [name, true]))

const FILES = [
  'read a file of the system',
  'read a secret file of the host',
  'read through the image and out',
  'list the root',
  'list what lies beside the image',
]
const PROCESSES = [
  'read the environment of the host',
  'read the environment of another cell',
  'open the memory of the host',
  'open the memory of another cell',
]
const WRITES = [
  'write into its own program',
  'write beside its own program',
  'write a file where everybody may',
  'link out of the image',
]
const STARTS = ['start a process', 'start a worker', 'load an addon from elsewhere']
const NETWORK = ['connect to the host', 'connect to the world', 'send a datagram']
const IDENTITY = ['signal the host', 'signal another cell', 'become root', 'become the group of root']

describe('JavaScript that has got out of its isolate', () => {
  test('reads and writes no file, starts nothing and loads nothing', () => {
    const names = [...FILES, ...PROCESSES, ...WRITES, ...STARTS]
    expect(refusals(confined, names)).toEqual(all(names))
  })
  test('finds an empty environment and no socket but its link', () => {
    expect(confined['environment']).toBe('')
    expect(confined['sockets']).toBe('')
  })
})

describe('machine code in the cell’s process, where the system allows the layer', () => {
  test('has no network', () => {
    if (containment.network !== 'namespace') return expect(containment.network).toBe('none')
    expect(refusals(confined, NETWORK)).toEqual(all(NETWORK))
    expect(refusals(broken, NETWORK)).toEqual(all(NETWORK))
    expect(broken['addresses']).toBe('done: {}')
    expect(connections).toBe(0)
  })

  test('is another user: it reaches neither the host nor another cell, nor the host’s files', () => {
    if (containment.userId !== 'own') return expect(containment.userId).toBe('same')
    const names = [
      ...IDENTITY,
      ...PROCESSES,
      'read a secret file of the host',
      'write into its own program',
      'write beside its own program',
      'link out of the image',
    ]
    expect(refusals(broken, names)).toEqual(all(names))
    expect(Number(broken['user'])).toBe(OWN_USER)
    expect(Number(broken['group'])).toBe(OWN_USER)
    expect(broken['groups']).toBe('')
  })

  test('finds an empty environment', () => {
    expect(broken['environment']).toBe('')
  })

  test('is not held by the permission model: what everybody may read, it reads (SECURITY.md says so)', () => {
    expect(broken['read a file of the system']).toMatch(/^done: /)
    expect(broken['read the command line of the host']).toMatch(/^done: /)
  })
})

test('the probe itself is honest: run without containment it gets what it asks for', async () => {
  const child = spawn(process.execPath, [join(image.dir, 'cell.js'), image.dir, '64'], {
    env: { PROBE: '1' },
    stdio: ['ignore', 'ignore', 'inherit', 'pipe'],
  })
  const free = await reportOf(child.stdio[3] as never)
  const names = [
    'read a file of the system',
    'read a secret file of the host',
    'start a process',
    'start a worker',
    'signal the host',
    'read the environment of the host',
    'write a file where everybody may',
    'connect to the host',
  ]
  expect(refusals(free, names)).toEqual(Object.fromEntries(names.map((name) => [name, false])))
  expect(free['environment']).toContain('PROBE')
})
