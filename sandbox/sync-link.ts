/**
 * The cell's end of the link: blocking reads and writes on an inherited descriptor. When the host dies the read
 * ends and so does the cell.
 */
import { readSync, writeSync } from 'node:fs'

export interface SyncLink {
  /** Waits for bytes; an empty buffer means that the host is gone. The view is valid until the next read. */
  read(): Buffer
  write(bytes: Buffer): void
}

const READ_BYTES = 1024 * 1024

export function createSyncLink(descriptor: number): SyncLink {
  const buffer = Buffer.allocUnsafeSlow(READ_BYTES)
  return {
    read() {
      for (;;) {
        try {
          return buffer.subarray(0, readSync(descriptor, buffer, 0, READ_BYTES, null))
        } catch (thrown) {
          if (!isCode(thrown, 'EINTR')) return buffer.subarray(0, 0)
        }
      }
    },
    write(bytes) {
      for (let at = 0; at < bytes.length;) {
        try {
          at += writeSync(descriptor, bytes, at, bytes.length - at)
        } catch (thrown) {
          if (!isCode(thrown, 'EINTR')) throw thrown
        }
      }
    },
  }
}

const isCode = (thrown: unknown, code: string): boolean =>
  thrown instanceof Error && (thrown as NodeJS.ErrnoException).code === code
