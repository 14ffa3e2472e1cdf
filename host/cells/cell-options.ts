/** What a cell is made of, and whom it tells what becomes of it: declared here, so that it knows no supervisor. */
import type { CellProcess } from './cell-process.ts'
import type { Recorder } from './recorder.ts'
import type { CellEnd } from './resident.ts'

export interface CellOptions {
  readonly process: CellProcess
  readonly recorder?: Recorder | undefined
  /** Asked before each batch; whoever says no calls `proceed` later. */
  readonly mayGo?: (() => boolean) | undefined
  /** It was asked, and there was nothing to send. */
  readonly onNothing?: (() => void) | undefined
  readonly onBatchSent: () => void
  /** Buffers of so many bytes were made for the link. */
  readonly onBuffers?: ((bytes: number) => void) | undefined
  /** `more`: the next batch waits already. */
  readonly onBatchDone: (cpuMicros: number, more: boolean) => void
  readonly onEnd: (end: CellEnd, message: string) => void
}
