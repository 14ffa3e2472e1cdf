/**
 * Streams: the ponyfill's classes and what bodies need of them. A part of its own because it is larger than all the
 * rest and most services only ever send whole bodies.
 */
import {
  ByteLengthQueuingStrategy,
  CountQueuingStrategy,
  ReadableByteStreamController,
  ReadableStream,
  ReadableStreamBYOBReader,
  ReadableStreamBYOBRequest,
  ReadableStreamDefaultController,
  ReadableStreamDefaultReader,
  TransformStream,
  TransformStreamDefaultController,
  WritableStream,
  WritableStreamDefaultController,
  WritableStreamDefaultWriter,
} from 'web-streams-polyfill'
import type { TextDecoder, TextEncoder } from '../encoding.ts'
import { createTextStreams } from './text-streams.ts'

export interface StreamsDeps {
  readonly TextDecoder: new (
    label?: string,
    options?: { fatal?: boolean; ignoreBOM?: boolean },
  ) => TextDecoder
  readonly TextEncoder: new () => TextEncoder
}

interface Source {
  pull(): Promise<Uint8Array | undefined>
  cancel(reason: unknown): void
}

export interface StreamsPart {
  /** The globals, by name. */
  readonly globals: Readonly<Record<string, unknown>>
  /** For parts that build on them: there must be one of each. */
  readonly classes: {
    readonly ReadableStream: typeof ReadableStream
    readonly WritableStream: typeof WritableStream
  }
  isReadable(value: unknown): boolean
  isDisturbed(stream: ReadableStream): boolean
  /** A byte stream over a source, or over bytes that are made when first read. */
  fromSource(source: Source | (() => Uint8Array)): ReadableStream
  /** Locks the stream and reads its chunks as they are. */
  toSource(stream: ReadableStream): { pull(): Promise<Uint8Array | undefined>; cancel(reason: unknown): void }
  /** Locks the stream for good and marks it disturbed: its content went elsewhere. */
  exhaust(stream: ReadableStream): void
  tee(stream: ReadableStream): [ReadableStream, ReadableStream]
  /** A new stream with the content of this one, which is locked. */
  proxy(stream: ReadableStream): ReadableStream
}

/** Nothing is pulled ahead: a source costs frames, and a whole value costs its encoding. */
const HIGH_WATER_BYTES = 0

export function create(deps: StreamsDeps): StreamsPart {
  const { getReader, tee } = ReadableStream.prototype
  const { read, cancel } = ReadableStreamDefaultReader.prototype
  const readerOf = (stream: ReadableStream): ReadableStreamDefaultReader =>
    Reflect.apply(getReader, stream, []) as ReadableStreamDefaultReader

  function fromSource(given: Source | (() => Uint8Array)): ReadableStream {
    let whole = typeof given === 'function' ? given : undefined
    const source = typeof given === 'function' ? undefined : given
    return new ReadableStream(
      {
        type: 'bytes',
        async pull(controller) {
          let chunk = whole === undefined ? await source?.pull() : whole()
          // A byte stream refuses empty chunks; the source may have them.
          while (chunk !== undefined && chunk.byteLength === 0) chunk = await source?.pull()
          if (chunk === undefined) {
            controller.close()
            // A pending BYOB read is answered with nothing, as the specs ask after close.
            controller.byobRequest?.respond(0)
            return
          }
          controller.enqueue(chunk as Uint8Array<ArrayBuffer>)
          if (whole !== undefined) {
            whole = undefined
            controller.close()
          }
        },
        cancel(reason: unknown) {
          source?.cancel(reason)
        },
      },
      { highWaterMark: HIGH_WATER_BYTES },
    )
  }

  function toSource(stream: ReadableStream): Source {
    const reader = readerOf(stream)
    return {
      async pull() {
        const { done, value } = await (Reflect.apply(read, reader, []) as ReturnType<typeof read>)
        return done ? undefined : (value as Uint8Array)
      },
      cancel(reason) {
        Reflect.apply(cancel, reader, [reason]).catch(() => undefined)
      },
    }
  }

  return {
    globals: {
      ByteLengthQueuingStrategy,
      CountQueuingStrategy,
      ReadableByteStreamController,
      ReadableStream,
      ReadableStreamBYOBReader,
      ReadableStreamBYOBRequest,
      ReadableStreamDefaultController,
      ReadableStreamDefaultReader,
      TransformStream,
      TransformStreamDefaultController,
      WritableStream,
      WritableStreamDefaultController,
      WritableStreamDefaultWriter,
      ...createTextStreams(deps),
    },
    classes: { ReadableStream, WritableStream },
    isReadable: (value) => value instanceof ReadableStream,
    // The ponyfill keeps the spec's [[disturbed]] slot under this name and offers no other way to read it.
    isDisturbed: (stream) => Boolean((stream as unknown as { _disturbed: boolean })._disturbed),
    fromSource,
    toSource,
    exhaust(stream) {
      ;(stream as unknown as { _disturbed: boolean })._disturbed = true
      if (!stream.locked) readerOf(stream)
    },
    tee: (stream) => Reflect.apply(tee, stream, []) as [ReadableStream, ReadableStream],
    proxy: (stream) => fromAny(toSource(stream)),
  }
}

/** Like `fromSource`, for chunks that may be anything. */
function fromAny(source: Source): ReadableStream {
  return new ReadableStream(
    {
      async pull(controller) {
        const chunk = await source.pull()
        if (chunk === undefined) controller.close()
        else controller.enqueue(chunk)
      },
      cancel: (reason) => source.cancel(reason),
    },
    { highWaterMark: 0 },
  )
}
