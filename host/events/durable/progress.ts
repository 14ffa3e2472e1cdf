/**
 * How far a consumer is, as its cursor keeps it: a position, and what is open below it. Events that were read and not begun are not
 * kept: they stand above the position and are read again. So a consumer that works in order saves one number.
 */
import type { CursorState, OpenEvent } from './log.ts'

export interface Progress {
  /** How far the log was read. */
  readonly readTo: number
  /** Events that were read and are not finished. */
  readonly unfinished: number
  /** Something to save; `soon`: something was handled. */
  readonly dirty: 'soon' | 'later' | null
  begin(sequence: number): void
  /** All that matches up to here was begun. */
  scanned(last: number): void
  /** It is handled, or a dead letter. */
  finish(sequence: number): void
  /** An attempt failed. */
  failed(open: OpenEvent): void
  /** What is to be saved now; clean from here on. */
  take(): CursorState
  /** Saving failed. */
  spoil(): void
}

export function createProgress(start: CursorState): Progress {
  /** What is not finished, ascending: the log is read forwards. */
  const open = new Map<number, OpenEvent | null>(start.open.map((each) => [each.sequence, each]))
  let readTo = start.position
  /** The highest that was finished, or that has failed attempts to remember. */
  let highest = start.position
  let dirty: Progress['dirty'] = null

  const position = (): number => {
    // What was begun above the highest need not be listed if the position stays below it.
    for (const sequence of open.keys()) if (sequence > highest) return sequence - 1
    return readTo
  }

  return {
    get readTo() {
      return readTo
    },
    get unfinished() {
      return open.size
    },
    get dirty() {
      return dirty
    },
    begin(sequence) {
      open.set(sequence, null)
      if (sequence > readTo) readTo = sequence
    },
    scanned(last) {
      if (last <= readTo) return
      readTo = last
      dirty ??= 'later'
    },
    finish(sequence) {
      open.delete(sequence)
      if (sequence > highest) highest = sequence
      dirty = 'soon'
    },
    failed(each) {
      open.set(each.sequence, each)
      if (each.sequence > highest) highest = each.sequence
      dirty = 'soon'
    },
    take() {
      dirty = null
      const at = position()
      const listed: OpenEvent[] = []
      for (const [sequence, each] of open) {
        if (sequence > at) break
        listed.push(each ?? { sequence, attempts: 0, dueMs: 0 })
      }
      return { position: at, open: listed }
    },
    spoil() {
      dirty = 'soon'
    },
  }
}

/** Every event that this consumer may still want has a sequence of at least this. */
export function neededFrom({ position, open }: CursorState): number {
  return Math.min(position, ...open.map(({ sequence }) => sequence - 1)) + 1
}
