/**
 * Finds QuickJS's wasm file in its package. The cell knows one build of it by its insides (sandbox/engine/quickjs-abi.ts), so another
 * is refused here, before any guest meets it.
 */
import { createHash } from 'node:crypto'
import { readFile, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { WASM_PACKAGE, WASM_SHA256 } from '../../sandbox/protocol/engine-files.ts'

/** Throws if the installed package holds another build. */
export async function copyQuickjs(destination: string): Promise<void> {
  const wasm = await readFile(findQuickjs())
  const digest = createHash('sha256').update(wasm).digest('hex')
  if (digest !== WASM_SHA256)
    throw new Error(`${WASM_PACKAGE} is another build than this host knows: ${digest}`)
  await writeFile(destination, wasm, { mode: 0o644 })
}

/** It is a dependency of quickjs-emscripten, and need not lie beside it. */
export function findQuickjs(): string {
  const entry = createRequire(import.meta.url).resolve('quickjs-emscripten')
  return createRequire(entry).resolve(WASM_PACKAGE)
}
