/**
 * Sweeps the store in rounds of small steps, one at a time: the next step is asked for when the one before is done, so
 * that the store never has more than one of them to do beside the calls of guests.
 */
import type { SweepStep } from './operations/sweep.ts'

export interface SweeperOptions {
  readonly everyMs: number
  readonly step: (from: number | null) => Promise<SweepStep>
  readonly failed: (thrown: unknown) => void
}

export interface Sweeper {
  /** A whole round, or what is left of the one under way. */
  round(): Promise<void>
  /** There is something to reclaim. */
  wake(): void
  /** Resolves when no step is under way; there is none afterwards. */
  close(): Promise<void>
}

export function createSweeper({ everyMs, step, failed }: SweeperOptions): Sweeper {
  let running: Promise<void> | undefined
  let closed = false

  const steps = async (): Promise<void> => {
    let from: number | null = null
    do ({ next: from } = await step(from))
    while (from !== null && !closed)
  }

  const round = (): Promise<void> => {
    running ??= steps().finally(() => (running = undefined))
    return running
  }

  const wake = (): void => {
    if (!closed) round().catch(failed)
  }

  const timer = setInterval(wake, everyMs)
  timer.unref()
  return {
    round,
    wake,
    async close() {
      closed = true
      clearInterval(timer)
      await running?.catch(() => undefined)
    },
  }
}
