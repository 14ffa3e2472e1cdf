/**
 * A contender's process on the servers' core, with its output in files. Reading a pipe would cost the load core time
 * for each access log line, and an unread pipe would stall the server.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { watch } from 'node:fs'
import { open, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { BenchError } from '../contract.ts'
import { ALL_CORES, SERVER_CORE } from '../machine.ts'
import { processTree } from '../procfs.ts'

export interface Server {
  readonly pid: number
  pids(): number[]
  /** SIGTERM, and SIGKILL for the whole tree when that is not heeded in time. */
  stop(): Promise<void>
}

export interface ServerOptions {
  readonly command: string
  readonly args: readonly string[]
  readonly env?: Readonly<Record<string, string>>
  /** Where stdout, stderr and descriptor 3 go, one file each. */
  readonly folder: string
  readonly stopMs?: number
  readonly allCores?: boolean
}

const READY_MS = 30_000
const STOP_MS = 10_000

/** Starts it and waits until one of its output files has a line that `ready` turns into a value. */
export async function startServer<T>(
  options: ServerOptions,
  ready: (line: string) => T | undefined,
): Promise<Server & { readonly ready: T }> {
  const paths = ['stdout', 'stderr', 'control'].map((name) => join(options.folder, name))
  const files = await Promise.all(paths.map((path) => open(path, 'w')))
  const [out, err, control] = files.map((file) => file.fd)
  // A clean environment: settings of whoever runs the benchmark must not reach a contender.
  const env = { PATH: process.env['PATH'] ?? '', HOME: options.folder, ...options.env }
  const child = spawn(
    'taskset',
    ['-c', options.allCores ? ALL_CORES : String(SERVER_CORE), options.command, ...options.args],
    {
      cwd: options.folder,
      env,
      stdio: ['ignore', out, err, control],
    },
  )
  const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()))
  await Promise.all(files.map((file) => file.close()))
  const pid = child.pid
  if (pid === undefined) throw new BenchError(`${options.command} could not be started`)

  const stop = async (): Promise<void> => {
    const tree = processTree(pid)
    if (child.exitCode === null && child.signalCode === null) {
      child.kill('SIGTERM')
      await Promise.race([exited, delay(options.stopMs ?? STOP_MS)])
    }
    // Taken before the parent went, since orphans have another parent.
    for (const one of tree) if (processTree(one).length > 0) kill(one)
    await exited
  }
  try {
    const value = await firstReadyLine(child, options.folder, paths, ready)
    return { pid, pids: () => processTree(pid), stop, ready: value }
  } catch (error) {
    await stop()
    throw error
  }
}

async function firstReadyLine<T>(
  child: ChildProcess,
  folder: string,
  paths: readonly string[],
  ready: (line: string) => T | undefined,
): Promise<T> {
  const scan = async (): Promise<T | undefined> => {
    for (const path of paths) {
      for (const line of (await readFile(path, 'utf8')).split('\n')) {
        const value = ready(line)
        if (value !== undefined) return value
      }
    }
    return undefined
  }
  const giveUp = AbortSignal.timeout(READY_MS)
  const watcher = watch(folder)
  const changed = (): Promise<unknown> =>
    Promise.race([once(watcher, 'change', { signal: giveUp }), once(child, 'exit', { signal: giveUp })])
  try {
    for (;;) {
      const next = changed()
      // The answer to a rejection is the throw below; unhandled it would end the benchmark.
      next.catch(() => undefined)
      const value = await scan()
      if (value !== undefined) return value
      if (child.exitCode !== null || child.signalCode !== null) break
      await next
    }
  } catch (error) {
    if (!giveUp.aborted) throw error
  } finally {
    watcher.close()
  }
  const said = (await Promise.all(paths.map((path) => readFile(path, 'utf8')))).join('\n').trim()
  const what = giveUp.aborted
    ? `was not ready after ${READY_MS} ms`
    : `ended with ${child.exitCode ?? child.signalCode}`
  throw new BenchError(`${child.spawnargs.slice(3).join(' ')} ${what}: ${said.slice(-1000)}`)
}

function delay(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    // Gone between the look and the signal: what was wanted.
  }
}
