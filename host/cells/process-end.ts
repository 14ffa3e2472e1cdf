/** What the way a cell's process ended says about why: its last words, and the signal that ended it. */
import type { CellEnd } from './resident.ts'

export function endOf(words: string, signal: string | null): CellEnd {
  if (words.includes('is_heap_oom = 1')) return 'exceeded-memory'
  return signal === 'SIGKILL' ? 'killed' : 'exited'
}
