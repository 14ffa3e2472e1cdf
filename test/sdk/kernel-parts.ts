/** Both engines in this process, with an eye on which parts of the kernel a guest makes them evaluate. */
import { createRequire } from 'node:module'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type ivm from 'isolated-vm'
import { buildCellImage } from '../../host/cells/cell-image.ts'
import type { Engine, Guest, LoadResult } from '../../sandbox/engine/contract.ts'
import { createQuickjsEngine } from '../../sandbox/engine/quickjs.ts'
import { createV8Engine } from '../../sandbox/engine/v8.ts'
import { codeCacheOf, createKernelSnapshot } from '../../sandbox/engine/v8-isolate.ts'
import type { EngineName } from '../engines.ts'

export interface Loaded {
  readonly result: LoadResult
  /** Parts evaluated so far, in their order. */
  readonly parts: readonly string[]
  /** Throws if it did not load. */
  readonly guest: Guest
}

export type Binding = readonly [name: string, kind: string, grant: number, options: unknown]
export type LoadGuest = (engine: EngineName, source: string, capabilities?: readonly Binding[]) => Loaded

export async function createPartsWatch(): Promise<LoadGuest> {
  const cells = await buildCellImage()
  const wasm = readFileSync(join(cells.dir, 'quickjs.wasm'))
  const texts = JSON.parse(readFileSync(join(cells.dir, 'parts.json'), 'utf8')) as Record<string, string>
  await cells.remove()
  let evaluated: string[] = []
  const parts = new Proxy(texts, {
    get(target, name) {
      evaluated.push(String(name))
      return target[String(name)]
    },
  })
  const maker = createQuickjsEngine({
    readFiles: () => ({ wasm, image: undefined, parts }),
    defaultMemoryMb: 64,
  })
  const image = Buffer.from(maker.compile(cells.kernelCore, 'kernel') ?? [])
  const addon = createRequire(import.meta.url)('isolated-vm') as typeof ivm
  const snapshot = codeCacheOf(addon, createKernelSnapshot(addon, cells.kernelCore))
  const engines: Record<EngineName, Engine> = {
    v8: createV8Engine({ ivm: addon, kernel: { snapshot, parts }, defaultMemoryMb: 64 }),
    quickjs: createQuickjsEngine({ readFiles: () => ({ wasm, image, parts }), defaultMemoryMb: 64 }),
  }
  return (engine, source, capabilities = []) => {
    const own: string[] = []
    evaluated = own
    const result = engines[engine].load({
      config: JSON.stringify({ ...CONFIG, capabilities }),
      source,
      codeCache: undefined,
      memoryMb: 64,
      startupMs: 0,
      host: {
        randomBytes: (length) => Buffer.alloc(length, 7),
        flush: () => undefined,
        emit: () => undefined,
        log: () => true,
      },
    })
    return {
      result,
      parts: own,
      get guest() {
        if ('fault' in result) throw new Error(JSON.stringify(result.fault))
        return result.guest
      },
    }
  }
}

const CONFIG = {
  nowMs: 1_700_000_000_000,
  seed: '00112233445566778899aabbccddeeff',
  timers: 100,
  responseBodyBytes: 100_000_000,
  socketMessageBytes: 100_000,
  env: { NAME: 'value' },
}
