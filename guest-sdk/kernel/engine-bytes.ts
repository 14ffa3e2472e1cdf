/**
 * Copies between byte strings and byte arrays as the engine does them, where that pays: QuickJS takes a microsecond for each
 * byte of a loop. V8 compiles the loops and needs none of it.
 */
export interface EngineBytes {
  /** A byte string of the array's bytes. */
  toText(bytes: Uint8Array): string
  /** A new buffer with the bytes of a byte string. */
  toBuffer(byteString: string): ArrayBuffer
}

/** Put there by the bundler for the kernel, which is evaluated before any guest code; for parts, which are not, it is undefined. */
declare const ENGINE_BYTES: EngineBytes | undefined

export const engineBytes: EngineBytes | undefined =
  typeof ENGINE_BYTES === 'undefined' ? undefined : ENGINE_BYTES

/** Shorter ones are copied as fast by hand. */
export const WORTHWHILE_BYTES = 48
