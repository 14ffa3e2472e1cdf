/** Takes recordings apart and puts them together, for tests that change them. */
import { RECORD_HEADER_BYTES } from '../../host/cells/recorder.ts'

export interface RawRecord {
  readonly kind: number
  readonly offset: number
  readonly payload: Buffer
  /** The record with its header. */
  readonly bytes: Buffer
}

export function recordsOf(file: Buffer): RawRecord[] {
  const records: RawRecord[] = []
  for (let offset = 0; offset < file.length;) {
    const end = offset + RECORD_HEADER_BYTES + file.readUInt32LE(offset + 1)
    const bytes = file.subarray(offset, end)
    records.push({
      kind: file[offset] as number,
      offset,
      payload: bytes.subarray(RECORD_HEADER_BYTES),
      bytes,
    })
    offset = end
  }
  return records
}

export function recordOf(kind: number, payload: Uint8Array): Buffer {
  const head = Buffer.alloc(RECORD_HEADER_BYTES)
  head[0] = kind
  head.writeUInt32LE(payload.length, 1)
  return Buffer.concat([head, payload])
}
