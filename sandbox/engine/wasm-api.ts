/** As much of WebAssembly's interface as the cell uses; Node's types leave it to the DOM's, which nothing here may see. */
export interface WasmApi {
  readonly Module: new (bytes: Uint8Array) => WasmModule
  readonly Instance: new (
    module: WasmModule,
    imports: { readonly a: Readonly<Record<string, unknown>> },
  ) => { readonly exports: Readonly<Record<string, unknown>> }
  readonly Memory: new (pages: { readonly initial: number; readonly maximum: number }) => WasmMemory
  readonly RuntimeError: new (message: string) => Error
}

export interface WasmModule {
  readonly [brand]: never
}
declare const brand: unique symbol

export interface WasmMemory {
  readonly buffer: ArrayBuffer
}

export interface WasmTable {
  /** Returns the length before. */
  grow(by: number): number
  set(at: number, value: unknown): void
}

export function wasmApi(): WasmApi {
  return (globalThis as unknown as { WebAssembly: WasmApi }).WebAssembly
}
