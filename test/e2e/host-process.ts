/** `vela start` as a process of its own, on free ports, and how it ends. */
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { runVela, spawnVela, type RunResult } from '../cli/run.ts'

export interface HostProcess extends AsyncDisposable {
  readonly gateway: string
  readonly admin: string
  readonly pid: number
  /** The first line of stdout, whole. */
  readonly ready: Readonly<Record<string, unknown>>
  /** Everything it has written to stderr: its log. */
  log(): string
  /** Runs a command against it, in the folder of the host. */
  vela(args: readonly string[], stdin?: string): Promise<RunResult>
  signal(signal: NodeJS.Signals): void
  /** Resolves with the exit code, or the signal that ended it. */
  readonly ended: Promise<number | NodeJS.Signals>
}

export interface HostProcessOptions {
  readonly args?: readonly string[]
  readonly env?: Readonly<Record<string, string>>
}

/** Its data directory is `.vela` of the folder unless the arguments say otherwise. */
export async function startHost(
  cwd: string,
  { args = [], env = {} }: HostProcessOptions = {},
): Promise<HostProcess> {
  const child = spawnVela(['start', '--json', '--port', '0', '--admin-port', '0', ...args], { cwd, env })
  let stderr = ''
  child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()))
  const ended = once(child, 'close').then(([code, signal]) => (signal ?? code) as number | NodeJS.Signals)
  const { value, done } = await createInterface(child.stdout)[Symbol.asyncIterator]().next()
  if (done === true) throw new Error(`the host ended (${await ended}) before its first line: ${stderr}`)
  const ready = JSON.parse(value) as { event: string; gateway: string; admin: string; pid: number }
  if (ready.event !== 'ready') throw new Error(`the host did not start: ${value}`)
  const signal = (name: NodeJS.Signals): void => void child.kill(name)
  return {
    ...ready,
    ready: { ...ready },
    log: () => stderr,
    vela: (args, stdin) =>
      runVela(args, { cwd, env: { VELA_API_URL: ready.admin }, ...(stdin === undefined ? {} : { stdin }) }),
    signal,
    ended,
    async [Symbol.asyncDispose]() {
      signal('SIGKILL')
      await ended
    },
  }
}
