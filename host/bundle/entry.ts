/**
 * From a path that someone named to what is to be bundled: the folder, its manifest, its entry file. An embedder may
 * point this at a customer's folder, so nothing in the folder may lead out of it: `main` and the manifest are
 * resolved through symbolic links and must end inside, be regular files and not be huge.
 */
import { closeSync, openSync, readFileSync, readSync, realpathSync, statSync } from 'node:fs'
import { basename, dirname, extname, join, relative, resolve, sep } from 'node:path'
import { printValue } from '../core/config-document.ts'
import { VelaError } from '../core/errors.ts'
import { MAX_MANIFEST_BYTES, parseManifest, parseManifestJson } from '../manifest/manifest.ts'
import type { Manifest } from '../registry/types.ts'

export interface Entry {
  /** Real path of the service's folder; every name in messages and maps is relative to it. */
  readonly root: string
  /** Entry file, relative to `root`. */
  readonly main: string
  readonly manifest: Manifest
  /** Absolute path of the manifest, if there is one. */
  readonly manifestFile?: string
}

export const MAX_SOURCE_FILE_BYTES: number = 16 * 1024 * 1024

const SOURCE_EXTENSIONS: ReadonlySet<string> = new Set(['.ts', '.tsx', '.mts', '.js', '.jsx', '.mjs'])
const MANIFEST_NAMES = ['vela.jsonc', 'vela.json'] as const
const DEFAULT_MAINS = [
  'index.ts',
  'index.tsx',
  'index.js',
  'index.mjs',
  'src/index.ts',
  'src/index.tsx',
  'src/index.js',
]

export function findEntry(path: string, name?: string): Entry {
  const entry = isFolder(path)
    ? readFolder(realpathSync(path), name)
    : readSingleFile(realpathSync(path), name)
  if (name === undefined || name === entry.manifest.name) return entry
  return { ...entry, manifest: parseManifestJson({ ...entry.manifest, name }) }
}

/** A name that the registry accepts, out of a folder's or file's; undefined if nothing of it is usable. */
export function serviceNameFrom(text: string): string | undefined {
  const name = text
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '-')
    .slice(0, 64)
    .replaceAll(/^-+|-+$/g, '')
    .slice(0, 63)
    .replace(/-+$/, '')
  return name === '' ? undefined : name
}

function isFolder(path: string): boolean {
  const stat = statSync(path, { throwIfNoEntry: false })
  if (stat === undefined) throw failed(`${printValue(path)}: there is no such file or folder`)
  if (stat.isDirectory()) return true
  if (stat.isFile()) return false
  throw failed(`${printValue(path)} is neither a file nor a folder`)
}

function readSingleFile(file: string, name: string | undefined): Entry {
  const extension = extname(file)
  const main = basename(file)
  if (main === MANIFEST_NAMES[0] || main === MANIFEST_NAMES[1]) return readFolder(dirname(file), name)
  if (!SOURCE_EXTENSIONS.has(extension)) {
    throw failed(`${main}: a service is a folder or a ${[...SOURCE_EXTENSIONS].join(', ')} file`)
  }
  const root = dirname(file)
  checkSourceFile(root, main)
  return { root, main, manifest: plainManifest(name ?? serviceNameFrom(basename(file, extension)), main) }
}

function readFolder(root: string, name: string | undefined): Entry {
  const found = MANIFEST_NAMES.filter(
    (file) => statSync(join(root, file), { throwIfNoEntry: false }) !== undefined,
  )
  if (found.length > 1) throw failed(`${MANIFEST_NAMES.join(' and ')} are both here; remove one`)
  const manifestName = found[0]
  const defaultName = name ?? serviceNameFrom(basename(root))
  if (manifestName === undefined) {
    const main = defaultMain(root)
    checkSourceFile(root, main)
    return { root, main, manifest: plainManifest(defaultName, main) }
  }
  const manifestFile = confined(root, manifestName)
  if (statSync(manifestFile).size > 4 * MAX_MANIFEST_BYTES)
    throw failed(`${manifestName} is too large to be a manifest`)
  const text = readFileSync(manifestFile, 'utf8')
  const manifest = parseManifest(text, manifestName, defaultName === undefined ? {} : { defaultName })
  const main = manifest.main ?? defaultMain(root)
  checkSourceFile(
    root,
    main,
    manifest.main === undefined ? '' : `${manifestName}: main is ${printValue(main)}; `,
  )
  return { root, main: relative(root, resolve(root, main)), manifest, manifestFile }
}

function plainManifest(name: string | undefined, main: string): Manifest {
  if (name === undefined) throw failed('no service name can be made of this path; give one with --name')
  return parseManifestJson({ name, main })
}

function defaultMain(root: string): string {
  const packageFile = join(root, 'package.json')
  const candidates = [...DEFAULT_MAINS]
  if (statSync(packageFile, { throwIfNoEntry: false })?.isFile() === true) {
    const main = packageMain(confined(root, 'package.json'))
    if (main !== undefined) candidates.unshift(main)
  }
  const found = candidates.find(
    (file) => statSync(join(root, file), { throwIfNoEntry: false })?.isFile() === true,
  )
  if (found !== undefined) return found
  throw failed(`this folder has no vela.jsonc with "main", and none of ${candidates.join(', ')}`)
}

function packageMain(file: string): string | undefined {
  try {
    const content: unknown = JSON.parse(readFileSync(file, 'utf8'))
    if (typeof content !== 'object' || content === null) return undefined
    const { module, main } = content as { module?: unknown; main?: unknown }
    return [module, main].find((value) => typeof value === 'string' && value !== '') as string | undefined
  } catch {
    // esbuild says where it is broken, if anything imports it.
    return undefined
  }
}

function checkSourceFile(root: string, main: string, prefix = ''): void {
  const file = confined(root, main, prefix)
  const { size } = statSync(file)
  if (!SOURCE_EXTENSIONS.has(extname(file))) {
    throw failed(
      `${prefix}${printValue(main)} is no source file; use one of ${[...SOURCE_EXTENSIONS].join(', ')}`,
    )
  }
  if (size > MAX_SOURCE_FILE_BYTES) {
    throw failed(`${prefix}${main} has ${size} bytes; at most ${MAX_SOURCE_FILE_BYTES} are allowed`)
  }
  const head = Buffer.alloc(8192)
  const descriptor = openSync(file, 'r')
  try {
    const length = readSync(descriptor, head, 0, head.length, 0)
    if (head.subarray(0, length).includes(0))
      throw failed(`${prefix}${main} is a binary file, not source text`)
  } finally {
    closeSync(descriptor)
  }
}

/** The real path of a regular file below `root`, or an error. */
function confined(root: string, file: string, prefix = ''): string {
  const path = resolve(root, file)
  if (!isInside(root, path)) throw failed(`${prefix}${printValue(file)} is outside the service's folder`)
  const stat = statSync(path, { throwIfNoEntry: false })
  if (stat === undefined) throw failed(`${prefix}there is no file ${printValue(file)} in the folder`)
  if (!stat.isFile()) throw failed(`${prefix}${printValue(file)} is not a file`)
  const real = realpathSync(path)
  if (!isInside(root, real))
    throw failed(`${prefix}${printValue(file)} is a link that leads out of the service's folder`)
  return real
}

export function isInside(folder: string, path: string): boolean {
  return path.startsWith(folder.endsWith(sep) ? folder : folder + sep)
}

const failed = (message: string): VelaError => new VelaError('VELA_DEPLOY_BUNDLE_FAILED', message)
