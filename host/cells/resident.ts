/**
 * What lives in a cell, as its cell sees it: declared here by the consumer, so that the cell knows nothing of deployments,
 * queues and calls.
 */
import type { Fault } from '../../sandbox/protocol/frame.ts'

export interface Resident {
  /** Its next call was in a batch that was killed, and must be tried by itself. */
  readonly solitary: boolean
  readonly payload: LoadPayload
  /** What it has to say in batch `sequence`, or undefined. `budgetMs` 0 leaves the engine's timer off. */
  takeEntry(sequence: number): { readonly text: string; readonly budgetMs: number } | undefined
  /** CPU time after which the host ends the batch for this resident's sake (milliseconds). */
  entryBudgetMs(): number
  /** The same for loading it. */
  readonly loadBudgetMs: number
  /** `atOnce`: its module was evaluated in the batch that brought it, waiting for nothing. */
  loaded(description: unknown, atOnce: boolean): void
  output(text: string, ascii: boolean, cpuMicros: number): void
  bytes(id: number, payload: Buffer): void
  log(level: number, text: string): void
  /** Its isolate is gone; the cell lives. */
  faulted(fault: Fault): void
  /** The cell is gone. `during` is the batch it had not answered, 0 if none. */
  cellLost(reason: CellEnd, during: number): void
}

/** What a LOAD frame carries. */
export interface LoadPayload {
  /** JSON of LoadFrameConfig. */
  readonly config: string
  readonly source: Buffer
  /** Made by this host from the same source. */
  readonly codeCache: Buffer | undefined
}

/** `exited`: the process broke by itself; `killed`: somebody outside ended it, so nobody in it is to blame. */
export type CellEnd =
  | 'exited'
  | 'killed'
  | 'exceeded-cpu'
  | 'exceeded-memory'
  | 'stuck'
  | 'protocol'
  | 'stopped'
