/**
 * The files a cell runs from, in a directory of their own that holds nothing else: the cell's program, the guest
 * kernel's snapshot and parts, and the engine's addon. The permission model then lets a cell read that directory alone.
 */
import { createHash } from 'node:crypto'
import { chmod, copyFile, mkdtemp, readdir, rename, rm, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build, type BuildOptions } from 'esbuild'
import { ENGINE_BYTES, QUICKJS_IMAGE_FILE, WASM_FILE } from '../../sandbox/protocol/engine-files.ts'
import { partExpression } from './part-expression.ts'
import { copyQuickjs } from './quickjs-wasm.ts'

export interface CellImage {
  readonly dir: string
  /** Hash of the kernel and the cell's program: what a recording or a code cache is valid for. */
  readonly id: string
  /** The kernel's expression, for making its snapshot. */
  readonly kernelCore: string
  /** Cells that start afterwards boot from it. */
  writeSnapshot(snapshot: Buffer): Promise<void>
  /** Cells read it when they first load a guest for QuickJS. */
  writeQuickjsImage(image: Buffer): Promise<void>
  remove(): Promise<void>
}

const ROOT = fileURLToPath(new URL('../../', import.meta.url))
const KERNEL = join(ROOT, 'guest-sdk/kernel/boot.ts')
const PARTS_DIR = join(ROOT, 'guest-sdk/web/parts')
const PARTS: readonly string[] = [
  'clone',
  'compression',
  'encodings',
  'error-events',
  'forms',
  'messaging',
  'streams',
  'subtle',
  'urlpattern',
  'websocket',
]
const CAPABILITIES_DIR = join(ROOT, 'guest-sdk/capabilities')
const LIBRARIES_DIR = join(ROOT, 'guest-sdk/kernel/libraries')
/** What the SDK has beyond the kernel (guest-sdk/kernel/libraries.ts); the part is called `library-<name>`. */
const LIBRARIES: readonly string[] = ['async', 'channels', 'di', 'events']
const CODEC = join(ROOT, 'guest-sdk/async/codec.ts')
/** Kinds with a guest's half of their own; its part is called `capability-<kind>`. */
const CAPABILITIES: readonly string[] = ['actors', 'channels', 'events', 'fetch', 'kv', 'services', 'workers']
const PREFIX = 'vela-cell-'
const CELL = join(ROOT, 'sandbox/cell.ts')

export async function buildCellImage(): Promise<CellImage> {
  const [core, parts, cell] = await Promise.all([bundleKernel(KERNEL), bundleParts(), bundleCell()])
  await removeLeftovers()
  const dir = await mkdtemp(join(tmpdir(), `${PREFIX}${process.pid}-`))
  await chmod(dir, 0o755)
  await Promise.all([
    writeFile(join(dir, 'cell.js'), cell, { mode: 0o644 }),
    writeFile(join(dir, 'package.json'), '{"type":"module"}', { mode: 0o644 }),
    writeFile(join(dir, 'parts.json'), JSON.stringify(parts), { mode: 0o644 }),
    writeFile(join(dir, 'kernel.snapshot'), '', { mode: 0o644 }),
    writeFile(join(dir, QUICKJS_IMAGE_FILE), '', { mode: 0o644 }),
    copyQuickjs(join(dir, WASM_FILE)),
    copyFile(findAddon(), join(dir, 'isolated_vm.node')),
  ])
  return {
    dir,
    id: createHash('sha256')
      .update(core)
      .update(JSON.stringify(parts))
      .update(cell)
      .digest('hex')
      .slice(0, 16),
    kernelCore: core,
    writeSnapshot: (snapshot) => writeFile(join(dir, 'kernel.snapshot'), snapshot, { mode: 0o644 }),
    // Whole or not at all: cells that run may be reading it.
    async writeQuickjsImage(image) {
      await writeFile(join(dir, 'quickjs.part'), image, { mode: 0o644 })
      await rename(join(dir, 'quickjs.part'), join(dir, QUICKJS_IMAGE_FILE))
    },
    remove: () => rm(dir, { recursive: true, force: true }),
  }
}

/** A host that was killed could not remove its image; the process id in the name tells whose are left. */
async function removeLeftovers(): Promise<void> {
  for (const name of await readdir(tmpdir())) {
    const pid = name.startsWith(PREFIX) ? Number(name.slice(PREFIX.length).split('-')[0]) : Number.NaN
    if (!Number.isInteger(pid) || isAlive(pid)) continue
    // Another user's, or another host removes it just now.
    await rm(join(tmpdir(), name), { recursive: true, force: true }).catch(() => undefined)
  }
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch (thrown) {
    return (thrown as NodeJS.ErrnoException).code === 'EPERM'
  }
}

/** One script whose value is the module's exports; the newline-free name lets it stand inside an expression. */
async function bundleKernel(entry: string): Promise<string> {
  const text = await bundle({
    entryPoints: [entry],
    format: 'iife',
    globalName: 'part',
    define: { ENGINE_BYTES: `globalThis.${ENGINE_BYTES}` },
    target: 'es2024',
    minify: true,
  })
  return `(()=>{${text}return part})()`
}

async function bundleParts(): Promise<Record<string, string>> {
  const files = [
    ...PARTS.map((name) => [name, join(PARTS_DIR, `${name}.ts`)] as const),
    ...CAPABILITIES.map((kind) => [`capability-${kind}`, join(CAPABILITIES_DIR, `${kind}.ts`)] as const),
    ...LIBRARIES.map((name) => [`library-${name}`, join(LIBRARIES_DIR, `${name}.ts`)] as const),
    ['codec', CODEC] as const,
  ]
  return Object.fromEntries(
    await Promise.all(files.map(async ([name, file]) => [name, await bundlePart(file)] as const)),
  )
}

async function bundlePart(entry: string): Promise<string> {
  return partExpression(
    await bundle({
      entryPoints: [entry],
      format: 'esm',
      target: 'es2024',
      minify: true,
      // By then a guest may have put something there.
      define: { ENGINE_BYTES: 'undefined' },
    }),
  )
}

async function bundleCell(): Promise<string> {
  return await bundle({
    entryPoints: [CELL],
    format: 'esm',
    platform: 'node',
    target: 'node24',
    external: ['isolated-vm'],
    minifySyntax: true,
  })
}

async function bundle(options: BuildOptions): Promise<string> {
  const result = await build({
    bundle: true,
    write: false,
    logLevel: 'silent',
    legalComments: 'none',
    charset: 'ascii',
    absWorkingDir: ROOT,
    ...options,
  })
  return result.outputFiles?.[0]?.text ?? ''
}

/** The prebuilt addon inside the isolated-vm package, for this platform. */
function findAddon(): string {
  const require = createRequire(import.meta.url)
  const packageDir = dirname(require.resolve('isolated-vm/package.json'))
  const findPrebuild = createRequire(join(packageDir, 'package.json'))('node-gyp-build') as {
    path(dir: string): string
  }
  return findPrebuild.path(packageDir)
}
