/**
 * Bundles a service, as its author wrote it, into the one ES module and source map that a host takes. Runs where the
 * sources are: in the CLI, or in the host of an embedder that deploys from a path. What a host receives over the
 * wire is checked again there (check-source.ts); this only gives authors better messages, earlier.
 */
import { join, resolve } from 'node:path'
import { build, type BuildFailure, type BuildOptions, type BuildResult } from 'esbuild'
import { VelaError } from '../core/errors.ts'
import type { Bundle, Manifest } from '../registry/types.ts'
import { bundleError, printMessage } from './bundle-error.ts'
import { checkSource, PROVIDED_MODULES } from './check-source.ts'
import { confineImports } from './confine.ts'
import { type Entry, findEntry } from './entry.ts'

export interface BundleOverrides {
  /** Instead of the manifest's name. */
  readonly name?: string
}

export interface BundledService {
  readonly manifest: Manifest
  readonly bundle: Bundle
  /** One line each, with places. */
  readonly warnings: string[]
  /** Absolute paths of what the bundle was made of. */
  readonly watchFiles: string[]
}

/** The bundle's name in stacks of guests. */
export const BUNDLE_FILE_NAME = 'service.js'

export async function bundleService(path: string, overrides: BundleOverrides = {}): Promise<BundledService> {
  const entry = findEntry(resolve(path), overrides.name)
  const result = await runEsbuild(entry)
  const output = result.outputFiles.find((file) => file.path.endsWith('.js'))
  if (output === undefined) throw new VelaError('VELA_DEPLOY_BUNDLE_FAILED', 'the bundler made no output')
  const sourceMap = result.outputFiles.find((file) => file.path.endsWith('.js.map'))?.text ?? null
  const bundle: Bundle = { source: output.text, sourceMap }
  await checkSource(bundle.source, bundle.sourceMap)
  const inputs = Object.keys(result.metafile.inputs).filter((input) => !/^[\w-]+:|^\(/.test(input))
  return {
    manifest: entry.manifest,
    bundle,
    warnings: result.warnings.map((warning) => printMessage(entry.root, warning)),
    watchFiles: [
      ...new Set([
        ...(entry.manifestFile === undefined ? [] : [entry.manifestFile]),
        ...inputs.map((input) => resolve(entry.root, input)),
      ]),
    ],
  }
}

async function runEsbuild(entry: Entry): Promise<BuildResult<ReturnType<typeof esbuildOptions>>> {
  try {
    return await build(esbuildOptions(entry))
  } catch (error) {
    throw bundleError(entry.root, (error as Partial<BuildFailure>).errors ?? [], error)
  }
}

function esbuildOptions(entry: Entry) {
  return {
    absWorkingDir: entry.root,
    entryPoints: [`./${entry.main}`],
    outfile: join(entry.root, BUNDLE_FILE_NAME),
    write: false,
    metafile: true,
    bundle: true,
    format: 'esm',
    // As wrangler does: packages older than export conditions keep their Node half out by the field `browser`.
    platform: 'browser',
    target: 'es2024',
    conditions: ['workerd', 'worker', 'browser'],
    external: [...PROVIDED_MODULES],
    define: { 'process.env.NODE_ENV': '"production"' },
    jsx: 'automatic',
    loader: {
      '.txt': 'text',
      '.html': 'text',
      '.css': 'text',
      '.sql': 'text',
      '.md': 'text',
      '.bin': 'binary',
    },
    sourcemap: 'external',
    sourcesContent: true,
    charset: 'utf8',
    logLevel: 'silent',
    logLimit: 20,
    plugins: [confineImports(entry.root)],
  } as const satisfies BuildOptions
}
