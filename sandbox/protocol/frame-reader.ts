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

export function createFrameReader(kinds: Readonly<Record<string, number>>): FrameReader {
  const allowed = new Set(Object.values(kinds))
  let tail: Buffer[] = []
  let tailBytes = 0
  let neededBytes = HEADER_BYTES

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
      if (tailBytes > 0) {
        // The caller may reuse its buffer: what is kept must be a copy.
        tail.push(Buffer.from(chunk))
        tailBytes += chunk.length
        if (tailBytes < neededBytes) return
        buffer = Buffer.concat(tail, tailBytes)
        tail = []
        tailBytes = 0
      }
      let at = 0
      neededBytes = HEADER_BYTES
      while (buffer.length - at >= HEADER_BYTES) {
        const bytes = lengthAt(buffer, at)
        if (buffer.length - at < bytes) {
          neededBytes = bytes
          break
        }
        onFrame({
          kind: buffer[at + 4] as number,
          flags: buffer[at + 5] as number,
          guest: buffer.readUInt16LE(at + 6),
          a: buffer.readUInt32LE(at + 8),
          b: buffer.readUInt32LE(at + 12),
          payload: buffer.subarray(at + HEADER_BYTES, at + bytes),
        })
        at += bytes
      }
      if (at === buffer.length) return
      const rest = Buffer.from(buffer.subarray(at))
      tail = [rest]
      tailBytes = rest.length
    },
  }
}
