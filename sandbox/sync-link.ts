/**
 * The cell's end of the link: blocking reads and writes on an inherited descriptor. When the host dies the read
 * ends and so does the cell.
 */
import { readSync, writeSync } from 'node:fs'

export interface SyncLink {
  /** Waits for bytes and puts them at `at`; how many, 0 if the host is gone. */
  read(into: Buffer, at: number): number
  write(bytes: Buffer, end: number): void
}

export function createSyncLink(descriptor: number): SyncLink {
  return {
    read(into, at) {
      for (;;) {
        try {
          return readSync(descriptor, into, at, into.length - at, null)
        } catch (thrown) {
          if (!isCode(thrown, 'EINTR')) return 0
        }
      }
    },
    write(bytes, end) {
      for (let at = 0; at < end;) {
        try {
          at += writeSync(descriptor, bytes, at, end - at)
        } catch (thrown) {
          if (!isCode(thrown, 'EINTR')) throw thrown
        }
      }
    },
  }
}

const isCode = (thrown: unknown, code: string): boolean =>
  thrown instanceof Error && (thrown as NodeJS.ErrnoException).code === code
