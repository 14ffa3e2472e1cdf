/**
 * Writes what crossed one cell's link to a file, so that `vela replay` can run it again. The file is a sequence of
 * records: u8 kind, u32 length, payload. Records of bytes are as they crossed, whatever their frame borders.
 *
 * It holds what guests were given, their secrets too: hence mode 0600. A disk that is full ends the recording and
 * nothing else; what is on it up to there can be replayed.
 */
import { closeSync, openSync, writeSync } from 'node:fs'
import type { CellEnd } from './cell.ts'

/** `killed` is the last record: why the cell ended. A file without it was cut off. */
export const RECORD = { header: 0, toCell: 1, fromCell: 2, killed: 3 } as const
export const RECORD_HEADER_BYTES = 5
/** Longer runs of bytes are split, so that a reader need not trust a length beyond this. */
export const MAX_RECORD_BYTES: number = 16 * 1024 * 1024

export interface RecordingHeader {
  readonly format: 'vela-recording'
  readonly version: 1
  /** The kernel and cell code differ between builds; a replay on another build need not match. */
  readonly image: string
  readonly node: string
  readonly memoryMb: number
  /** Resident memory at which the host killed the cell (mebibytes). */
  readonly residentMb: number
}

export interface RecordedEnd {
  readonly reason: CellEnd
  /** The batch that the cell had taken and not answered, 0 if none. */
  readonly duringBatch: number
  /** What that batch might use before the host's watchdog ended it (milliseconds). */
  readonly budgetMs: number
}

export interface Recorder {
  toCell(bytes: Buffer): void
  fromCell(bytes: Buffer): void
  ended(end: RecordedEnd): void
  close(): void
}

/** Throws when the file cannot be made; later failures end the recording and are told to `onFailure`, once. */
export function createRecorder(
  file: string,
  header: RecordingHeader,
  onFailure: (failure: Error) => void,
): Recorder {
  const descriptor = openSync(file, 'wx', 0o600)
  let open = true
  const close = (): void => {
    if (!open) return
    open = false
    try {
      closeSync(descriptor)
    } catch {
      // The system has let go of the descriptor all the same.
    }
  }
  const write = (kind: number, payload: Buffer): void => {
    for (let at = 0; open && (at < payload.length || at === 0); at += MAX_RECORD_BYTES) {
      const part = payload.subarray(at, at + MAX_RECORD_BYTES)
      const head = Buffer.alloc(RECORD_HEADER_BYTES)
      head[0] = kind
      head.writeUInt32LE(part.length, 1)
      try {
        writeAll(descriptor, Buffer.concat([head, part]))
      } catch (thrown) {
        close()
        onFailure(thrown instanceof Error ? thrown : new Error(String(thrown)))
      }
    }
  }
  write(RECORD.header, Buffer.from(JSON.stringify(header)))
  return {
    toCell: (bytes) => write(RECORD.toCell, bytes),
    fromCell: (bytes) => write(RECORD.fromCell, bytes),
    ended: (end) => write(RECORD.killed, Buffer.from(JSON.stringify(end))),
    close,
  }
}

/** A disk that is nearly full takes a part and says so only by the count. */
function writeAll(descriptor: number, bytes: Buffer): void {
  for (let at = 0; at < bytes.length;) at += writeSync(descriptor, bytes, at, bytes.length - at)
}
