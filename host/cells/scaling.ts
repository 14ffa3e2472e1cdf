/**
 * When a deployment has too few replicas or too many, by what is seen of it over short windows.
 *
 * One more: calls waited at nearly every look, and every cell it has was at work at nearly every look, for a process that
 * got CPU time, where the host's own loop had time to spare (else the cells wait for the host, and one more cell would
 * take from it). One less: for `calmMs` nothing waited and the others could have done all there was in half their time.
 */
import { readCpuMs } from './process-stats.ts'

export interface ScalingOptions {
  /** Replicas at most. */
  readonly most: number
  readonly calmMs: number
  readonly readCpuMs?: (pid: number) => number | undefined
  /** The share of the time since it was last asked that the host's event loop was at work. */
  readonly readHostLoad?: () => number
}

/** What is looked at. */
export interface Load {
  /** Calls that wait. */
  readonly queueLength: number
  readonly posts: readonly { readonly pid: number; readonly busy: boolean; readonly pinnedCount: number }[]
}

export interface Scaling {
  /** Called every few milliseconds. Says what is to be done; says it again if it was not done. */
  look(load: Load, nowMs: number): 'grow' | 'shrink' | undefined
  /** One more could not be had: asks no more for a while, each time longer. */
  refused(nowMs: number): void
}

const WINDOW_MS = 250
/** Of the looks of a window. */
const NEARLY_ALWAYS = 0.75
/** Of a core: a process that has less waits for others on the machine, and another of its kind would too. */
const LEAST_CPU = 0.25
/** Of a core: whatever the host does, this cell has no time left. */
const FULL_CPU = 0.75
const MOST_HOST_LOAD = 0.75
const FIRST_REFUSAL_MS = 2_000
const LONGEST_REFUSAL_MS = 60_000

interface Window {
  readonly startedMs: number
  looks: number
  waited: number
  /** By process: looks at which it was at work, and its CPU time at the first. */
  readonly cells: Map<number, { busy: number; readonly cpuMs: number | undefined }>
}

export function createScaling(options: ScalingOptions): Scaling {
  const cpuMsOf = options.readCpuMs ?? readCpuMs
  const hostLoad = options.readHostLoad ?? createHostLoad()
  let window: Window | undefined
  let calmSinceMs: number | undefined
  let notBeforeMs = 0
  let refusalMs = FIRST_REFUSAL_MS

  const open = (nowMs: number): Window => {
    hostLoad()
    return { startedMs: nowMs, looks: 0, waited: 0, cells: new Map() }
  }

  /** Was the process short of CPU time of its own, rather than of the host's or the machine's? */
  const lacksTime = (busy: number, usedMs: number | undefined, pastMs: number, host: number): boolean => {
    if (busy < NEARLY_ALWAYS) return false
    // Where the system does not say, being at work must do.
    if (usedMs === undefined) return host < MOST_HOST_LOAD
    const share = usedMs / pastMs
    return share >= FULL_CPU || (share >= LEAST_CPU && host < MOST_HOST_LOAD)
  }

  const judge = (seen: Window, { posts }: Load, nowMs: number): 'grow' | 'shrink' | undefined => {
    const pastMs = nowMs - seen.startedMs
    const busyOf = (pid: number): number => (seen.cells.get(pid)?.busy ?? 0) / seen.looks
    if (posts.length > 1) {
      const busy = posts.reduce((sum, { pid }) => sum + busyOf(pid), 0)
      const isCalm = seen.waited <= seen.looks * (1 - NEARLY_ALWAYS) && busy <= (posts.length - 1) / 2
      if (!isCalm) calmSinceMs = undefined
      else calmSinceMs ??= seen.startedMs
      if (calmSinceMs !== undefined && nowMs - calmSinceMs >= options.calmMs) {
        calmSinceMs = undefined
        return 'shrink'
      }
    }
    if (posts.length >= options.most || nowMs < notBeforeMs || seen.waited < seen.looks * NEARLY_ALWAYS)
      return undefined
    const host = hostLoad()
    const isShort = posts.every(({ pid }) => {
      const fromMs = seen.cells.get(pid)?.cpuMs
      const toMs = fromMs === undefined ? undefined : cpuMsOf(pid)
      const usedMs = fromMs === undefined || toMs === undefined ? undefined : toMs - fromMs
      return lacksTime(busyOf(pid), usedMs, pastMs, host)
    })
    return isShort ? 'grow' : undefined
  }

  return {
    look(load, nowMs) {
      const { posts, queueLength } = load
      const waits = queueLength > 0 || posts.some(({ pinnedCount }) => pinnedCount > 0)
      if (posts.length > 1) refusalMs = FIRST_REFUSAL_MS
      if (posts.length === 0 || (posts.length === 1 && !waits && window === undefined)) return undefined
      window ??= open(nowMs)
      window.looks++
      if (waits) window.waited++
      for (const { pid, busy } of posts) {
        let cell = window.cells.get(pid)
        if (cell === undefined) {
          cell = { busy: 0, cpuMs: posts.length < options.most ? cpuMsOf(pid) : undefined }
          window.cells.set(pid, cell)
        }
        if (busy) cell.busy++
      }
      if (nowMs - window.startedMs < WINDOW_MS) return undefined
      const seen = window
      window = undefined
      return judge(seen, load, nowMs)
    },
    refused(nowMs) {
      notBeforeMs = nowMs + refusalMs
      refusalMs = Math.min(refusalMs * 2, LONGEST_REFUSAL_MS)
    },
  }
}

function createHostLoad(): () => number {
  let last = performance.eventLoopUtilization()
  return () => {
    const now = performance.eventLoopUtilization()
    const { utilization } = performance.eventLoopUtilization(now, last)
    last = now
    return utilization
  }
}
