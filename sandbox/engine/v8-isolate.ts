/**
 * An isolate with the kernel booted in it and nobody's code yet: what spares hold.
 * Threat: whatever the engine's objects could do is kept from the guest. The kernel gets plain functions as
 * arguments; the global object never holds any of them while guest code can look.
 */
import type ivm from 'isolated-vm'
import type { GuestHost } from './contract.ts'
import { createNatives } from './natives.ts'

export type Ivm = typeof ivm

export interface KernelImage {
  /** An expression whose value is the kernel's exports. */
  readonly core: string
  /** V8's code cache of `bootScript(core)`, made by the host. */
  readonly coreCache: Uint8Array | undefined
  /** Parts that are loaded when a guest first touches them, by name. */
  readonly parts: Readonly<Record<string, string>>
}

export interface BootedIsolate {
  readonly isolate: ivm.Isolate
  readonly context: ivm.Context
  readonly bridge: ivm.Reference<Record<string, unknown>>
  readonly memoryMb: number
  /** Set when a guest moves in; natives answer nothing until then. */
  host: GuestHost | undefined
}

export const KERNEL_FILE = 'vela:kernel'
export const SERVICE_FILE = 'service.js'
const NATIVES = ['parseUrl', 'updateUrl', 'decodeUtf8', 'encodeUtf8', 'randomBytes', 'part', 'flush', 'emit', 'log']

export function bootIsolate(ivm: Ivm, kernel: KernelImage, memoryMb: number): BootedIsolate {
  // No onCatastrophicError: with a handler isolated-vm waits for the event loop to call it, and a cell has none; without
  // one it aborts the process, and the host sees that at once.
  const isolate = new ivm.Isolate({ memoryLimit: memoryMb })
  const context = isolate.createContextSync()
  const occupant: { host: GuestHost | undefined } = { host: undefined }
  const natives = createNatives(
    {
      randomBytes: (length) => occupant.host?.randomBytes(length) ?? Buffer.alloc(0),
      flush: (text) => occupant.host?.flush(text),
      emit: (id, bytes) => occupant.host?.emit(id, bytes),
      log: (level, requestId, text) => occupant.host?.log(level, requestId, text) ?? false,
    },
    kernel.parts,
  )
  const script = isolate.compileScriptSync(bootScript(kernel.core), {
    filename: KERNEL_FILE,
    ...(kernel.coreCache === undefined ? {} : { cachedData: codeCacheOf(ivm, kernel.coreCache) }),
  })
  const start = script.runSync(context, { reference: true }) as unknown as ivm.Reference<() => object>
  const bridge = start.applySync(
    undefined,
    NATIVES.map((name) => new ivm.Callback(natives[name] as () => unknown)) as [],
    { result: { reference: true } },
  ) as unknown as BootedIsolate['bridge']
  script.release()
  start.release()
  return Object.assign(occupant, { isolate, context, bridge, memoryMb })
}

/** The kernel as one expression: a function that takes the natives and returns the bridge. */
export function bootScript(core: string): string {
  const list = NATIVES.join(',')
  return `(kernel=>(${list})=>{const k=kernel.boot(globalThis,{${list}}),sdk=k.sdk.exports;return{...k.bridge,sdk,sdkNames:Object.keys(sdk).join()}})(${core})`
}

/** V8 trusts a code cache like native code: `bytes` must come from the host. */
export function codeCacheOf(ivm: Ivm, bytes: Uint8Array): ivm.ExternalCopy<ArrayBuffer> {
  return new ivm.ExternalCopy(bytes.slice().buffer)
}
