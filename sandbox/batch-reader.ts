/**
 * Reads one batch at a time, whole, into one buffer. The host sends a batch only when the last is done, so nothing of a
 * next one can follow, and frames need not be cut out of a stream.
 *
 * Fields are read with DataView: a cell that serves few requests runs in the interpreter, where a call of a built-in is
 * cheaper than the same in JavaScript.
 */
import { BATCH_FRAME_BYTES } from './protocol/batch-frame.ts'
import { HEADER_BYTES, TO_CELL } from './protocol/frame.ts'
import { ProtocolViolation } from './protocol/frame-reader.ts'
import { viewOf } from './protocol/frame-writer.ts'
import type { SyncLink } from './sync-link.ts'

/** A batch in memory, valid until the next is read. */
export interface Batch {
  readonly buffer: Buffer
  readonly view: DataView
  /** Where it ends; it begins at 0 with its BATCH frame. */
  readonly end: number
}

export interface BatchReader {
  /** Waits for the next batch; undefined when the host is gone. */
  next(): Batch | undefined
}

const KEPT_BYTES = 1024 * 1024

export function createBatchReader(link: SyncLink): BatchReader {
  let buffer = Buffer.allocUnsafeSlow(KEPT_BYTES)
  let view = viewOf(buffer)

  const reserve = (bytes: number, keep: number): void => {
    const larger = Buffer.allocUnsafeSlow(bytes)
    buffer.copy(larger, 0, 0, keep)
    buffer = larger
    view = viewOf(buffer)
  }

  return {
    next() {
      if (buffer.length > KEPT_BYTES) reserve(KEPT_BYTES, 0)
      let have = 0
      let end = BATCH_FRAME_BYTES
      while (have < end) {
        const read = link.read(buffer, have)
        if (read === 0) return undefined
        const begins = have < BATCH_FRAME_BYTES
        have += read
        if (!begins || have < BATCH_FRAME_BYTES) continue
        if (buffer[4] !== TO_CELL.batch) throw new ProtocolViolation('A batch does not begin as one')
        end = BATCH_FRAME_BYTES + view.getUint32(12, true)
        if (end > buffer.length) reserve(end, have)
      }
      if (have !== end) throw new ProtocolViolation('More came than the batch holds')
      return { buffer, view, end }
    },
  }
}

/** The frames of a batch after its first; `from` and `to` are the bounds of the payload. */
export function eachFrame(
  { buffer, view, end }: Batch,
  take: (kind: number, guest: number, a: number, b: number, from: number, to: number) => void,
): void {
  for (let at = BATCH_FRAME_BYTES; at < end;) {
    const from = at + HEADER_BYTES
    const to = from + view.getUint32(at, true)
    if (to > end) throw new ProtocolViolation('A frame is longer than its batch')
    take(
      buffer[at + 4] as number,
      view.getUint16(at + 6, true),
      view.getUint32(at + 8, true),
      view.getUint32(at + 12, true),
      from,
      to,
    )
    at = to
  }
}
