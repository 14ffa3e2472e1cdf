/**
 * Encodes frames into one growing buffer, so that a batch leaves in one write. `mark` and `rewind` let the cell
 * take back what a killed entry said.
 */
import { FLAG_ASCII, HEADER_BYTES, MAX_PAYLOAD_BYTES } from './frame.ts'

export interface FrameWriter {
  /** Text of any characters, as ASCII when it is, else as UTF-8. */
  text(kind: number, guest: number, a: number, b: number, text: string): void
  /** Text whose characters are all below 256, a byte each. */
  latin1(kind: number, guest: number, a: number, b: number, text: string): void
  bytes(kind: number, guest: number, a: number, b: number, payload: Uint8Array): void
  /** Position to rewind to. */
  mark(): number
  rewind(mark: number): void
  /** Fills in `b` of the frame that was written at `mark`. */
  patchB(mark: number, b: number): void
  readonly length: number
  /** What holds it, from 0 to `length`; another one after a write that needed more room. */
  readonly buffer: Buffer
  /** What was written since the last take. The view is valid until the next write. */
  take(): Buffer
}

const INITIAL_BYTES = 64 * 1024
/** A buffer that a burst has blown up beyond this is let go again. */
const KEPT_BYTES = 4 * 1024 * 1024

export function createFrameWriter(): FrameWriter {
  let buffer = Buffer.allocUnsafeSlow(INITIAL_BYTES)
  let view = viewOf(buffer)
  let end = 0

  const reserve = (bytes: number): void => {
    if (end + bytes <= buffer.length) return
    const larger = Buffer.allocUnsafeSlow(Math.max(buffer.length * 2, end + bytes))
    buffer.copy(larger, 0, 0, end)
    buffer = larger
    view = viewOf(buffer)
  }
  const letGo = (): void => {
    if (buffer.length <= KEPT_BYTES) return
    buffer = Buffer.allocUnsafeSlow(INITIAL_BYTES)
    view = viewOf(buffer)
  }
  const header = (kind: number, flags: number, guest: number, a: number, b: number, length: number): void => {
    if (length > MAX_PAYLOAD_BYTES)
      throw new RangeError(`A frame of ${length} bytes is over the protocol's bound`)
    const at = end
    view.setUint32(at, length, true)
    buffer[at + 4] = kind
    buffer[at + 5] = flags
    view.setUint16(at + 6, guest, true)
    view.setUint32(at + 8, a, true)
    view.setUint32(at + 12, b, true)
    end = at + HEADER_BYTES + length
  }

  return {
    text(kind, guest, a, b, text) {
      reserve(HEADER_BYTES + text.length * 3)
      const length = buffer.write(text, end + HEADER_BYTES, 'utf8')
      header(kind, length === text.length ? FLAG_ASCII : 0, guest, a, b, length)
    },
    latin1(kind, guest, a, b, text) {
      reserve(HEADER_BYTES + text.length)
      buffer.write(text, end + HEADER_BYTES, 'latin1')
      header(kind, 0, guest, a, b, text.length)
    },
    bytes(kind, guest, a, b, payload) {
      reserve(HEADER_BYTES + payload.length)
      buffer.set(payload, end + HEADER_BYTES)
      header(kind, 0, guest, a, b, payload.length)
    },
    mark: () => end,
    rewind(mark) {
      end = mark
      if (end === 0) letGo()
    },
    patchB(mark, b) {
      view.setUint32(mark + 12, b, true)
    },
    get length() {
      return end
    },
    get buffer() {
      return buffer
    },
    take() {
      const taken = buffer.subarray(0, end)
      end = 0
      letGo()
      return taken
    },
  }
}

export const viewOf = (buffer: Buffer): DataView =>
  new DataView(buffer.buffer, buffer.byteOffset, buffer.length)

/** The text of a frame's payload as the flags say it is encoded. */
export function textOf(flags: number, payload: Buffer): string {
  return flags & FLAG_ASCII ? payload.toString('latin1') : payload.toString('utf8')
}
