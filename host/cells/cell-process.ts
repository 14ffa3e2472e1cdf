/** A cell's process as the host holds it: its link, its end, and the power to end it. spawn.ts makes them, replay too. */
import type { Socket } from 'node:net'

export interface CellProcess {
  readonly pid: number
  readonly socket: Socket
  /** Resolves when the process has ended. */
  readonly exited: Promise<{ readonly code: number | null; readonly signal: string | null }>
  kill(): void
  /** The beginning of what it wrote to its error stream: for the operator's log alone. */
  lastWords?(): string
}
