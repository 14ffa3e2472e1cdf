/**
 * Keeps a bundle from containing files that are not the service's. Threat: an embedder bundles a customer's
 * folder, and `import secrets from '../../config.json'`, a link in the folder or a tsconfig path would put the
 * host's files into code the customer can read. Allowed are the folder itself and what the owner of the folders
 * above has installed there (their node_modules, also by link as in workspaces).
 */
import { realpathSync, statSync } from 'node:fs'
import { dirname, isAbsolute, join, sep } from 'node:path'
import type { OnResolveArgs, Plugin, ResolveResult } from 'esbuild'
import { printValue } from '../core/config-document.ts'
import { isInside, MAX_SOURCE_FILE_BYTES } from './entry.ts'

const SEEN = Symbol('resolved once')

export function confineImports(root: string): Plugin {
  const above = foldersAbove(root)
  return {
    name: 'confine-imports',
    setup(build) {
      build.onResolve({ filter: /.*/ }, async (args) => {
        if (args.pluginData === SEEN) return undefined
        // What is outside and imports was allowed before: a package of the folders above, and its files are its own. Such
        // a package has thousands of imports, and each question to esbuild is a message to its process and back.
        if (args.importer !== '' && !isInside(root, args.importer)) return undefined
        const { importer, resolveDir, kind, namespace } = args
        const options = { importer, resolveDir, kind, namespace, with: args.with, pluginData: SEEN }
        const found = await build.resolve(args.path, options)
        // esbuild itself reports what it cannot find, with more help than a plugin can give.
        if (found.errors.length > 0 || found.external || found.namespace !== 'file') return undefined
        const reason = refusal(root, above, args, found)
        return reason === undefined ? undefined : { errors: [{ text: reason }] }
      })
    },
  }
}

function refusal(
  root: string,
  above: readonly string[],
  args: OnResolveArgs,
  found: ResolveResult,
): string | undefined {
  const specifier = printValue(args.path)
  if (!isAllowed(root, above, args, found.path)) {
    return `the import ${specifier} leads out of the service's folder; move the file into it or install it as a package`
  }
  const stat = statSync(found.path, { throwIfNoEntry: false })
  if (stat?.isFile() === false) return `the import ${specifier} is not a regular file`
  if ((stat?.size ?? 0) > MAX_SOURCE_FILE_BYTES) {
    return `the import ${specifier} has ${stat?.size} bytes; at most ${MAX_SOURCE_FILE_BYTES} are allowed`
  }
  return undefined
}

function isAllowed(root: string, above: readonly string[], args: OnResolveArgs, path: string): boolean {
  if (isInside(root, path)) return true
  if (above.some((folder) => isInside(join(folder, 'node_modules'), path))) return true
  const name = packageName(args.path)
  if (name === undefined) return false
  return above.some((folder) => {
    const installed = realPath(join(folder, 'node_modules', name))
    return installed !== undefined && isInside(installed, path)
  })
}

function packageName(specifier: string): string | undefined {
  if (specifier.startsWith('.') || isAbsolute(specifier)) return undefined
  const [first = '', second = ''] = specifier.split('/')
  if (first === '' || first === '..' || second === '..') return undefined
  return first.startsWith('@') ? `${first}/${second}` : first
}

function foldersAbove(root: string): string[] {
  const folders: string[] = []
  for (let folder = dirname(root); ; folder = dirname(folder)) {
    folders.push(folder)
    if (folder === dirname(folder) || folder === sep) return folders
  }
}

function realPath(path: string): string | undefined {
  try {
    return realpathSync(path)
  } catch {
    return undefined
  }
}
