/** Spawns the real command, as a user would, in a folder of its own and with nothing of this machine's environment. */
import { spawn, type ChildProcessWithoutNullStreams } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'

export const LAUNCHER: string = join(import.meta.dirname, '..', '..', 'host', 'cli', 'vela.js')

export interface RunOptions {
  readonly cwd?: string
  readonly env?: Readonly<Record<string, string>>
  readonly stdin?: string
}

export interface RunResult {
  readonly exitCode: number | null
  readonly stdout: string
  readonly stderr: string
}

export function spawnVela(args: readonly string[], options: RunOptions = {}): ChildProcessWithoutNullStreams {
  return spawn(process.execPath, [LAUNCHER, ...args], {
    cwd: options.cwd ?? tmpdir(),
    env: { PATH: process.env['PATH'] ?? '', ...options.env },
  })
}

export async function runVela(args: readonly string[], options: RunOptions = {}): Promise<RunResult> {
  const child = spawnVela(args, options)
  child.stdin.on('error', () => {})
  child.stdin.end(options.stdin ?? '')
  const exited = new Promise<number | null>((settle) => child.once('close', settle))
  const [stdout, stderr, exitCode] = await Promise.all([text(child.stdout), text(child.stderr), exited])
  return { exitCode, stdout, stderr }
}

export interface TempFolder extends Disposable {
  readonly path: string
}

export function tempFolder(): TempFolder {
  const path = mkdtempSync(join(tmpdir(), 'vela-cli-'))
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }) }
}
