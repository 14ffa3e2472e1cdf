/**
 * Starts cell processes with as little as the system can take from them: Node's permission model (no files but the
 * image, no child processes, no workers), an empty environment, no network, and a user id of their own.
 */
import { spawn, spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import type { Socket } from 'node:net'
import { join } from 'node:path'
import type { CellImage } from './cell-image.ts'
import type { CellProcess } from './cell.ts'

/** Which layers of containment this system allows; `vela doctor` prints them. */
export interface Containment {
  /** Cells run in a network namespace without a route. */
  readonly network: 'namespace' | 'none'
  /** Cells run under another user id than the host's. */
  readonly userId: 'own' | 'same'
  /** A cell dies with its host even while it computes; without it only when it next reads its link. */
  readonly death: 'signal' | 'link'
}

export interface SpawnOptions {
  readonly image: CellImage
  readonly containment: Containment
  readonly memoryMb: number
}

/** Ids for cells; a cell must not be able to signal or trace another, so they take turns over a range. */
const FIRST_USER_ID = 2_000_000
const USER_IDS = 60_000
const MAX_LAST_WORDS = 2048

export function createSpawner({ image, containment, memoryMb }: SpawnOptions): () => CellProcess {
  let spawned = 0
  return () => {
    const { command, args } = commandLine(
      image,
      containment,
      memoryMb,
      FIRST_USER_ID + (spawned++ % USER_IDS),
    )
    const child = spawn(command, args, {
      env: {},
      cwd: image.dir,
      // Not the host's own error stream: a broken-out cell would write there what it likes.
      stdio: ['ignore', 'ignore', 'pipe', 'pipe'],
      detached: false,
    })
    const exited = new Promise<{ code: number | null; signal: string | null }>((resolve) => {
      // Not 'exit': by then the last words may not have been read.
      child.once('close', (code, signal) => resolve({ code, signal }))
      child.once('error', () => resolve({ code: -1, signal: null }))
    })
    const socket = child.stdio[3] as Socket
    let words = ''
    child.stderr?.on('data', (chunk: Buffer) => {
      if (words.length < MAX_LAST_WORDS)
        words += chunk.toString('latin1').slice(0, MAX_LAST_WORDS - words.length)
    })
    child.stderr?.on('error', () => undefined)
    const kill = (): void => void child.kill('SIGKILL')
    return { pid: child.pid ?? -1, socket, exited, kill, lastWords: () => words.trim() }
  }
}

/** Exported for the tests that put a probe in the cell's place. */
export function commandLine(
  image: CellImage,
  containment: Containment,
  memoryMb: number,
  userId: number,
): { command: string; args: string[] } {
  const node = [
    process.execPath,
    '--permission',
    '--allow-addons',
    `--allow-fs-read=${image.dir}`,
    '--no-node-snapshot',
    '--no-warnings',
    '--v8-pool-size=0',
    // Compiling on another thread would swap in optimised code at moments that the frames do not determine; a guest
    // sees them in the depth of its stack. It would also be CPU time that no turn is charged for.
    '--single-threaded',
    '--max-semi-space-size=8',
    ...stackFlags(),
    // Many cells serve few requests each: what they run must be compiled after tens of calls, not hundreds.
    '--invocation-count-for-maglev=25',
    '--minimum-invocations-after-ic-update=25',
    join(image.dir, 'cell.js'),
    image.dir,
    String(memoryMb),
  ]
  const prefix = containmentPrefix(containment, userId)
  const line = [...prefix, ...node]
  return { command: line[0] as string, args: line.slice(1) }
}

/**
 * QuickJS recurses on the thread's stack, in frames that take far more of it than QuickJS counts. Linux gives a main thread 8 MB;
 * where it gives less, V8 keeps its own measure, and QuickJS guests that recurse deeply end sooner.
 */
function stackFlags(): string[] {
  return stackLimitKb() >= ROOMY_STACK_KB ? [`--stack-size=${STACK_KB}`] : []
}

const ROOMY_STACK_KB = 8192
const STACK_KB = 6000

/** What a process of this host may have of stack (KiB); 0 where the system does not say. */
function stackLimitKb(): number {
  try {
    const soft = /^Max stack size\s+(\S+)/m.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1]
    return soft === 'unlimited' ? Infinity : Number(soft ?? 0) / 1024
  } catch {
    return 0
  }
}

/** Each of these programs replaces itself with the next, so the pid is the cell's. */
function containmentPrefix({ network, userId: own, death }: Containment, userId: number): string[] {
  const isRoot = process.getuid?.() === 0
  const unshare = isRoot
    ? [
        ...(network === 'namespace' ? ['--net', '--ipc'] : []),
        ...(own === 'own' ? [`--setgid=${userId}`, `--setuid=${userId}`] : []),
      ]
    : network === 'namespace'
      ? ['--user', '--net']
      : []
  return [
    ...(unshare.length === 0 ? [] : ['unshare', ...unshare, '--']),
    // After the change of user, which would clear it.
    ...(death === 'signal' ? ['setpriv', '--pdeathsig', 'KILL', '--'] : []),
  ]
}

/** Tries the layers from the strongest down and keeps what lets a cell program start. */
export function probeContainment(image: CellImage): Containment {
  const death = spawnSync('setpriv', ['--pdeathsig', 'KILL', '--', 'true']).status === 0 ? 'signal' : 'link'
  const candidates: Containment[] = [
    { network: 'namespace', userId: 'own', death },
    { network: 'namespace', userId: 'same', death },
    { network: 'none', userId: 'own', death },
  ]
  for (const candidate of candidates) {
    const [command, ...args] = [
      ...containmentPrefix(candidate, FIRST_USER_ID),
      process.execPath,
      '--permission',
      `--allow-fs-read=${image.dir}`,
      '-p',
      `fs.readFileSync(${JSON.stringify(join(image.dir, 'cell.js'))}).length > 0`,
    ]
    const isRootOnly = candidate.userId === 'own' && process.getuid?.() !== 0
    if (command === undefined || isRootOnly) continue
    const { status } = spawnSync(command, args, { env: {}, stdio: 'ignore', timeout: 10_000 })
    if (status === 0) return candidate
  }
  return { network: 'none', userId: 'same', death }
}
