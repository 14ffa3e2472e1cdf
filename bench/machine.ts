/**
 * The ground rules of a run: which core serves and which one loads, which tools are there, and what the machine is.
 * Contenders get one core for all their processes; the load generator and this process keep to another.
 */
import { spawnSync } from 'node:child_process'
import { createRequire } from 'node:module'
import { availableParallelism, cpus, release, totalmem } from 'node:os'
import { BenchError } from './contract.ts'
import { field } from './unknown.ts'

export const SERVER_CORE = 0

/** Read once: pinning leaves this process one core, and it would then take that for all there are. */
export const CORES: number = availableParallelism()
/** For taskset: every core there is. */
export const ALL_CORES: string = `0-${CORES - 1}`
/** Core 1 when there is one; a single core is shared, which `describeMachine` admits. */
export const LOAD_CORE: number = CORES > 1 ? 1 : SERVER_CORE

/** Keeps every thread of this process off the servers' core; its children inherit that. */
export function pinToLoadCore(): void {
  requireTool('taskset', ['--version'], 'It is part of util-linux (Debian: apt-get install util-linux).')
  const pinned = spawnSync('taskset', ['-acp', String(LOAD_CORE), String(process.pid)])
  if (pinned.status !== 0)
    throw new BenchError(`taskset could not pin this process: ${pinned.stderr.toString()}`)
}

/** wrk, installed from Debian when it is missing and this is root. */
export function requireWrk(say: (line: string) => void): void {
  if (isInstalled('wrk', ['--version'])) return
  if (process.getuid?.() === 0 && isInstalled('apt-get', ['--version'])) {
    say('wrk is missing: installing it with `apt-get install -y wrk`')
    spawnSync('apt-get', ['install', '-y', '--no-install-recommends', 'wrk'], { stdio: ['ignore', 2, 2] })
  }
  requireTool('wrk', ['--version'], 'Install it (Debian: apt-get install wrk) and run this again.')
}

export function describeMachine(): Record<string, string | number> {
  return {
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    cores: CORES,
    serverCore: SERVER_CORE,
    loadCore: LOAD_CORE,
    memoryBytes: totalmem(),
    kernel: release(),
    node: process.version,
    workerd: packageVersion('workerd'),
    isolatedVm: packageVersion('isolated-vm'),
    vela: packageVersion('../package.json'),
  }
}

function requireTool(tool: string, probe: readonly string[], hint: string): void {
  if (!isInstalled(tool, probe)) throw new BenchError(`The benchmark needs \`${tool}\`. ${hint}`)
}

function isInstalled(tool: string, probe: readonly string[]): boolean {
  return spawnSync(tool, [...probe], { stdio: 'ignore' }).error === undefined
}

function packageVersion(name: string): string {
  try {
    const path = name.endsWith('.json') ? name : `${name}/package.json`
    return String(field(createRequire(import.meta.url)(path), 'version'))
  } catch {
    return 'unknown'
  }
}
