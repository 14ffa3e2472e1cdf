/**
 * An isolate with the kernel booted in it and nobody's code yet: what spares hold.
 * Threat: whatever the engine's objects could do is kept from the guest. The kernel gets plain functions as
 * arguments; the global object never holds any of them while guest code can look.
 */
import type ivm from 'isolated-vm'
import type { GuestHost } from './contract.ts'
import { createNatives, NATIVE_NAMES } from './natives.ts'

export type Ivm = typeof ivm

export interface KernelImage {
  /** A startup snapshot with the kernel booted, made by the host (see createKernelSnapshot). */
  readonly snapshot: ivm.ExternalCopy<ArrayBuffer>
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

const KERNEL_FILE = 'vela:kernel'
/** Where the snapshot keeps the bridge; taken off before guest code runs. */
const BRIDGE = '__vela_bridge__'
export const SERVICE_FILE = 'service.js'

export function bootIsolate(ivm: Ivm, kernel: KernelImage, memoryMb: number): BootedIsolate {
  // No onCatastrophicError: with a handler isolated-vm waits for the event loop to call it, and a cell has none; without
  // one it aborts the process, and the host sees that at once.
  const isolate = new ivm.Isolate({ memoryLimit: memoryMb, snapshot: kernel.snapshot })
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
  const bridge = context.global.getSync(BRIDGE, { reference: true }) as unknown as BootedIsolate['bridge']
  context.global.deleteSync(BRIDGE)
  const bind = bridge.getSync('bind', { reference: true }) as unknown as ivm.Reference<() => void>
  bind.applySync(
    undefined,
    NATIVE_NAMES.map((name) => new ivm.Callback(natives[name] as () => unknown)) as [],
  )
  return Object.assign(occupant, { isolate, context, bridge, memoryMb })
}

/**
 * Boots the kernel once and keeps the heap: an isolate made from it has the kernel in place, and the code that the
 * warm-up touched compiled (the warm-up's effects are not kept). V8 trusts a snapshot like native code: only the
 * host makes one, in a cell that runs no guest.
 */
export function createKernelSnapshot(ivm: Ivm, core: string): Uint8Array {
  const list = NATIVE_NAMES.join(',')
  const boot = `globalThis.${BRIDGE}=(kernel=>{const k=kernel.boot(globalThis),{sdk}=k;return{...k.bridge,bind:(${list})=>k.bind({${list}}),warmUp:kernel.warmUp,sdk:sdk.take,sdkNames:sdk.names.join()}})(${core})`
  const snapshot = ivm.Isolate.createSnapshot([{ code: boot, filename: KERNEL_FILE }], WARM_UP)
  return new Uint8Array(snapshot.copy())
}

/**
 * There are no natives yet, and a handler that throws for want of one warms nothing: these answer as much as the warm-up
 * asks for, in the form of the real ones.
 */
const SAMPLE_NATIVES: Readonly<Record<string, string>> = {
  parseUrl: `u=>{const p=u.slice(16,21).replace('?','');return[u,'http:','','','a.example','a.example','',p,'?q=1','','http://a.example'].join('\\n')}`,
  decodeUtf8: 'bytes=>bytes',
  encodeUtf8: 'text=>text',
  randomBytes: "length=>'r'.repeat(length)",
}
const WARM_UP = `${BRIDGE}.bind(${NATIVE_NAMES.map((name) => SAMPLE_NATIVES[name] ?? '()=>undefined').join(',')});${BRIDGE}.warmUp(${BRIDGE},globalThis)`

/** V8 trusts a code cache like native code: `bytes` must come from the host. */
export function codeCacheOf(ivm: Ivm, bytes: Uint8Array): ivm.ExternalCopy<ArrayBuffer> {
  // A copy of just these bytes: a Buffer's own store may be larger, or shared.
  return new ivm.ExternalCopy(new Uint8Array(bytes).buffer)
}
