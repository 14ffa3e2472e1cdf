/**
 * A guest begins as a copy of a warmed memory: QuickJS with the kernel booted and the bridge's modules loaded, and nobody's code
 * yet. Booting costs tens of milliseconds, copying a megabyte does not. The host makes the image once, like V8's snapshot, in a cell that
 * never runs a guest.
 *
 * The natives are in it as functions that say their number; what they do is each machine's own.
 */
import { ENGINE_BYTES } from '../protocol/engine-files.ts'
import { EVAL, HEAP_BASE, RUNTIME, TABLE_SIZE } from './quickjs-abi.ts'
import type { Instance, InstanceFactory } from './quickjs-instance.ts'
import { createMachine, type Machine, type MachineHooks, type MachinePointers } from './quickjs-machine.ts'
import { NATIVE_NAMES } from './natives.ts'
import { SDK_MODULES, sdkModule } from './sdk-imports.ts'

export interface QuickjsImage {
  readonly pointers: MachinePointers
  readonly functions: Readonly<Record<BridgeName, number>>
  readonly sdk: SdkNames
  /** Places in memory and what lies there. */
  readonly runs: readonly { readonly at: number; readonly bytes: Uint8Array }[]
}

/** What the SDK exports, and what of it is in libraries; joined by commas. */
export interface SdkNames {
  readonly names: string
  readonly lazyNames: string
}

const BRIDGE_NAMES = [
  'configure',
  'describe',
  'deliver',
  'fire',
  'collect',
  'rejected',
  'describeThrown',
] as const
export type BridgeName = (typeof BRIDGE_NAMES)[number]

/** Natives beside the kernel's, in this order: began, toText and toBuffer (guest-sdk/kernel/engine-bytes.ts). */
const OWN_NATIVES: readonly string[] = ['began', 'toText', 'toBuffer']
export const TO_TEXT: number = NATIVE_NAMES.length + 2
export const TO_BUFFER: number = NATIVE_NAMES.length + 3
/** Tells that linking is over and the service's own code comes next. */
export const BEGAN: number = NATIVE_NAMES.length + 1
export const SERVICE_MODULE = 'service.js'
export const ENTRY_MODULE = 'vela:entry'
/** Reports that linking is over before the service's own code runs, and registers what it exports after its top-level await. */
export const ENTRY_SOURCE: string = `import'vela:begin';import{register}from'vela:bridge';import*as service from'${SERVICE_MODULE}';register(service)`
/** Takes the place of the image's modules of the SDK in a guest that wants one of its libraries. */
export const SDK_MODULE = 'vela:sdk'

const KERNEL_FILE = 'vela:kernel'
const HANDOVER = '__vela_handover__'
/**
 * QuickJS recurses on the stack of the cell's thread, which it cannot see; its own limit must strike first, for nearly all code
 * (docs/adr has the figures). The cell's stack is set in host/cells/spawn.ts.
 */
const STACK_BYTES = 448 * 1024
/** What the image itself takes of the memory (bytes), beside the heap that the service's limit is about. */
const ROOM_BYTES = HEAP_BASE + 2 * 1024 * 1024

/** Bytes of memory of a machine whose heap may have `memoryMb`. */
export const memoryBytesOf = (memoryMb: number): number =>
  Math.max(LEAST_BYTES, Math.min(memoryMb, LARGEST_MB) * 1024 * 1024 + ROOM_BYTES)
/** What the wasm file asks for at least. */
const LEAST_BYTES = 16 * 1024 * 1024
/** Pointers are taken for signed numbers here and there. */
const LARGEST_MB = 2000

/** A machine from the image. The bytes are copied; nothing is shared. */
export function cloneMachine(
  factory: InstanceFactory,
  image: QuickjsImage,
  memoryMb: number,
  hooks: MachineHooks,
): Machine {
  return createMachine(factory, memoryBytesOf(memoryMb), hooks, ({ bytes }) => {
    for (const run of image.runs) bytes.set(run.bytes, run.at)
    return image.pointers
  })
}

