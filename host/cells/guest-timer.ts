/**
 * The host's end of a guest's timers: the kernel keeps them and says when the earliest is due; this comes back then.
 * While the guest rests (nobody calls it) none fires; what fell due meanwhile fires when it is resumed.
 */
import { nowMs } from './clock.ts'

export interface GuestTimer {
  /** Epoch milliseconds; 0: there is none. */
  set(dueMs: number): void
  resume(): void
  close(): void
}

export interface GuestTimerDeps {
  readonly rests: () => boolean
  readonly onDue: () => void
}

const LONGEST_MS = 0x7fff_ffff

export function createGuestTimer({ rests, onDue }: GuestTimerDeps): GuestTimer {
  let timer: NodeJS.Timeout | undefined
  let due = 0
  let closed = false

  const arm = (dueMs: number): void => {
    due = dueMs
    clearTimeout(timer)
    timer = undefined
    if (dueMs === 0 || closed) return
    const delayMs = Math.min(Math.max(1, dueMs - nowMs()), LONGEST_MS)
    timer = setTimeout(() => {
      timer = undefined
      if (closed || rests()) return
      // Timers of the host may fire a little early; the guest would find nothing due and say nothing more.
      if (nowMs() < dueMs) return arm(dueMs)
      onDue()
    }, delayMs)
  }

  return {
    set: arm,
    resume() {
      if (timer === undefined && due !== 0) arm(due)
    },
    close() {
      closed = true
      clearTimeout(timer)
    },
  }
}
