/**
 * The codec of values (guest-sdk/async) as a part: only services that have actors, channels, workers and the like need it.
 * Theirs is loaded with the binding, before their own code runs.
 */
export interface Codec {
  /** More than JSON as a text without newlines, and back; both throw DataCloneError. */
  readonly encodeValue: (value: unknown) => string
  readonly decodeValue: (text: string) => unknown
  /** The same without the text. */
  readonly cloneValue: <Value>(value: Value) => Value
}

export interface LateCodec extends Codec {
  /** Now, rather than when it is first used. */
  load(): void
}

export function createLateCodec(loadPart: (name: string) => unknown): LateCodec {
  let codec: Codec | undefined
  const loaded = (): Codec => (codec ??= loadPart('codec') as Codec)
  return {
    load: loaded,
    encodeValue: (value) => loaded().encodeValue(value),
    decodeValue: (text) => loaded().decodeValue(text),
    cloneValue: (value) => loaded().cloneValue(value),
  }
}