/** Boots the kernel and returns the image's file. Throws if this build of QuickJS is not as quickjs-abi.ts says. */
export function makeImage(factory: InstanceFactory, core: string): Buffer {
  let pointers: MachinePointers | undefined
  const hooks: MachineHooks = {
    native: (_number, [first]) => (Buffer.isBuffer(first) ? undefined : first),
    resolveModule: (_base, name) => name,
  }
  const machine = createMachine(factory, LEAST_BYTES, hooks, ({ exports }) => {
    exports.initialize()
    const runtime = exports.newRuntime()
    exports.setMaxStackSize(runtime, STACK_BYTES)
    exports.enableInterrupts(runtime)
    exports.enableModuleLoader(runtime, 1)
    pointers = { runtime, context: exports.newContext(runtime, 0), scratch: exports.malloc(256) }
    return pointers
  })
  if (pointers === undefined) throw new Error('QuickJS did not start')
  trackRejections(machine.instance, pointers.runtime)
  return encode(machine.instance, { pointers, ...boot(machine, pointers, core) })
}

/** The function that the factory adds to the table is the first after QuickJS's own. */
function trackRejections({ words }: Instance, runtime: number): void {
  words[(runtime + RUNTIME.rejectionTracker) >>> 2] = TABLE_SIZE
}

function boot(
  machine: Machine,
  { context }: MachinePointers,
  core: string,
): Pick<QuickjsImage, 'functions' | 'sdk'> {
  const { values, instance } = machine
  const { exports } = instance
  const failed = (error: number): void => {
    throw new Error(`The kernel does not boot in QuickJS: ${String(machine.values.read(error))}`)
  }
  const evaluate = (source: string, name: string, flags: number): number =>
    machine.evaluate(Buffer.from(source), name, flags, failed)

  const global = exports.globalObject(context)
  const handOver = (box: number): void => {
    const key = values.box(HANDOVER)
    exports.setProperty(context, global, key, box)
    machine.release(key)
  }
  const natives = evaluate('({})', KERNEL_FILE, EVAL.global)
  const name = exports.malloc(1)
  instance.bytes[name] = 0
  for (const [index, key] of [...NATIVE_NAMES, ...OWN_NATIVES].entries()) {
    const property = values.box(key)
    const native = exports.newFunction(context, name, 0, 0, index + 1)
    exports.setProperty(context, natives, property, native)
    for (const box of [property, native]) machine.release(box)
  }
  exports.free(name)
  handOver(natives)
  machine.release(evaluate(LOCK_SOURCE, KERNEL_FILE, EVAL.global))
  const bridge = evaluate(`(${BOOT_SOURCE})(()=>(${core}))`, KERNEL_FILE, EVAL.global)
  handOver(bridge)
  const sdk: SdkNames = {
    names: textOf(machine, context, bridge, 'sdkNames'),
    lazyNames: textOf(machine, context, bridge, 'sdkLazyNames'),
  }
  for (const [module, source] of [
    ['vela:bridge', BRIDGE_SOURCE],
    ...[...SDK_MODULES].map((module) => [module, sdkModule(sdk.names, '')] as const),
  ] as const) {
    machine.release(evaluate(source, module, EVAL.module))
    machine.runJobs()
  }
  // Not evaluated: the first guest code to be linked does that.
  evaluate("import{began}from'vela:bridge';began()", 'vela:begin', EVAL.module | EVAL.compileOnly)
  const functions = Object.fromEntries(
    BRIDGE_NAMES.map((key) => [key, propertyOf(machine, context, bridge, key)]),
  )
  const echo = propertyOf(machine, context, bridge, 'echo')
  selfTest(machine, echo)
  for (const box of [echo, natives, bridge, global]) machine.release(box)
  return { functions: functions as Readonly<Record<BridgeName, number>>, sdk }
}

function propertyOf(machine: Machine, context: number, object: number, key: string): number {
  const name = machine.values.box(key)
  const box = machine.instance.exports.getProperty(context, object, name)
  machine.release(name)
  return box
}

/**
 * QuickJS compiles a template literal to a call of `''.concat`, found at run time: a guest that replaced the method would
 * write the kernel's messages. So nobody can.
 */
const LOCK_SOURCE = `Object.defineProperty(String.prototype,'concat',{writable:false,configurable:false})`

