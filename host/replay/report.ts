/** What a replay found: the document of `vela replay --json`. */
import type { Difference } from './compare.ts'
import type { KilledEntry, TurnOutcome } from './tally.ts'

export interface ReplayReport {
  readonly file: string
  /** Every frame was equal, and a cell that the host ended would be ended again. */
  readonly matched: boolean
  /** Batches that were played and answered as recorded. */
  readonly batches: number
  readonly turns: Partial<Record<TurnOutcome, number>>
  readonly killed: readonly KilledEntry[]
  /** The first place where the cell said something else. */
  readonly divergence: Divergence | null
  readonly end: {
    /** Why the cell ended when it was recorded; 'cut-off': the recording does not say. */
    readonly recorded: string
    /** What became of the last batch in the replay; 'answered' as all the others, 'not-played' if nothing shows what it did. */
    readonly replayed: string
  }
  /** Program of the cells (kernel and cell) and version of Node. */
  readonly recordedWith: Build
  readonly replayedWith: Build
  readonly cpuMs: { readonly recorded: number; readonly replayed: number }
  /** What may explain a divergence, or limits what a match proves. */
  readonly warnings: readonly string[]
}

export interface Divergence extends Difference {
  readonly batch: number
  readonly note: string
}

export interface Build {
  readonly image: string
  readonly node: string
}
