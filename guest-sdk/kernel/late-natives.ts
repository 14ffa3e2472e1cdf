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
      decodeLegacy: (label, bytes, fatal) => bound?.decodeLegacy(label, bytes, fatal),
      randomBytes: (length) => bound?.randomBytes(length) ?? '',
      part: (name) => bound?.part(name),
      // No rest and spread: an iterator of arrays that the guest patched would see the keys.
      crypto: (operation, words, first, second, third, fourth) =>
        bound?.crypto(operation, words, first, second, third, fourth),
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