/** Takes what the engine hands over off the global object before anything else sees it; returns the bridge. */
const BOOT_SOURCE = `evaluate=>{
const natives=globalThis.${HANDOVER};delete globalThis.${HANDOVER}
globalThis.${ENGINE_BYTES}={toText:natives.toText,toBuffer:natives.toBuffer}
const kernel=evaluate();delete globalThis.${ENGINE_BYTES}
const k=kernel.boot(globalThis),{bridge,sdk}=k,{describeThrown}=kernel
k.bind(natives)
const isObject=v=>typeof v==='object'&&v!==null||typeof v==='function'||typeof v==='symbol'
return{...bridge,sdk:sdk.take,sdkNames:sdk.names.join(),sdkLazyNames:sdk.lazyNames.join(),began:natives.began,describeThrown,echo:natives.encodeUtf8,
rejected(reason){return bridge.rejected(isObject(reason)?describeThrown(reason):undefined,isObject(reason)?undefined:reason)}}}`
const BRIDGE_SOURCE = `const b=globalThis.${HANDOVER};delete globalThis.${HANDOVER};export const register=b.register,sdk=b.sdk,began=b.began`

function textOf(machine: Machine, context: number, object: number, key: string): string {
  const box = propertyOf(machine, context, object, key)
  const text = String(machine.values.read(box))
  machine.release(box)
  return text
}

/** Another build would have another layout: say so here, not in a guest. */
function selfTest(machine: Machine, echo: number): void {
  const all = Array.from({ length: 256 }, (_, code) => String.fromCharCode(code)).join('')
  for (const sample of [
    '',
    'a',
    all,
    `${all}\u0100\ud800\udfff\u{1f600}`,
    all.repeat(40),
    0,
    -1,
    1.5,
    -0,
    NaN,
    2 ** 40,
    true,
    false,
  ]) {
    if (!Object.is(machine.ask(echo, [sample]), sample))
      throw new Error('This build of QuickJS keeps its values otherwise than expected')
  }
  const bytes = machine.evaluate(
    Buffer.from('new Uint8Array([0,1,128,255]).subarray(1)'),
    KERNEL_FILE,
    EVAL.global,
  )
  const copied = machine.values.read(bytes)
  machine.release(bytes)
  machine.release(machine.evaluate(Buffer.from('Promise.reject(7)'), KERNEL_FILE, EVAL.global))
  const [reason = 0, ...more] = machine.takeRejections()
  const isTold = machine.values.read(reason) === 7 && more.length === 0
  machine.release(reason)
  if (!Buffer.isBuffer(copied) || copied.toString('hex') !== '0180ff' || !isTold)
    throw new Error('This build of QuickJS keeps its objects otherwise than expected')
}

interface Header {
  readonly pointers: MachinePointers
  readonly functions: QuickjsImage['functions']
  readonly sdk: SdkNames
  /** Place and length of each run. */
  readonly runs?: readonly (readonly [number, number])[]
}

const PAGE_BYTES = 4096

/** Most of the memory is zero, and so is a new one: only what is not is kept. */
function encode({ buffer }: Instance, header: Header): Buffer {
  const zero = Buffer.alloc(PAGE_BYTES)
  const runs: [number, number][] = []
  for (let at = 0; at < buffer.length; at += PAGE_BYTES) {
    if (buffer.compare(zero, 0, PAGE_BYTES, at, at + PAGE_BYTES) === 0) continue
    const last = runs.at(-1)
    if (last !== undefined && last[0] + last[1] === at) last[1] += PAGE_BYTES
    else runs.push([at, PAGE_BYTES])
  }
  const head = Buffer.from(JSON.stringify({ ...header, runs }))
  const size = Buffer.alloc(4)
  size.writeUInt32LE(head.length)
  return Buffer.concat([size, head, ...runs.map(([at, length]) => buffer.subarray(at, at + length))])
}

/** `file` is the host's own, from makeImage. */
export function openImage(file: Buffer): QuickjsImage {
  let at = 4 + file.readUInt32LE(0)
  const { pointers, functions, sdk, runs = [] } = JSON.parse(file.toString('utf8', 4, at)) as Header
  return {
    pointers,
    functions,
    sdk,
    runs: runs.map(([place, length]) => {
      const bytes = file.subarray(at, at + length)
      at += length
      return { at: place, bytes }
    }),
  }
}
