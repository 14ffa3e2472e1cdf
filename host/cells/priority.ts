/**
 * Scheduling priority of cells: one that computes for long goes behind everybody else on the machine, and its tenant
 * stays there for a while, so that a neighbour's short turns never wait for it. Where the system refuses to raise a
 * priority again (only root may), the cell keeps the low one until it is replaced.
 */
import { setPriority } from 'node:os'

export interface PriorityKeeper {
  /** A spare is being started: that may take its time. */
  starting(pid: number): void
  /** This owner's cell has computed for long. */
  demote(owner: string, pid: number, nowMs: number): void
  /** A cell was given to the owner. */
  assigned(owner: string, pid: number, nowMs: number): void
  /** Called about once a second, with the cells there are. */
  tick(cells: Iterable<{ readonly owner: string; readonly pid: number }>, nowMs: number): void
}

/** Behind the host, so that parsing and answering never wait for guests. */
const USUAL = 1
const LAST = 19
const STARTING = 15
const PENALTY_MS = 10_000

export function createPriorityKeeper(
  set: (pid: number, priority: number) => void = setPriority,
): PriorityKeeper {
  const demotedUntil = new Map<string, number>()
  const demoted = new Set<number>()
  const apply = (pid: number, priority: number): void => {
    try {
      set(pid, priority)
    } catch {
      // The process has ended, or the system does not let us.
    }
  }
  const lower = (pid: number): void => {
    if (demoted.has(pid)) return
    demoted.add(pid)
    apply(pid, LAST)
  }
  return {
    starting(pid) {
      // Who may not raise it again must not lower it: the cell would keep it when it serves.
      if (process.getuid?.() === 0) apply(pid, STARTING)
    },
    demote(owner, pid, nowMs) {
      demotedUntil.set(owner, nowMs + PENALTY_MS)
      lower(pid)
    },
    assigned(owner, pid, nowMs) {
      if ((demotedUntil.get(owner) ?? 0) > nowMs) lower(pid)
      else apply(pid, USUAL)
    },
    tick(cells, nowMs) {
      for (const [owner, untilMs] of demotedUntil) if (untilMs <= nowMs) demotedUntil.delete(owner)
      const present = new Set<number>()
      for (const { owner, pid } of cells) {
        present.add(pid)
        if (!demoted.has(pid) || demotedUntil.has(owner)) continue
        demoted.delete(pid)
        apply(pid, USUAL)
      }
      for (const pid of demoted) if (!present.has(pid)) demoted.delete(pid)
    },
  }
}
