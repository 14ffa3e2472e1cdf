/** What one guest of a cell may do to the cell: draw random bytes, hand over output, write log lines. All bounded. */
import { FROM_CELL, MAX_PAYLOAD_BYTES } from './protocol/frame.ts'
import type { FrameWriter } from './protocol/frame-writer.ts'
import type { GuestHost } from './engine/contract.ts'
import type { SeedStream } from './seed-stream.ts'

/** What one entry may hand over before its end (bytes): the first credit of some hundred streams that begin in it. */
const MAX_OUTPUT_BYTES = 128 * 1024 * 1024
/** What one entry may log (characters); the host keeps the rate over time. */
const MAX_LOG_CHARACTERS = 256 * 1024
const MAX_LINE_CHARACTERS = 16 * 1024

export interface CellGuestHost extends GuestHost {
  /** An entry begins. */
  open(): void
  /** It has ended. True when it went over its bound, so that the guest must go. */
  close(): boolean
  /** Writes the log lines gathered so far, also those of a killed entry. */
  writeLogs(): void
}

export function createGuestHost(number: number, writer: FrameWriter, seeds: SeedStream): CellGuestHost {
  let outputBytes = 0
  let logCharacters = 0
  let lines: { level: number; text: string }[] = []
  let dropped = 0

  return {
    open() {
      outputBytes = 0
    },
    close: () => outputBytes > MAX_OUTPUT_BYTES,
    randomBytes: (length) => seeds.bytes(number, length),
    flush(text) {
      outputBytes += isTooLong(text) ? Infinity : text.length
      if (outputBytes <= MAX_OUTPUT_BYTES) writer.text(FROM_CELL.output, number, 0, 0, text)
    },
    emit(id, bytes) {
      outputBytes += bytes.length
      if (outputBytes > MAX_OUTPUT_BYTES) return
      // A chunk may be larger than a frame.
      for (let at = 0; at < bytes.length; at += MAX_PAYLOAD_BYTES)
        writer.bytes(FROM_CELL.bytes, number, id, 0, bytes.subarray(at, at + MAX_PAYLOAD_BYTES))
    },
    log(level, requestId, text) {
      logCharacters += text.length + 32
      if (logCharacters > MAX_LOG_CHARACTERS) {
        dropped++
        return false
      }
      lines.push({
        level: level & 3,
        text: `${requestId.slice(0, 64)}\n${text.slice(0, MAX_LINE_CHARACTERS)}`,
      })
      return true
    },
    writeLogs() {
      if (lines.length === 0 && dropped === 0) return
      for (const { level, text } of lines) writer.text(FROM_CELL.log, number, level, 0, text)
      if (dropped > 0)
        writer.text(
          FROM_CELL.log,
          number,
          2,
          dropped,
          `\n${dropped} log lines dropped: one turn said too much`,
        )
      lines = []
      dropped = 0
      logCharacters = 0
    },
  }
}

/** A frame must hold it; a character is at most three bytes, so most texts need not be measured. */
export const isTooLong = (text: string | undefined): boolean =>
  text !== undefined && text.length * 3 > MAX_PAYLOAD_BYTES && Buffer.byteLength(text) > MAX_PAYLOAD_BYTES
