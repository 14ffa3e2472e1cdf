/**
 * Writes what crossed one cell's link to a file, so that `vela replay` can run it again. The file is a sequence of
 * records: u8 kind, u32 length, payload. Records of bytes are as they crossed, whatever their frame borders.
 */
import { closeSync, openSync, writeSync } from 'node:fs'

export const RECORD = { header: 0, toCell: 1, fromCell: 2, killed: 3 } as const
export const RECORD_HEADER_BYTES = 5

export interface RecordingHeader {
  readonly format: 'vela-recording'
  readonly version: 1
  /** The kernel and cell code differ between builds; a replay on another build need not match. */
  readonly image: string
  readonly node: string
  readonly memoryMb: number
}

export interface Recorder {
  toCell(bytes: Buffer): void
  fromCell(bytes: Buffer): void
  killed(reason: string, duringBatch: number): void
  close(): void
}

export function createRecorder(file: string, header: RecordingHeader): Recorder {
  const descriptor = openSync(file, 'wx', 0o600)
  let open = true
  const write = (kind: number, payload: Buffer): void => {
    if (!open) return
    const head = Buffer.alloc(RECORD_HEADER_BYTES)
    head[0] = kind
    head.writeUInt32LE(payload.length, 1)
    writeSync(descriptor, Buffer.concat([head, payload]))
  }
  write(RECORD.header, Buffer.from(JSON.stringify(header)))
  return {
    toCell: (bytes) => write(RECORD.toCell, bytes),
    fromCell: (bytes) => write(RECORD.fromCell, bytes),
    killed: (reason, duringBatch) => write(RECORD.killed, Buffer.from(JSON.stringify({ reason, duringBatch }))),
    close() {
      if (!open) return
      open = false
      closeSync(descriptor)
    },
  }
}
