/**
 * The cell's half of CompressionStream and DecompressionStream (guest-sdk/web/parts/compression.ts has the other): zlib,
 * one capped step a call, so that neither a large chunk nor a zip bomb makes more than 64 KiB at a time. A cell has no
 * event loop, so zlib's streams are driven by their handles; as streams they would wait for callbacks for ever.
 *
 * Operations: `open` (handle: a FORMAT) answers a new handle; `write` takes bytes, `finish` says that no more come,
 * `pull` goes on with what either left to do, `close` frees. Those answer a STATUS digit followed by bytes.
 */
import {
  createDeflate,
  createDeflateRaw,
  createGunzip,
  createGzip,
  createInflate,
  createInflateRaw,
} from 'node:zlib'
import type { NativeFunction } from './natives.ts'

/** Indices are what `open` takes. */
const FORMATS: readonly ((options: { chunkSize: number; rejectGarbageAfterEnd: boolean }) => unknown)[] = [
  createGzip,
  createDeflate,
  createDeflateRaw,
  createGunzip,
  createInflate,
  createInflateRaw,
]

const STATUS = {
  /** All input is taken; after `finish`: all is done, and the handle is free. */
  ready: '0',
  /** `pull` has more to give. */
  more: '1',
  /** Input went on after the end of the compressed data. The handle is free, as with all that follow. */
  trailing: '2',
  corrupt: '3',
  truncated: '4',
  /** There is no such handle: it is over, or had to make room. */
  gone: '5',
} as const

/** Open at a time in an isolate, some 270 KiB each; who opens one more loses the one that was idle longest. */
const MAX_OPEN = 128
const MAX_OUTPUT_BYTES = 65_536
const MAX_INPUT_BYTES = 1_048_576

const NO_FLUSH = 0
const FINISH = 4

/** What a zlib stream of Node's works with; not in its public face, but the only way without an event loop. */
interface ZlibInternals {
  readonly _handle: {
    writeSync(
      flush: number,
      input: Uint8Array,
      inputOffset: number,
      inputLength: number,
      output: Uint8Array,
      outputOffset: number,
      outputLength: number,
    ): void
    close(): void
  }
  /** Output room and input left after a write. */
  readonly _writeState: Uint32Array
}

interface Codec {
  readonly zlib: ZlibInternals
  input: Buffer
  flush: number
  failed: boolean
}

const EMPTY = Buffer.alloc(0)

export function createCompressionNative(): NativeFunction {
  /** In the order of their last use. */
  const open = new Map<number, Codec>()
  let lastHandle = 0
  let output: Buffer | undefined

  const free = (handle: number): void => {
    open.get(handle)?.zlib._handle.close()
    open.delete(handle)
  }

  const openCodec = (format: number): number | undefined => {
    const create = FORMATS[format]
    if (create === undefined) return undefined
    if (open.size >= MAX_OPEN) free(open.keys().next().value as number)
    const zlib = create({ chunkSize: 64, rejectGarbageAfterEnd: true }) as ZlibInternals
    const codec = {
      zlib,
      input: EMPTY,
      flush: NO_FLUSH,
      failed: false,
    }
    // The stream's own handler would destroy it, which ends in a tick that never comes.
    Object.assign(zlib._handle, { onerror: () => (codec.failed = true) })
    open.set(++lastHandle, codec)
    return lastHandle
  }

  const step = (codec: Codec): string => {
    const { zlib, flush } = codec
    output ??= Buffer.allocUnsafe(MAX_OUTPUT_BYTES)
    zlib._handle.writeSync(flush, codec.input, 0, codec.input.length, output, 0, MAX_OUTPUT_BYTES)
    if (codec.failed) return flush === FINISH ? STATUS.truncated : STATUS.corrupt
    const [room = 0, left = 0] = zlib._writeState
    codec.input = left === 0 ? EMPTY : codec.input.subarray(codec.input.length - left)
    const bytes = output.toString('latin1', 0, MAX_OUTPUT_BYTES - room)
    // With room for output and input to go on with, zlib stops only at the end of the data.
    const status = room === 0 ? STATUS.more : left === 0 ? STATUS.ready : STATUS.trailing
    return status + bytes
  }

  return (operation, handle, bytes) => {
    const number = Number(handle)
    if (operation === 'open') return openCodec(number)
    if (operation === 'close') {
      free(number)
      return undefined
    }
    const codec = open.get(number)
    if (codec === undefined) return STATUS.gone
    open.delete(number)
    open.set(number, codec)
    if (operation === 'write') {
      const text = String(bytes)
      if (text.length > MAX_INPUT_BYTES) return undefined
      codec.input = Buffer.from(text, 'latin1')
    } else if (operation === 'finish') codec.flush = FINISH
    else if (operation !== 'pull') return undefined
    const answer = step(codec)
    const isOver = answer[0] !== STATUS.more && (answer[0] !== STATUS.ready || codec.flush === FINISH)
    if (isOver) free(number)
    return answer
  }
}
