/** Runs wrk on the load core and reads the line that wrk.lua prints. One thread: the load has one core. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { BenchError, type Metrics } from '../contract.ts'
import { LOAD_CORE } from '../machine.ts'
import { field, parseJson } from '../unknown.ts'

export interface WrkLoad {
  readonly urls: readonly string[]
  readonly connections: number
  readonly seconds: number
  readonly method?: 'GET' | 'POST'
  readonly body?: string
}

const SCRIPT = new URL('./wrk.lua', import.meta.url).pathname

/** requestsPerSecond, p50Ms, p99Ms, and errors: answers that were no 2xx or 3xx, and broken connections. */
export async function runWrk(load: WrkLoad): Promise<Metrics> {
  const folder = await mkdtemp(join(tmpdir(), 'vela-bench-wrk-'))
  try {
    const bodyFile = load.body === undefined ? '-' : join(folder, 'body')
    if (load.body !== undefined) await writeFile(bodyFile, load.body)
    return parseWrk(await spawnWrk(load, bodyFile))
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

async function spawnWrk(load: WrkLoad, bodyFile: string): Promise<string> {
  const [first] = load.urls
  if (first === undefined) throw new BenchError('wrk needs at least one URL')
  const seconds = Math.max(1, Math.round(load.seconds))
  const options = [
    '-t1',
    `-c${load.connections}`,
    `-d${seconds}s`,
    '--latency',
    '--timeout',
    '10s',
    '-s',
    SCRIPT,
  ]
  const paths = load.urls.map((url) => new URL(url)).map(({ pathname, search }) => pathname + search)
  const args = [
    '-c',
    String(LOAD_CORE),
    'wrk',
    ...options,
    first,
    '--',
    load.method ?? 'GET',
    bodyFile,
    ...paths,
  ]
  const child = spawn('taskset', args, { stdio: ['ignore', 'pipe', 'pipe'] })
  const [output, problems] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')])
  if (child.exitCode !== 0) throw new BenchError(`wrk failed: ${problems.trim() || output.trim()}`)
  return output
}

export function parseWrk(output: string): Metrics {
  const line = /^RESULT (\{.*\})$/m.exec(output)?.[1]
  if (line === undefined) throw new BenchError(`wrk printed no result: ${output.trim().slice(0, 500)}`)
  const result = parseJson(line)
  const of = (key: string): number => Number(field(result, key))
  return {
    requestsPerSecond: of('requests') / (of('durationUs') / 1e6),
    p50Ms: of('p50Us') / 1000,
    p99Ms: of('p99Us') / 1000,
    errors: of('connect') + of('read') + of('write') + of('timeout') + of('status'),
  }
}
