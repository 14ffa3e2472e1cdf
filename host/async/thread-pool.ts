/**
 * Threads for trusted code that uses a processor for long, on piscina. They start when first needed and end when idle;
 * whoever cancels a task ends the thread that runs it, since nothing else stops a loop. The queue is not piscina's
 * but host-tasks.ts's: at most as many jobs are in here as there may be threads.
 */
import { Piscina } from 'piscina'
import { moduleBeside } from '../core/module-beside.ts'
import type { ThreadJob, ThreadOutcome } from './thread-entry.ts'

export interface ThreadPool {
  /** Threads at most. */
  readonly size: number
  /** Threads that are there. */
  readonly threads: number
  /** Rejects when the signal aborts or the thread ends; what the task throws is an outcome. */
  run(job: ThreadJob, signal: AbortSignal): Promise<ThreadOutcome>
  close(): Promise<void>
}

const IDLE_MS = 30_000
const ENTRY = moduleBeside(import.meta.url, 'thread-entry')

/**
 * `size`: threads at most. `onStray`: a thread failed while it had no task (what a module left behind threw, or there
 * was no thread to be had); another takes its place.
 */
export function createThreadPool(
  size: number,
  onStray: (error: unknown) => void = () => undefined,
): ThreadPool {
  let pool: Piscina<ThreadJob, ThreadOutcome> | undefined
  const start = (): Piscina<ThreadJob, ThreadOutcome> => {
    const started = new Piscina<ThreadJob, ThreadOutcome>({
      filename: ENTRY.href,
      name: 'runJob',
      minThreads: 0,
      maxThreads: size,
      idleTimeout: IDLE_MS,
      recordTiming: false,
    })
    // An `error` that nobody listens to would end the host.
    started.on('error', onStray)
    return started
  }
  return {
    size,
    get threads() {
      return pool?.threads.length ?? 0
    },
    run(job, signal) {
      pool ??= start()
      return pool.run(job, { signal })
    },
    async close() {
      await pool?.destroy()
      pool = undefined
    },
  }
}
