/**
 * CompressionStream and DecompressionStream (Compression Standard) over zlib in the cell, which takes and gives at most
 * 64 KiB a step. Each step waits until somebody reads, so a stream that unpacks to gigabytes occupies one step of them.
 */
import type { ReadableStream, ReadableStreamDefaultController, WritableStream } from 'web-streams-polyfill'
import type { Native } from '../../kernel/native.ts'
import type { AbortSignal } from '../abort.ts'
import type { ByteStrings } from '../bytes.ts'
import { isBufferSource, viewBytes } from '../intrinsics.ts'

export interface CompressionDeps extends ByteStrings {
  readonly native: Native['compression']
  domException(name: string, message: string): Error
  readonly ReadableStream: typeof ReadableStream
  readonly WritableStream: typeof WritableStream
}

export interface CompressionPart {
  readonly globals: Readonly<Record<string, unknown>>
}

interface Pair {
  readonly readable: ReadableStream<Uint8Array>
  readonly writable: WritableStream<unknown>
}

/** The numbers of the cell's half; those of the decompressors follow after the three. */
const FORMATS: Readonly<Record<string, number>> = { gzip: 0, deflate: 1, 'deflate-raw': 2 }
const STEP_BYTES = 65_536

export function create(deps: CompressionDeps): CompressionPart {
  const { native } = deps

  const failureOf = (status: string | undefined): Error => {
    if (status === '2') return new TypeError('There is more input after the end of the compressed data')
    if (status === '3') return new TypeError('The compressed data is not valid')
    if (status === '4') return new TypeError('The compressed data ends too early')
    return deps.domException(
      'QuotaExceededError',
      'Too many compression streams are open at a time: this one had to make room',
    )
  }

  function createPair(format: number): Pair {
    let handle: number | undefined
    /** Somebody reads and has not got anything yet. */
    let wanted = false
    let wake: (() => void) | undefined
    let failure: { reason: unknown } | undefined
    let reader!: ReadableStreamDefaultController<Uint8Array>
    let writer!: { error(reason: unknown): void }

    const close = (): void => {
      if (handle !== undefined) native('close', handle, '')
      handle = undefined
    }
    const fail = (reason: unknown): void => {
      failure ??= { reason }
      close()
      wake?.()
    }

    /** One step: what it gives goes to the reader. True while there is more to do with what it was given. */
    const step = (operation: string, bytes: string): boolean => {
      handle ??= native('open', format, '') as number | undefined
      const answer = handle === undefined ? undefined : native(operation, handle, bytes)
      const status = typeof answer === 'string' ? answer.charAt(0) : undefined
      if (typeof answer === 'string' && answer.length > 1) {
        wanted = false
        reader.enqueue(deps.bytesFromByteString(answer.slice(1)))
      }
      if (status === '0' || status === '1') return status === '1'
      const reason = failureOf(status)
      fail(reason)
      reader.error(reason)
      throw reason
    }

    const feed = async (bytes: string): Promise<void> => {
      for (let operation = 'write', more = true; more; operation = 'pull') {
        if (!wanted && failure === undefined) await new Promise<void>((resolve) => (wake = resolve))
        if (failure !== undefined) throw failure.reason
        more = step(operation, bytes)
        bytes = ''
      }
    }

    const readable = new deps.ReadableStream<Uint8Array>(
      {
        start(controller) {
          reader = controller
        },
        pull() {
          wanted = true
          wake?.()
        },
        cancel(reason) {
          fail(reason)
          writer.error(reason)
        },
      },
      { highWaterMark: 0 },
    )
    const writable = new deps.WritableStream<unknown>({
      start(controller) {
        writer = controller
        // A write that waits for a reader must not keep the stream from being aborted.
        const signal = controller.signal as unknown as AbortSignal
        signal.addEventListener('abort', () => fail(signal.reason))
      },
      async write(chunk) {
        if (!isBufferSource(chunk)) {
          const reason = new TypeError('A compression stream takes ArrayBuffers and views of them')
          fail(reason)
          reader.error(reason)
          throw reason
        }
        const bytes = viewBytes(chunk)
        for (let at = 0; at < bytes.length; at += STEP_BYTES) {
          await feed(deps.byteStringFromBytes(bytes.subarray(at, at + STEP_BYTES)))
        }
      },
      close() {
        // What is left is little, and a reader may come as late as it likes.
        for (let operation = 'finish'; step(operation, ''); operation = 'pull') continue
        handle = undefined
        reader.close()
      },
      abort(reason) {
        fail(reason)
        reader.error(reason)
      },
    })
    return { readable, writable }
  }

  const formatOf = (name: string, given: unknown, length: number): number => {
    if (length === 0) throw new TypeError(`${name}: 1 argument is required, 0 given`)
    const format = `${given as string}`
    const number = Object.hasOwn(FORMATS, format) ? FORMATS[format] : undefined
    if (number === undefined) throw new TypeError(`${name}: the format "${format}" is not supported`)
    return number
  }

  class CompressionStream {
    readonly #pair: Pair
    constructor(format: unknown) {
      this.#pair = createPair(formatOf('CompressionStream', format, arguments.length))
    }
    get readable(): Pair['readable'] {
      return this.#pair.readable
    }
    get writable(): Pair['writable'] {
      return this.#pair.writable
    }
  }

  class DecompressionStream {
    readonly #pair: Pair
    constructor(format: unknown) {
      this.#pair = createPair(3 + formatOf('DecompressionStream', format, arguments.length))
    }
    get readable(): Pair['readable'] {
      return this.#pair.readable
    }
    get writable(): Pair['writable'] {
      return this.#pair.writable
    }
  }

  return { globals: { CompressionStream, DecompressionStream } }
}
