/**
 * The limit that holds for certain: a stopwatch on the batch that each cell has taken and not answered, read
 * against the process's own CPU time, and its resident memory. It costs nothing a turn: it only looks at cells that
 * still work on the batch they worked on at the look before.
 */
import type { CellEnd } from './cell.ts'
import { readProcessStats, type ProcessStats } from './process-stats.ts'

/** What the watchdog needs of a cell; the host's and the replay's have this face alike. */
export interface WatchedCell {
  readonly pid: number
  readonly alive: boolean
  /** The batch that it works on, 0 when it waits. */
  readonly outstanding: number
  readonly outstandingBudgetMs: number
  kill(reason: CellEnd, message: string): void
}

export interface Watchdog {
  /** A batch has gone to this cell. */
  watch(cell: WatchedCell): void
  close(): void
}

export interface WatchdogOptions {
  /** Resident memory that a cell may have (bytes), by what lives in it. */
  readonly residentLimitBytes: (cell: WatchedCell) => number
  /** Called when a cell has worked for long; the scheduler may be told to prefer others. */
  readonly onLong?: (pid: number) => void
  /** CPU time that the batch under way has used since it was first looked at (milliseconds): at most what it will have used. */
  readonly onProgress?: (cell: WatchedCell, cpuMs: number) => void
  readonly readStats?: (pid: number) => ProcessStats | undefined
}

interface Watch {
  batch: number
  cpuMs: number
  lastCpuMs: number
  /** Looks in a row at which the cell neither ran nor wanted to. */
  still: number
}

/** On a busy machine batches of many cells wait for long; looking at each more often would cost more than it finds. */
const LOOK_MS = 20
/** Room for the engine's own timer to end the turn politely. */
const GRACE = 1.6
const GRACE_MS = 40
/** A cell that owes an answer and does not run for so long is stopped or blocked. */
const STUCK_MS = 3_000

export function createWatchdog(options: WatchdogOptions): Watchdog {
  const readStats = options.readStats ?? readProcessStats
  const watches = new Map<WatchedCell, Watch>()
  let timer: NodeJS.Timeout | undefined
  let idleLooks = 0

  const look = (): void => {
    let busy = 0
    for (const [cell, watch] of watches) {
      if (!cell.alive) watches.delete(cell)
      else if (cell.outstanding === 0) watch.batch = 0
      else {
        busy++
        lookAt(cell, watch)
      }
    }
    idleLooks = busy === 0 ? idleLooks + 1 : 0
    if (idleLooks > 100) stop()
  }

  const lookAt = (cell: WatchedCell, watch: Watch): void => {
    if (watch.batch !== cell.outstanding) {
      watch.batch = cell.outstanding
      watch.cpuMs = -1
      return
    }
    const stats = readStats(cell.pid)
    if (stats === undefined) return
    if (watch.cpuMs < 0) {
      watch.cpuMs = stats.cpuMs
      watch.lastCpuMs = stats.cpuMs
      watch.still = 0
      return
    }
    const usedMs = stats.cpuMs - watch.cpuMs
    options.onProgress?.(cell, usedMs)
    const end = (reason: CellEnd, message: string): void => {
      watches.delete(cell)
      cell.kill(reason, message)
    }
    if (stats.residentBytes > options.residentLimitBytes(cell)) {
      return end('exceeded-memory', `The cell had ${stats.residentBytes >> 20} MiB resident`)
    }
    if (usedMs > cell.outstandingBudgetMs * GRACE + GRACE_MS) {
      return end('exceeded-cpu', `A batch used ${Math.round(usedMs)} ms of CPU time`)
    }
    watch.still = stats.cpuMs === watch.lastCpuMs && stats.state !== 'R' ? watch.still + 1 : 0
    watch.lastCpuMs = stats.cpuMs
    if (watch.still * LOOK_MS > STUCK_MS) return end('stuck', 'The cell owes an answer and does not run')
    if (usedMs > LOOK_MS) options.onLong?.(cell.pid)
  }

  const stop = (): void => {
    clearInterval(timer)
    timer = undefined
    idleLooks = 0
  }

  return {
    watch(cell) {
      if (!watches.has(cell)) watches.set(cell, { batch: 0, cpuMs: -1, lastCpuMs: 0, still: 0 })
      timer ??= setInterval(look, LOOK_MS).unref()
    },
    close() {
      stop()
      watches.clear()
    },
  }
}
