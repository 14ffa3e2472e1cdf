/** What the kernel says about a process, read from /proc; undefined where there is none (the process or /proc). */
import { readFileSync } from 'node:fs'

export interface ProcessStats {
  /** CPU time since the process started (milliseconds). */
  readonly cpuMs: number
  readonly residentBytes: number
  /** R running or runnable, S sleeping, D in the kernel, T stopped, Z dead. */
  readonly state: string
}

const PAGE_BYTES = 4096
const TICK_MS = 10

export function readProcessStats(pid: number): ProcessStats | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    const field = (index: number): number => Number(fields[index])
    return {
      state: fields[0] ?? '?',
      cpuMs: schedulerMs(pid) ?? (field(11) + field(12)) * TICK_MS,
      residentBytes: field(21) * PAGE_BYTES,
    }
  } catch {
    return undefined
  }
}

/** CPU time since the process started (milliseconds), with nothing else read where the kernel keeps it finely. */
export function readCpuMs(pid: number): number | undefined {
  return schedulerMs(pid) ?? readProcessStats(pid)?.cpuMs
}

/** Finer than the ticks of `stat`: nanoseconds on the CPU, where the kernel keeps them. */
function schedulerMs(pid: number): number | undefined {
  try {
    const nanos = Number(readFileSync(`/proc/${pid}/schedstat`, 'latin1').split(' ')[0])
    return nanos > 0 ? nanos / 1e6 : undefined
  } catch {
    return undefined
  }
}
