/**
 * One instance of QuickJS: its linear memory, of a size that never changes, and what it asks of the outside. It has no clock, no files
 * and no output; the time zone is UTC. What it computes is a function of what it was given.
 * Threat: a guest may own its linear memory. Whatever is read from it is a number that may be anything, and no more than that.
 */
import { EXPORTS, type QuickjsExports } from './quickjs-abi.ts'
import { wasmApi, type WasmMemory, type WasmTable } from './wasm-api.ts'
import { TABLE_EXPORT, TRACKER_MODULE, exportTable } from './quickjs-binary.ts'

/** What QuickJS asks its host while it runs. None of these may throw: there are wasm frames below. */
export interface InstanceHooks {
  /** A native was called: `arguments` points to `count` JSValues. Returns a JSValue's box, or 0 for undefined. */
  callNative(number: number, count: number, values: number): number
  /** Asked every some thousand operations; true ends the entry. */
  interrupt(): boolean
  /** What the import of `name` by `base` is called here; the text's box is malloc'ed. */
  resolveModule(base: string, name: string): string
  /** A module that is not there: throw into the guest. */
  refuseModule(): void
  rejected(promise: bigint, reason: bigint, handled: boolean): void
}

export interface Instance {
  readonly exports: QuickjsExports
  readonly bytes: Uint8Array
  readonly words: Uint32Array
  /** The same memory, for copying texts. */
  readonly buffer: Buffer
  /** An allocation failed: the memory is full. */
  readonly exhausted: boolean
}

export interface InstanceFactory {
  create(memoryBytes: number, hooks: InstanceHooks): Instance
}

const PAGE_BYTES = 65_536

/** Compiles the file; V8 compiles its functions when they are first called. */
export function createInstanceFactory(wasm: Uint8Array): InstanceFactory {
  const { Module, Instance: WasmInstance, Memory } = wasmApi()
  const module = new Module(exportTable(wasm))
  const tracker = new Module(TRACKER_MODULE)
  return {
    create(memoryBytes, hooks) {
      const pages = Math.ceil(memoryBytes / PAGE_BYTES)
      const memory = new Memory({ initial: pages, maximum: pages })
      const bytes = new Uint8Array(memory.buffer)
      const state = {
        exhausted: false,
        bytes,
        words: new Uint32Array(memory.buffer),
        buffer: Buffer.from(memory.buffer),
      }
      const imports = createImports(memory, state, hooks, (size) => exports.malloc(size))
      const wasmExports = new WasmInstance(module, imports).exports
      const exports = Object.fromEntries(
        Object.entries(EXPORTS).map(([name, short]) => [name, wasmExports[short]]),
      ) as unknown as QuickjsExports
      const typed = new WasmInstance(tracker, {
        a: {
          a: (_context: number, promise: bigint, reason: bigint, handled: number) =>
            hooks.rejected(promise, reason, handled !== 0),
        },
      })
      const table = wasmExports[TABLE_EXPORT] as WasmTable
      table.set(table.grow(1), typed.exports['a'])
      return Object.assign(state, { exports })
    },
  }
}

type Contents = Pick<Instance, 'bytes' | 'words' | 'buffer'> & { exhausted: boolean }

function createImports(
  memory: WasmMemory,
  state: Contents,
  hooks: InstanceHooks,
  malloc: (size: number) => number,
): { readonly a: Readonly<Record<string, unknown>> } {
  const { bytes, words, buffer } = state
  const { RuntimeError } = wasmApi()
  const nothing = (): number => 0
  const stop = (): never => {
    throw new RuntimeError('QuickJS gave up')
  }
  const textAt = (pointer: number): string => {
    const end = bytes.indexOf(0, pointer)
    return buffer.toString('utf8', pointer, Math.min(end < 0 ? bytes.length : end, pointer + MAX_NAME_BYTES))
  }
  const newText = (text: string): number => {
    const pointer = malloc(Buffer.byteLength(text) + 1)
    if (pointer !== 0) bytes[pointer + buffer.write(text, pointer)] = 0
    return pointer
  }
  const imports: Record<string, unknown> = {
    a: memory,
    /** assert, abort, exit */
    b: stop,
    q: stop,
    r: stop,
    /** Keeping the runtime alive, timers: there are none. */
    l: nothing,
    j: nothing,
    /** localtime, tzset: UTC. */
    m: (seconds: bigint, pointer: number) => writeUtc(words, Number(seconds), pointer >>> 2),
    n: (zone: number, daylight: number) => {
      words[zone >>> 2] = 0
      words[daylight >>> 2] = 0
    },
    /** The time: only a seed of what the kernel replaces. */
    p: nothing,
    /** The heap would grow. */
    k: () => {
      state.exhausted = true
      return 0
    },
    /** The environment: empty. */
    e: nothing,
    f: (count: number, size: number) => {
      words[count >>> 2] = 0
      words[size >>> 2] = 0
      return 0
    },
    /** close, seek, write: there are no files. */
    d: () => BAD_DESCRIPTOR,
    o: () => BAD_DESCRIPTOR,
    c: () => BAD_DESCRIPTOR,
    s: (_context: number, _self: number, count: number, values: number, number: number) =>
      hooks.callNative(number, count, values),
    i: () => (hooks.interrupt() ? 1 : 0),
    h: () => {
      hooks.refuseModule()
      return 0
    },
    g: (_runtime: number, _context: number, base: number, name: number) =>
      newText(hooks.resolveModule(textAt(base), textAt(name))),
    /** A native was collected. */
    t: nothing,
  }
  return { a: imports }
}

const BAD_DESCRIPTOR = 8
const MAX_NAME_BYTES = 1024

/** `struct tm`; the offset from UTC is its tenth word. */
function writeUtc(words: Uint32Array, seconds: number, at: number): void {
  const date = new Date(seconds * 1000)
  const yearStart = Date.UTC(date.getUTCFullYear(), 0, 1)
  const fields = [
    date.getUTCSeconds(),
    date.getUTCMinutes(),
    date.getUTCHours(),
    date.getUTCDate(),
    date.getUTCMonth(),
    date.getUTCFullYear() - 1900,
    date.getUTCDay(),
    Math.floor((date.getTime() - yearStart) / 86_400_000),
    0,
    0,
  ]
  for (const [index, field] of fields.entries()) words[at + index] = field
}
