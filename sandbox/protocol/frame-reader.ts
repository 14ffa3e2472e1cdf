/**
 * Cuts a byte stream into frames. The stream is hostile on the host's side: lengths are checked before anything is
 * allocated, and only the kinds of the expected direction pass.
 */
import { HEADER_BYTES, MAX_PAYLOAD_BYTES, type Frame } from './frame.ts'

export class ProtocolViolation extends Error {
  override readonly name = 'ProtocolViolation'
}

export interface FrameReader {
  /** Gives each complete frame to `onFrame`, in order; keeps an incomplete tail. Throws ProtocolViolation. */
  push(chunk: Buffer, onFrame: (frame: Frame) => void): void
  /** Bytes kept of a frame that is not complete yet. */
  readonly pendingBytes: number
}

export interface FrameReaderOptions {
  /** Payloads of this kind are handed on as they come, in parts that are not empty: bulk bytes are never put together. */
  readonly inParts?: number
  /** The caller's buffers are its own and not used again, so that what is kept of them need not be copied. */
  readonly ownedChunks?: boolean
}

export function createFrameReader(
  kinds: Readonly<Record<string, number>>,
  { inParts, ownedChunks = false }: FrameReaderOptions = {},
): FrameReader {
  const allowed = new Set(Object.values(kinds))
  let tail: Buffer[] = []
  let tailBytes = 0
  let neededBytes = HEADER_BYTES
  /** A frame whose payload has begun to be handed on, and how much of it is to come. */
  let begun: { readonly frame: Frame; left: number } | undefined
  const keep = (bytes: Buffer): Buffer => (ownedChunks ? bytes : Buffer.from(bytes))

  const lengthAt = (buffer: Buffer, at: number): number => {
    const length = buffer.readUInt32LE(at)
    if (length > MAX_PAYLOAD_BYTES) throw new ProtocolViolation(`A frame claims ${length} bytes`)
    const kind = buffer[at + 4] as number
    if (!allowed.has(kind)) throw new ProtocolViolation(`A frame has the unknown kind ${kind}`)
    return HEADER_BYTES + length
  }

  return {
    get pendingBytes() {
      return tailBytes
    },
    push(chunk, onFrame) {
      let buffer = chunk
      if (begun !== undefined) {
        const part = buffer.subarray(0, begun.left)
        begun.left -= part.length
        const { frame } = begun
        if (begun.left === 0) begun = undefined
        if (part.length > 0) onFrame({ ...frame, payload: part })
        buffer = buffer.subarray(part.length)
        if (buffer.length === 0) return
      }
      if (tailBytes > 0) {
        tail.push(keep(buffer))
        tailBytes += buffer.length
        if (tailBytes < neededBytes) return
        buffer = Buffer.concat(tail, tailBytes)
        tail = []
        tailBytes = 0
      }
      let at = 0
      neededBytes = HEADER_BYTES
      while (buffer.length - at >= HEADER_BYTES) {
        const bytes = lengthAt(buffer, at)
        const isWhole = buffer.length - at >= bytes
        if (!isWhole && buffer[at + 4] !== inParts) {
          neededBytes = bytes
          break
        }
        const frame = frameAt(buffer, at, isWhole ? at + bytes : buffer.length)
        if (!isWhole) begun = { frame, left: bytes - HEADER_BYTES - frame.payload.length }
        if (isWhole || frame.payload.length > 0) onFrame(frame)
        if (!isWhole) return
        at += bytes
      }
      if (at === buffer.length) return
      tail = [keep(buffer.subarray(at))]
      tailBytes = buffer.length - at
    },
  }
}

const frameAt = (buffer: Buffer, at: number, end: number): Frame => ({
  kind: buffer[at + 4] as number,
  flags: buffer[at + 5] as number,
  guest: buffer.readUInt16LE(at + 6),
  a: buffer.readUInt32LE(at + 8),
  b: buffer.readUInt32LE(at + 12),
  payload: buffer.subarray(at + HEADER_BYTES, end),
})
