/**
 * What an engine is to the cell. V8 (v8.ts) and QuickJS have this face alike; the cell knows nothing of either.
 * An engine never throws what a guest threw: results are values, and a guest that must go is a Fault.
 */
import type { EngineName } from '../protocol/engine-files.ts'
import type { Fault } from '../protocol/frame.ts'

/** A cell's engines. What is not used costs nothing. */
export type Engines = Readonly<Record<EngineName, Engine>>

export interface Engine {
  /** Makes a guest with its kernel booted and its module evaluated as far as it goes without waiting. */
  load(request: LoadRequest): LoadResult
  /** Prepares a spare isolate with the default memory limit, so that the next load is fast. */
  warm(): void
  /** What makes later loads fast: a service's code cache, or the kernel's start image; undefined where there is none. */
  compile(source: string, kind: 'service' | 'kernel'): Uint8Array | undefined
}

export interface LoadRequest {
  /** JSON text of GuestConfig, meant for the kernel; the engine passes it on. */
  readonly config: string
  readonly source: string
  /** Made by the host from the same source; never from a guest. */
  readonly codeCache: Uint8Array | undefined
  readonly memoryMb: number
  /** CPU budget of the evaluation (milliseconds); 0 leaves the engine's timer off. */
  readonly startupMs: number
  readonly host: GuestHost
}

export type LoadResult = { readonly guest: Guest } | { readonly fault: Fault }

/** What the cell offers a guest's natives. */
export interface GuestHost {
  /** `length` bytes of the batch's random stream for this guest. */
  randomBytes(length: number): Buffer
  /** Messages and bytes that must keep their order. */
  flush(text: string): void
  emit(id: number, bytes: Uint8Array): void
  /** False: over the bound of one entry. */
  log(level: number, requestId: string, text: string): boolean
}

export interface Guest {
  /** One entry: messages in, messages out. `budgetMs` 0 leaves the engine's timer off. */
  enter(nowMs: number, text: string, budgetMs: number): EnterResult
  /** What the module exports, once its top-level await is done. */
  describe(): string | undefined
  dispose(): void
}

export interface EnterResult {
  /** What the guest said, or undefined if nothing. Not to be used with a fault. */
  readonly output?: string | undefined
  /** A rejection nobody handled, or an error thrown outside any turn. The guest lives on. */
  readonly unhandled?:
    | { readonly name: string; readonly message: string; readonly stack?: string }
    | undefined
  /** The isolate is gone. */
  readonly fault?: Fault
}
