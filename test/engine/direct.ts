/** The QuickJS engine by itself, in this process: what its tests look at is faster seen without a host around it. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { buildCellImage } from '../../host/cells/cell-image.ts'
import type { Engine, EnterResult, GuestHost, LoadResult } from '../../sandbox/engine/contract.ts'
import { createQuickjsEngine, type QuickjsFiles } from '../../sandbox/engine/quickjs.ts'

export interface DirectEngine {
  readonly engine: Engine
  readonly image: Buffer
  load(source: string, options?: LoadOptions): LoadResult
}

export interface LoadOptions {
  readonly memoryMb?: number
  readonly startupMs?: number
  readonly host?: Partial<GuestHost>
}

export async function createDirectEngine(): Promise<DirectEngine> {
  const cells = await buildCellImage()
  const wasm = readFileSync(join(cells.dir, 'quickjs.wasm'))
  const parts = JSON.parse(readFileSync(join(cells.dir, 'parts.json'), 'utf8')) as QuickjsFiles['parts']
  await cells.remove()
  const maker = createQuickjsEngine({
    readFiles: () => ({ wasm, image: undefined, parts }),
    defaultMemoryMb: 64,
  })
  const image = Buffer.from(maker.compile(cells.kernelCore, 'kernel') ?? [])
  const engine = createQuickjsEngine({ readFiles: () => ({ wasm, image, parts }), defaultMemoryMb: 64 })
  return {
    engine,
    image,
    load: (source, { memoryMb = 32, startupMs = 5_000, host = {} } = {}) =>
      engine.load({
        config: CONFIG,
        source,
        codeCache: undefined,
        memoryMb,
        startupMs,
        host: { ...QUIET, ...host },
      }),
  }
}

const CONFIG = JSON.stringify({
  nowMs: 1_700_000_000_000,
  seed: '00112233445566778899aabbccddeeff',
  timers: 100,
  responseBodyBytes: 100_000_000,
  socketMessageBytes: 100_000,
  env: {},
  capabilities: [],
})

const QUIET: GuestHost = {
  randomBytes: (length) => Buffer.alloc(length, 7),
  flush: () => undefined,
  emit: () => undefined,
  log: () => true,
}

/** The text of an entry that calls a method with one text. */
export function invoke(id: number, method: string, argument: string): string {
  const body = JSON.stringify([argument])
  return `${JSON.stringify([[0, id, 1, method, 0, 0, 1, body.length, 'r']])}\n${body}`
}

/** The JSON that the method returned. */
export function valueOf({ output, fault }: EnterResult): unknown {
  if (output === undefined) throw new Error(`nothing was said: ${fault?.reason}`)
  const end = output.indexOf('\n')
  const [message] = JSON.parse(output.slice(0, end)) as [[number, number, number, number]]
  if (message[0] !== 1) throw new Error(`the method threw: ${output}`)
  return JSON.parse(output.slice(end + 1, end + 1 + message[3]))
}
