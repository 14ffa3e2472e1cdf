/**
 * A guest author's folder as `vela init` and `npm install` leave it, without the network: the packages of this checkout are
 * linked into a node_modules above it.
 */
import { execFile } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'

const ROOT = join(import.meta.dirname, '../..')
const LINKED = ['vitest', 'typescript', 'hono']

export interface Workshop extends Disposable {
  readonly path: string
  write(file: string, text: string): string
}

export interface Ran {
  readonly exitCode: number
  readonly output: string
}

export function createWorkshop(): Workshop {
  const path = mkdtempSync(join(tmpdir(), 'vela-sdk-'))
  const modules = join(path, 'node_modules')
  mkdirSync(join(modules, '@vela'), { recursive: true })
  symlinkSync(join(ROOT, 'guest-sdk'), join(modules, '@vela', 'guest-sdk'))
  symlinkSync(ROOT, join(modules, 'vela-runtime'))
  mkdirSync(join(modules, '.bin'))
  symlinkSync(join(ROOT, 'host/cli/vela.js'), join(modules, '.bin', 'vela'))
  for (const name of LINKED) symlinkSync(join(ROOT, 'node_modules', name), join(modules, name))
  return {
    path,
    write(file, text) {
      const full = join(path, file)
      mkdirSync(dirname(full), { recursive: true })
      writeFileSync(full, text)
      return full
    },
    [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }),
  }
}

/** Nothing of this machine's environment but a PATH on which the tools of the workshop and this checkout come first. */
export function toolEnv(workshop = ''): Record<string, string> {
  const bins = [workshop, ROOT].map((folder) => join(folder, 'node_modules/.bin'))
  const path = [...bins, dirname(process.execPath), process.env['PATH'] ?? '']
  return { PATH: path.join(':'), NO_COLOR: '1' }
}

/** Runs a tool of this checkout (`vitest`, `tsc`, `vela`) in a folder. */
export function runTool(tool: string, args: readonly string[], cwd: string): Promise<Ran> {
  const file = tool === 'vela' ? join(ROOT, 'host/cli/vela.js') : join(ROOT, 'node_modules/.bin', tool)
  return new Promise((resolve) => {
    execFile(
      process.execPath,
      [file, ...args],
      { cwd, env: toolEnv(), timeout: 100_000 },
      (error, stdout, stderr) => {
        const exitCode = error === null ? 0 : typeof error.code === 'number' ? error.code : 1
        resolve({ exitCode, output: `${stdout}${stderr}` })
      },
    )
  })
}
