/** What the structure tests look at: the files of the project as a clone has them, by path from its root. */
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { dirname, join, normalize } from 'node:path'

export const ROOT: string = join(import.meta.dirname, '../..')

/** Not of the project: installed, built, or made by running it. */
const FOREIGN: ReadonlySet<string> = new Set(['node_modules', '.git', 'dist', '.vela', 'results.json'])

export function filesBelow(folder: string): string[] {
  return readdirSync(join(ROOT, folder), { withFileTypes: true }).flatMap((entry) => {
    if (FOREIGN.has(entry.name)) return []
    const path = folder === '' ? entry.name : `${folder}/${entry.name}`
    return entry.isDirectory() ? filesBelow(path) : entry.isFile() ? [path] : []
  })
}

export const read = (path: string): string => readFileSync(join(ROOT, path), 'utf8')

export function exists(path: string): boolean {
  return statSync(join(ROOT, path), { throwIfNoEntry: false }) !== undefined
}

/** The project's own code: what runs, and what tests and measures it. */
export function sourceFiles(...folders: readonly string[]): string[] {
  const wanted = folders.length > 0 ? folders : ['guest-sdk', 'sandbox', 'host', 'bench', 'test']
  return wanted.flatMap((folder) => filesBelow(folder)).filter((path) => /\.[cm]?[jt]s$/.test(path))
}

export interface Import {
  readonly from: string
  /** A path from the root, or the bare name of a module. */
  readonly to: string
}

const STATEMENT =
  /(?:^|\n)\s*(?:import|export)\b[^'"`;]*?\bfrom\s*['"]([^'"]+)['"]|(?:^|\n)import\s*['"]([^'"]+)['"]|\bimport\(\s*['"]([^'"]+)['"]/g

export function importsOf(path: string): Import[] {
  return [...withoutComments(read(path)).matchAll(STATEMENT)].map((match) => {
    const specifier = match[1] ?? match[2] ?? match[3] ?? ''
    const to = specifier.startsWith('.') ? normalize(join(dirname(path), specifier)) : specifier
    return { from: path, to }
  })
}

/** Good enough for our own files: no string of theirs opens a comment. */
export const withoutComments = (text: string): string =>
  text.replaceAll(/\/\*[\s\S]*?\*\//g, '').replaceAll(/^\s*\/\/.*$/gm, '')
