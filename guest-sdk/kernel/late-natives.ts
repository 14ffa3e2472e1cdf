/**
 * The natives as the kernel sees them while it boots inside a snapshot, where no native function can exist yet: each
 * forwards to what the engine binds when an isolate is made from it.
 */
import type { Native } from './native.ts'

export interface LateNatives {
  readonly native: Native
  /** Once, before guest code runs. */
  bind(natives: Native): void
}

export function createLateNatives(): LateNatives {
  let bound: Native | undefined
  return {
    native: {
      parseUrl: (input, base) => bound?.parseUrl(input, base),
      updateUrl: (href, property, value) => bound?.updateUrl(href, property, value),
      decodeUtf8: (bytes, fatal) => bound?.decodeUtf8(bytes, fatal),
      encodeUtf8: (text) => bound?.encodeUtf8(text) ?? '',
      randomBytes: (length) => bound?.randomBytes(length) ?? '',
      part: (name) => bound?.part(name),
      crypto: (operation, parameters, ...bytes) => bound?.crypto(operation, parameters, ...bytes),
      compression: (operation, handle, bytes) => bound?.compression(operation, handle, bytes),
      flush: (text) => bound?.flush(text),
      emit: (id, bytes) => bound?.emit(id, bytes),
      log: (level, requestId, text) => bound?.log(level, requestId, text) ?? false,
    },
    bind(natives) {
      bound ??= natives
    },
  }
}
