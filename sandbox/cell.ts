/**
 * A cell: the process that runs guests of one tenant. It is a loop: read a batch, run it, answer in one write. It
 * has no event loop, no clock, no timers and no I/O but its link, so its frames determine what its guests do.
 *
 * Arguments: the directory with the kernel image, and the default memory limit (mebibytes).
 */
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { setFlagsFromString } from 'node:v8'
import { createBatchRunner } from './batch.ts'
import { createBatchReader } from './batch-reader.ts'
import { cpuMicros } from './engine/engine-fault.ts'
import { createQuickjsEngine, type QuickjsFiles } from './engine/quickjs.ts'
import { createV8Engine } from './engine/v8.ts'
import { QUICKJS_IMAGE_FILE, WASM_FILE } from './protocol/engine-files.ts'
import { codeCacheOf, type Ivm, type KernelImage } from './engine/v8-isolate.ts'
import { FROM_CELL, PROTOCOL_VERSION } from './protocol/frame.ts'
import { createFrameWriter } from './protocol/frame-writer.ts'
import { createSeedStream } from './seed-stream.ts'
import { createSyncLink } from './sync-link.ts'

const LINK_DESCRIPTOR = 3

export function runCell(imageDir: string, defaultMemoryMb: number): void {
  process.env['TZ'] = 'UTC'
  // This thread has more (host/cells/spawn.ts), for QuickJS. Isolates of V8 keep their own measure, which is what has been tried.
  setFlagsFromString('--stack-size=984')
  const writer = createFrameWriter()
  const link = createSyncLink(LINK_DESCRIPTOR)
  const { ivm } = createRequire(join(imageDir, 'cell.js'))(join(imageDir, 'isolated_vm.node')) as { ivm: Ivm }
  const kernel = readImage(ivm, imageDir)
  const engines = {
    v8: createV8Engine({ ivm, kernel, defaultMemoryMb }),
    quickjs: createQuickjsEngine({ readFiles: () => readQuickjs(imageDir), defaultMemoryMb }),
  }
  const runner = createBatchRunner({ engines, writer, seeds: createSeedStream(), cpuMicros })
  const reader = createBatchReader(link)

  if (kernel !== undefined) engines.v8.warm()
  writer.bytes(FROM_CELL.hello, 0, PROTOCOL_VERSION, 0, new Uint8Array(0))
  for (;;) {
    link.write(writer.buffer, writer.length)
    writer.rewind(0)
    const batch = reader.next()
    if (batch === undefined) return
    runner.run(batch)
  }
}

/** Without a kernel snapshot a cell can only make one: `compile` is all it is good for. */
function readImage(ivm: Ivm, imageDir: string): KernelImage | undefined {
  const snapshot = readFileSync(join(imageDir, 'kernel.snapshot'))
  if (snapshot.length === 0) return undefined
  return { parts: readParts(imageDir), snapshot: codeCacheOf(ivm, snapshot) }
}

/** Read when a guest first asks for it: by then the host has made the image. */
function readQuickjs(imageDir: string): QuickjsFiles {
  const image = readFileSync(join(imageDir, QUICKJS_IMAGE_FILE))
  return {
    wasm: readFileSync(join(imageDir, WASM_FILE)),
    image: image.length === 0 ? undefined : image,
    parts: readParts(imageDir),
  }
}

const readParts = (imageDir: string): KernelImage['parts'] =>
  JSON.parse(readFileSync(join(imageDir, 'parts.json'), 'utf8')) as KernelImage['parts']

runCell(process.argv[2] as string, Number(process.argv[3]))
